"""How often `lnbench diff` shows a change where none is: runs of identical code, judged in pairs.

    python docs/evidence/false_alarms.py FOLDER --runs 20 [--suite ci] [flags of lnbench run]

Writes FOLDER/run-00.json …, and prints for the disjoint pairs (0,1), (2,3), … and for all pairs how
many showed a regressed or improved row, and what the pairs could have detected.
Nothing else may run on the machine meanwhile.
"""

import argparse
import itertools
import statistics
import subprocess
import sys
import time
from pathlib import Path

from lnbench.judge.diff import compare
from lnbench.judge.verdict import Verdict
from lnbench.record import report


def main() -> None:
    """Measure where reports are missing, then judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--suite", default="ci")
    arguments, flags = parser.parse_known_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    paths = [arguments.folder / f"run-{i:02}.json" for i in range(arguments.runs)]
    seconds = [measure(path, arguments.suite, flags) for path in paths]
    taken = [second for second in seconds if second]
    if taken:
        print(f"{len(taken)} runs, {statistics.median(taken):.0f} s each (median)")
    runs = [report.read(path) for path in paths]
    judge("disjoint pairs", list(zip(runs[::2], runs[1::2], strict=False)))
    judge("all pairs", list(itertools.combinations(runs, 2)))


def measure(path: Path, suite: str, flags: list[str]) -> float | None:
    """Run the suite, unless its report is there already; return the seconds that it took."""
    if path.exists():
        return None
    start = time.monotonic()
    command = [sys.executable, "-m", "lnbench", "run", suite, "-o", str(path), "--quiet", *flags]
    subprocess.run(command, check=True)
    return time.monotonic() - start


def judge(name: str, pairs: list[tuple[report.Report, report.Report]]) -> None:
    """Print what `diff` says of pairs of reports."""
    alarms, rows, verdicts, detectable, drifts = 0, 0, [], [], []
    for baseline, candidate in pairs:
        diff = compare((baseline,), (candidate,))
        judged = [each for each in diff.comparisons if each.verdict is not None]
        verdicts += [each.verdict for each in judged]
        detectable += [each.detectable for each in judged]
        drifts.append(diff.tau)
        shown = [e for e in judged if e.verdict in (Verdict.REGRESSED, Verdict.IMPROVED)]
        alarms += bool(shown)
        rows += len(shown)
    counts = {str(verdict): verdicts.count(verdict) for verdict in Verdict}
    print(f"{name}: {alarms} of {len(pairs)} with a false alarm, {rows} of {len(verdicts)} rows")
    print(f"  verdicts {counts}")
    ordered = statistics.quantiles(detectable, n=10)
    print(
        f"  detectable: median {statistics.median(detectable):.3f}, deciles {ordered[0]:.3f}"
        f" to {ordered[-1]:.3f}; drift median {statistics.median(drifts):.3f}"
    )


if __name__ == "__main__":
    main()
