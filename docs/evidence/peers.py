"""How often four tools show a regression where none is: the same rows, in the same hour.

    python docs/evidence/peers.py FOLDER --runs 8 --peers PYTHON

PYTHON is the interpreter of a venv with torch, pyperf and pytest-benchmark. A round is one run of
each tool, one after the other, on the rows that `peer_rows.py` holds and suite `ci` names; all
files are kept under FOLDER, and a run that is there is not measured again. Then every ordered pair
of runs of a tool is judged as that tool judges: a regression is a false one. A session of
`lnbench ab` holds both its sides, so each is judged on its own.
Nothing else may run on the machine meanwhile.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from lnbench.judge.diff import compare
from lnbench.judge.paired import compare_sides
from lnbench.judge.verdict import Verdict
from lnbench.record import report

ROWS = Path(__file__).parent / "peer_rows.py"
THRESHOLD = 0.05
EAGER = "backend:torch-eager"
LNBENCH = (sys.executable, "-m", "lnbench")


def commands(peers: str, seed: int) -> dict[str, list[str]]:
    """Return the command of each tool, without the path that it writes to, which comes last."""
    flags = ("--threads", "1", "--seed", str(seed), "--quiet", "-o")
    return {
        "torch.utils.benchmark": [peers, str(ROWS), "timer"],
        "pytest-benchmark": [peers, "-m", "pytest", "-c", os.devnull, str(ROWS)],
        "pyperf": [peers, str(ROWS), "--fast", "-o"],
        "lnbench run": [*LNBENCH, "run", "ci", "--backend", "torch-eager", *flags],
        "lnbench ab": [*LNBENCH, "ab", EAGER, EAGER, "ci", *flags],
    }


def main() -> None:
    """Measure the rounds that are missing, then judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--peers", default=sys.executable)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    taken = arguments.folder / "seconds.json"
    seconds = json.loads(taken.read_text()) if taken.exists() else {}
    for number in range(arguments.runs):
        for tool, command in commands(arguments.peers, number).items():
            path = file_of(arguments.folder, tool, number)
            if not path.exists():
                seconds.setdefault(tool, []).append(measure(tool, command, path))
                taken.write_text(json.dumps(seconds))
    for tool, judge in judges(arguments.peers).items():
        files = [file_of(arguments.folder, tool, number) for number in range(arguments.runs)]
        show(tool, judge(files), seconds.get(tool, []))


def file_of(folder: Path, tool: str, number: int) -> Path:
    """Return the file of one run of a tool."""
    return folder / f"{tool.replace(' ', '-')}-{number:02}.json"


def measure(tool: str, command: list[str], path: Path) -> float:
    """Run a tool; return the seconds that it took."""
    last = [f"--benchmark-json={path}"] if tool == "pytest-benchmark" else [str(path)]
    start = time.monotonic()
    subprocess.run([*command, *last], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


Judged: TypeAlias = list[tuple[int, int]]
"""Of each pair (or session): the rows that show a regression, and the rows that there are."""


def medians_judged(read: Callable[[Path], dict[str, float]], files: list[Path]) -> Judged:
    """Return the rows whose median grew by more than the threshold, of all ordered pairs."""
    runs = [read(path) for path in files]
    return [
        (sum(later[row] > earlier[row] * (1 + THRESHOLD) for row in earlier), len(earlier))
        for earlier, later in itertools.permutations(runs, 2)
    ]


def timer_medians(path: Path) -> dict[str, float]:
    """Return the medians that `peer_rows.py timer` wrote."""
    return json.loads(path.read_text())


def pytest_medians(path: Path) -> dict[str, float]:
    """Return the medians of a file of pytest-benchmark."""
    rows = json.loads(path.read_text())["benchmarks"]
    return {row["name"]: row["stats"]["median"] for row in rows}


def pyperf_judged(peers: str, files: list[Path]) -> Judged:
    """Return the rows that `pyperf compare_to` calls slower, of all ordered pairs."""
    judged = []
    for earlier, later in itertools.permutations(files, 2):
        command = [peers, "-m", "pyperf", "compare_to", str(earlier), str(later)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        judged.append((said.count("x slower"), 4))
    return judged


def runs_judged(files: list[Path]) -> Judged:
    """Return the rows that `lnbench diff` calls regressed, of all ordered pairs."""
    runs = [report.read(path) for path in files]
    return [
        regressed(compare((earlier,), (later,)).comparisons)
        for earlier, later in itertools.permutations(runs, 2)
    ]


def sessions_judged(files: list[Path]) -> Judged:
    """Return the rows that `lnbench ab` calls regressed, of each session."""
    return [regressed(compare_sides(report.read(path)).comparisons) for path in files]


def regressed(rows: tuple) -> tuple[int, int]:
    """Count the regressed rows, and the rows that are judged: copy, the control, is not."""
    verdicts = [row.verdict for row in rows if row.verdict is not None]
    return verdicts.count(Verdict.REGRESSED), len(verdicts)


def judges(peers: str) -> dict[str, Callable[[list[Path]], Judged]]:
    """Return how each tool judges the files of its runs."""
    return {
        "torch.utils.benchmark": lambda files: medians_judged(timer_medians, files),
        "pytest-benchmark": lambda files: medians_judged(pytest_medians, files),
        "pyperf": lambda files: pyperf_judged(peers, files),
        "lnbench run": runs_judged,
        "lnbench ab": sessions_judged,
    }


def show(tool: str, judged: Judged, seconds: list[float]) -> None:
    """Print what a tool showed, and the time that a run of it took."""
    pairs = sum(bool(rows) for rows, _ in judged)
    rows = sum(rows for rows, _ in judged)
    of = sum(rows for _, rows in judged)
    each = f"{statistics.median(seconds):.0f} s a run" if seconds else "measured before"
    print(f"{tool}: {pairs} of {len(judged)} with a false regression, {rows} of {of} rows; {each}")


if __name__ == "__main__":
    main()
