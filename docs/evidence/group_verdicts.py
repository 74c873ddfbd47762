"""How often `lnbench diff` calls a group of rows changed: simulated, and in recorded runs.

    python docs/evidence/group_verdicts.py simulate [--diffs 400]
    python docs/evidence/group_verdicts.py recorded REPORT REPORT …

`simulate` invents pairs of reports of one code: 66 rows in 11 groups of 6 shapes, with a copy; 12
passes, of which some rows have fewer; heavy tails; machines that are slow in some passes, which
each group feels by a strength of its own; hours that differ for all rows, for each group and for
each row. `recorded` takes all ordered pairs of runs of identical code. Both plant shares of time
in one group and count what is called, by reading, and what is called besides.
"""

import argparse
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from lnbench.judge.diff import Diff, compare
from lnbench.judge.groups import Key, group_key, judged_groups
from lnbench.judge.verdict import Verdict
from lnbench.plan.case import Benchmark, Work
from lnbench.record import report
from lnbench.record.outcome import Agreement, Measured, Outcome, Stopped

PLANTED = (0.0, 0.05, 0.08, 0.10, 0.15, 0.20)
CHANGED = (Verdict.REGRESSED, Verdict.IMPROVED)
SHAPES = ("131072x64", "32768x256", "8192x1024", "4096x2048", "2048x4096", "512x16384")
PASSES = 12
SLOW_HOURS, SLOW_PASS, WILD_PASSES, WHOLE_ROWS = 0.5, 0.06, 0.06, 0.8
"""Shares of hours with slow passes, their mean slowdown, shares of wild passes and whole rows."""
STRENGTHS = {
    "numpy": (1.3, 1.35),
    "numba": (1.5, 1.2),
    "torch-eager": (0.9, 0.6),
    "torch-compile": (1.0, 1.0),
    "onnxruntime": (0.6, 0.6),
    "copy": (1.0, 0.8),
}
"""How strongly forward and backward follow a slow machine: about as in four recorded runs."""


def main() -> None:
    """Count, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("simulate", "recorded"))
    parser.add_argument("reports", nargs="*", type=Path)
    parser.add_argument("--diffs", type=int, default=400)
    arguments = parser.parse_args()
    if arguments.kind == "simulate":
        generator = np.random.default_rng(15)
        pairs = [(simulated(generator), simulated(generator)) for _ in range(arguments.diffs)]
    else:
        pairs = list(itertools.permutations(map(report.read, arguments.reports), 2))
    measured = (row for row in pairs[0][0].outcomes if isinstance(row, Measured))
    rows = [outcome.benchmark for outcome in measured]
    keys = list(judged_groups(rows))
    for share in PLANTED:
        chosen = keys if arguments.kind == "recorded" else keys[:1]
        print(f"planted {share:.0%}: {text(count(pairs, chosen, share))}", flush=True)
    print(f"planted 10% in every group: {text(count(pairs, [None], 0.10))}")


def count(pairs: Iterable[report.Report], keys: Iterable[Key | None], share: float) -> Counter[str]:
    """Return how many diffs call the planted group, by which reading, and how many others."""
    counts: Counter[str] = Counter()
    for (baseline, candidate), key in itertools.product(pairs, keys):
        diff = compare((baseline,), (slowed(candidate, key, share),))
        counts["diffs"] += 1
        planted = [g for g in diff.groups if key is None or group_key_of(g) == key]
        for reading in ("absolute", "relative"):
            verdicts = [getattr(g, reading).verdict for g in planted if getattr(g, reading)]
            counts[reading] += Verdict.REGRESSED in verdicts
        counts["anything"] += any(c.verdict in CHANGED for c in (*diff.groups, *diff.comparisons))
        counts["either"] += any(g.verdict is Verdict.REGRESSED for g in planted)
        groups, rows = others(diff, key if share else "")
        counts["other groups"] += groups
        counts["rows of others"] += rows
    return counts


def others(diff: Diff, key: Key | str | None) -> tuple[bool, bool]:
    """Return whether any group, and any row, is called that was not planted."""
    groups = [g for g in diff.groups if g.verdict in CHANGED and group_key_of(g) != key]
    rows = [r for r in diff.comparisons if r.verdict in CHANGED and group_key(r.benchmark) != key]
    return key is not None and bool(groups), key is not None and bool(rows)


def group_key_of(group: object) -> Key:
    """Return what `group_key` returns of the rows of a group."""
    names = ("operation", "direction", "dtype", "device_type", "backend")
    return tuple(getattr(group, name) for name in names)


def text(counts: Counter[str]) -> str:
    """Return the counts in words."""
    diffs = counts["diffs"]
    names = ("absolute", "relative", "either", "other groups", "rows of others", "anything")
    return f"{diffs} diffs: " + ", ".join(
        f"{n} {counts[n]} ({counts[n] / diffs:.1%})" for n in names
    )


def slowed(run: report.Report, key: Key | None, share: float) -> report.Report:
    """Return a run in which the rows of a group, or all but the copy, took longer by a share."""

    def slower(outcome: Outcome) -> Outcome:
        mine = group_key(outcome.benchmark)
        planted = mine == key or (key is None and mine[-1] != "copy")
        if not planted or not isinstance(outcome, Measured):
            return outcome
        times = tuple(tuple((1 + share) * time for time in row) for row in outcome.times_s)
        return msgspec.structs.replace(outcome, times_s=times)

    return msgspec.structs.replace(run, outcomes=tuple(map(slower, run.outcomes)))


def simulated(rng: np.random.Generator) -> report.Report:
    """Return a report of 66 rows and their copies in one hour of a noisy machine."""
    slow = SLOW_PASS * rng.standard_exponential(PASSES) * (rng.random() < SLOW_HOURS)
    hour = rng.normal(0, 0.02)
    outcomes = list(invented(rng, slow, hour))
    return msgspec.structs.replace(TEMPLATE, outcomes=tuple(outcomes))


def invented(rng: np.random.Generator, slow: np.ndarray, hour: float) -> Iterator[Measured]:
    """Yield the rows of one report, heavy-tailed and correlated within each pass."""
    for direction, backend in itertools.product(("forward", "backward"), STRENGTHS):
        if (direction, backend) == ("backward", "onnxruntime"):
            continue
        strength = STRENGTHS[backend][direction == "backward"]
        group = rng.normal(0, 0.012)
        common = rng.normal(0, 0.02, PASSES)
        for shape in SHAPES:
            logs = strength * (slow + hour + common) + group + rng.normal(0, 0.012)
            logs = logs + rng.normal(0, 0.04, PASSES)
            logs += (rng.random(PASSES) < WILD_PASSES) * rng.exponential(0.3, PASSES)
            passes = PASSES if rng.random() < WHOLE_ROWS else 10
            name = f"layernorm/{direction}/{shape}/float32/cpu/{backend};output=ready"
            yield outcome(name, 1e-2 * np.exp(logs[:passes]))


def outcome(name: str, times: np.ndarray) -> Measured:
    """Return an outcome of one sample a pass."""
    return Measured.of(
        Benchmark.parse(name),
        iterations=1,
        first_call_s=1e-2,
        times_s=tuple((float(time),) for time in times),
        rounds=((0,),) * len(times),
        work=Work(2**26, 0),
        agreement=Agreement({}),
        page_faults=0.0,
        peak_extra_bytes=None,
        stopped=Stopped.PASSES,
        details={},
        caveats=(),
    )


TEMPLATE = report.read(Path(__file__).parents[2] / "reports/baselines/epyc2-isovolume.json")
"""Whose machine the invented reports have."""

if __name__ == "__main__":
    main()
