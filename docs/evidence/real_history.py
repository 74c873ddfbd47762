"""Whether `history` finds the commits of this repository that made Numba's LayerNorm faster.

    python docs/evidence/real_history.py compile FOLDER
    python docs/evidence/real_history.py measure FOLDER [COMMIT…]

Puts the Numba files of each commit into a copy of today's package, so that one harness measures all
of them, and runs that in a clone of this repository at the commit, whose hash the report then has.
Commits are measured in a random order: a machine that wanders makes no step. `compile` fills
Numba's cache without measuring. Called again, `measure` adds a report to each commit. Then, in
FOLDER/clone: lnbench history ../reports
"""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

COMMITS = (
    *("3dcc504", "7229515", "30ec15f", "bb42349", "d7946fe", "b7eea99", "e0c69d9", "7b07d82"),
    *("c1bcd59", "10e6d39", "49701f9", "af51709", "1a6d61e", "97f2e08"),
)
"""What changed Numba's loops on 25 November 2026, and two that did not, the oldest first."""

ROWS = (
    "layernorm/backward/16384x64/float32/cpu/numba",  # 30ec15f: calls count no references
    "layernorm/forward/1024x2048/bfloat16/cpu/numba",  # e0c69d9: widened where it is read
    "layernorm/forward/1024x2048/float32/cpu/numba",  # 49701f9: the next row is fetched
)

KERNELS = "lnbench/operations/layernorm"
SHARED = (f"{KERNELS}/rows.py", f"{KERNELS}/halves.py")
"""What the loops of that time import beside their own files."""


def main() -> None:
    """Compile or measure the commits that are named, or all."""
    mode, folder, *named = sys.argv[1:]
    work = Path(folder).resolve()
    chosen = named or list(COMMITS)
    random.Random(0).shuffle(chosen)  # noqa: S311  (an order, no secret)
    clone = work / "clone"
    if not clone.exists():
        _git(ROOT, "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(clone))
    for commit in chosen:
        print(commit, flush=True)
        _git(clone, "checkout", "--quiet", "--force", "--detach", commit)
        words = ["check"] if mode == "compile" else _run(work, commit)
        _lnbench(clone, overlay(work, commit), *words)
    _git(
        clone, "checkout", "--quiet", "--force", "--detach", _git(ROOT, "rev-parse", "HEAD").strip()
    )


def overlay(work: Path, commit: str) -> Path:
    """Return a folder with today's package that has the Numba files of a commit."""
    made = work / "overlays" / commit
    if made.exists():
        return made
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "lnbench", made / "lnbench", ignore=ignore)
    names = _git(ROOT, "ls-tree", "--name-only", commit, f"{KERNELS}/").split()
    for name in names:
        if Path(name).stem.startswith("numba") or name in SHARED:
            (made / name).write_text(_git(ROOT, "show", f"{commit}:{name}"), encoding="utf-8")
    return made


def _run(work: Path, commit: str) -> list[str]:
    number = len(list(work.glob(f"reports/{commit}*.json")))
    report = work / "reports" / f"{commit}-{number}.json"
    return ["run", "--passes", "6", "--max-time", "70", "--output", str(report)]


def _lnbench(clone: Path, package: Path, *words: str) -> None:
    """Call the package on the rows, in one thread, with results in memory that is there."""
    command = [sys.executable, "-P", "-m", "lnbench", *words, "--quiet", "--backend", "numba"]
    command += ["--config", str(ROOT / "benchmarks.yaml"), "--outputs", "ready", "--threads", "1"]
    command += ["--operation", "layernorm", "--direction", "forward,backward"]
    command += ["--shape", "16384x64,1024x2048", "--dtype", "float32,bfloat16"]
    command += [word for row in ROWS for word in ("--filter", row.replace("/numba", "/*"))]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    subprocess.run(command, cwd=clone, env=environment, stdout=subprocess.DEVNULL, check=True)


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words],  # noqa: S607
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


if __name__ == "__main__":
    main()
