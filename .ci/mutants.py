"""Changes one thing in a room of rules at a time, and asks whether that room's own tests notice.

`make mutants` runs this: mutmut makes the changes and forks a test run for each, this file draws
them and holds the rooms to a score (docs/decisions/0025-mutants-of-the-rules.md).
"""

import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("judge", "plan", "record")
LEAST = 0.90
COPIED = ("lnbench", "tests", "docs", "benchmarks.yaml", "README.md", "CHANGELOG.md")

# A profile without deadlines and without chance: a mutant dies of a test, never of a busy machine.
CONFIG = """
[tool.mutmut]
source_paths = ["lnbench"]
only_mutate = ["lnbench/{room}/*"]
also_copy = ["docs", "benchmarks.yaml", "README.md", "CHANGELOG.md"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "--hypothesis-profile=ci"]
pytest_add_cli_args_test_selection = ["tests/{room}"]
timeout_constant = 2.0
timeout_multiplier = 5.0
use_git_change_detection = false
"""


def copy_of_the_tree(room: str) -> Path:
    """A fresh folder in which mutmut may write, with its settings for this room."""
    folder = ROOT / "build" / "mutants" / room
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy2(ROOT / name, folder / name)
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8") + CONFIG.format(room=room)
    (folder / "pyproject.toml").write_text(settings, encoding="utf-8")
    return folder


def names_of_mutants(room: str) -> list[str]:
    """Every change that mutmut knows to make in the room of the current folder."""
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    return [
        get_mutant_name(path, name)
        for path in sorted(Path("lnbench", room).glob("*.py"))
        for name in mutate_file_contents(str(path), path.read_text(encoding="utf-8")).mutant_names
    ]


def statuses(room: str) -> dict[str, str]:
    """What became of each mutant that was tried in the current folder."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.stats import status_by_exit_code

    found = {}
    for path in Path("lnbench", room).glob("*.py"):
        data = SourceFileMutationData(path=path)
        data.load()
        found |= {name: status_by_exit_code[code] for name, code in data.exit_code_by_key.items()}
    return found


def score(room: str, wanted: str, seed: int) -> float:
    """The share of a room's drawn mutants that its tests notice; those that live are printed."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    os.chdir(copy_of_the_tree(room))
    names = names_of_mutants(room)
    known = len(names)
    if wanted != "all":
        names = random.Random(seed).sample(names, min(int(wanted), known))
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names]
    log = Path("mutmut.log")
    with log.open("w", encoding="utf-8") as output:
        subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    found = statuses(room)
    became = Counter(found[name] for name in names)
    for name in sorted(names):
        if found[name] not in {"killed", "timeout"}:
            print(f"\n{found[name]}: {name}\n{get_diff_for_mutant(name)}")
    if became["not checked"]:
        sys.exit(f"{room}: mutmut stopped early, see {log.resolve()}")
    share = (became["killed"] + became["timeout"]) / len(names)
    print(f"\n{room}: {share:.1%} of {len(names)} mutants noticed, of {known}: {dict(became)}\n")
    return share


def main() -> None:
    """Ask for every room named, or for all; MUTANTS a room (a number or "all"), drawn by SEED."""
    wanted, seed = os.environ.get("MUTANTS", "150"), int(os.environ.get("SEED", "0"))
    scores = {room: score(room, wanted, seed) for room in sys.argv[1:] or ROOMS}
    for room, share in scores.items():
        print(f"{room:8} {share:.1%}")
    sys.exit(any(share < LEAST for share in scores.values()))


if __name__ == "__main__":
    main()
