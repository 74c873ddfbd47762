"""How often `lnbench diff` shows a change where none is: runs of identical code, judged in pairs.

    python docs/evidence/false_alarms.py FOLDER --runs 20 [--suite ci] [flags of lnbench run]

Writes FOLDER/run-00.json …, and prints for the disjoint pairs (0,1), (2,3), … and for all pairs how
many showed a regressed or improved row, and what the pairs could have detected. Then the change
that each ordered pair printed as detectable is planted in another run, and sought.
Nothing else may run on the machine meanwhile.
"""

import argparse
import itertools
import statistics
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from lnbench.judge.diff import compare
from lnbench.judge.verdict import Verdict
from lnbench.plan.case import Benchmark
from lnbench.record import report
from lnbench.record.outcome import Measured, Outcome


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
    plant(runs)


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
        drifts.append(diff.rule.drift)
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


def plant(runs: list[report.Report]) -> None:
    """Print how often a change as large as the one printed as detectable is called."""
    verdicts: list[Verdict] = []
    for first, second in itertools.permutations(range(len(runs)), 2):
        third = next(i % len(runs) for i in range(second + 1, 99) if i % len(runs) != first)
        printed = compare((runs[first],), (runs[second],)).comparisons
        reach = {row.benchmark: row.detectable for row in printed if row.detectable is not None}
        slower = (runs[first],), (slowed(runs[third], reach),)
        verdicts += [row.verdict for row in compare(*slower).comparisons if row.verdict]
    found = verdicts.count(Verdict.REGRESSED)
    print(
        f"what was printed as detectable, planted in another run: {found} of {len(verdicts)} rows"
    )


def slowed(run: report.Report, factors: dict[Benchmark, float]) -> report.Report:
    """Return a run whose rows took longer by a factor."""

    def slower(outcome: Outcome) -> Outcome:
        factor = factors.get(outcome.benchmark)
        if factor is None or not isinstance(outcome, Measured):
            return outcome
        times = tuple(tuple(factor * time for time in row) for row in outcome.times_s)
        return msgspec.structs.replace(outcome, times_s=times)

    return msgspec.structs.replace(run, outcomes=tuple(map(slower, run.outcomes)))


if __name__ == "__main__":
    main()
