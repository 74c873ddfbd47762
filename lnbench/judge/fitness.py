"""Whether a report is fit to be a baseline: its rows have the passes that a `diff` of it needs."""

import math
from collections.abc import Iterable, Mapping
from statistics import fmean

import msgspec

from lnbench.judge.groups import rows_level
from lnbench.judge.ranks import smallest_units
from lnbench.plan.case import Benchmark
from lnbench.record.outcome import Measured, Stopped
from lnbench.record.report import ComparisonReport, Report
from lnbench.registry import SPEED_LIMIT

ALPHA = 0.01
"""The level of a `diff` where nobody says another."""

_WORKER_S = 0.5
"""Seconds that a process takes beside its samples, about: 0.2 to 1.3 on two cores."""


class Shortfall(msgspec.Struct, frozen=True, kw_only=True):
    """What a report lacks to be a baseline."""

    rows: int
    """Rows with too few passes; at least 1."""
    of_rows: int
    """All rows that could have a verdict."""
    passes: int
    """Most passes that any of them lacks; at least 1."""
    needed: int
    """Passes that each row needs."""
    cap: int
    """Passes that a budget must allow for it: lost ones count."""
    seconds: float
    """About how long the missing passes take."""
    time_s: float
    """Seconds of samples that a row which stopped on its time needs at most; 0 where none did."""


def passes_needed(benchmarks: Iterable[Benchmark]) -> int:
    """Return the fewest passes of each row with which a `diff` of these rows can show anything."""
    distinct = {benchmark.id: benchmark for benchmark in benchmarks}
    return smallest_units(rows_level(ALPHA, list(distinct.values())))


def shortfall(
    report: Report, planned: Iterable[Benchmark] = (), pass_s: float | None = None
) -> Shortfall | None:
    """Return what a report lacks to be a baseline; None where it is one, or can be none.

    Rows that failed or were skipped do not count.

    Args:
        report: what was measured.
        planned: what was to be measured: rows that are in no outcome yet lack every pass.
        pass_s: seconds that one pass of one row took, with all that comes before the samples;
            None where unknown.
    """
    if isinstance(report, ComparisonReport):
        return None
    known = {outcome.benchmark.id for outcome in report.outcomes}
    measured = {o.benchmark.id: o for o in report.outcomes if isinstance(o, Measured)}
    missing = {each.id: each for each in planned if each.id not in known}
    benchmarks = {name: row.benchmark for name, row in measured.items()} | missing
    needed = passes_needed(benchmarks.values())
    lacks = {name: needed - _taken(measured.get(name)) for name in benchmarks}
    lacks = {name: lack for name, lack in lacks.items() if lack > 0}
    rows = [name for name in lacks if benchmarks[name].backend != SPEED_LIMIT]
    if not rows:
        return None
    lost = max((len(row.times_s) - _taken(row) for row in measured.values()), default=0)
    timed = [row for name, row in measured.items() if name in lacks and row.stopped is Stopped.TIME]
    return Shortfall(
        rows=len(rows),
        of_rows=sum(each.backend != SPEED_LIMIT for each in benchmarks.values()),
        passes=max(lacks[name] for name in rows),
        needed=needed,
        cap=needed + lost,
        seconds=_seconds(lacks, measured, pass_s),
        time_s=max((needed * _samples_s(row) for row in timed), default=0.0),
    )


def _taken(row: Measured | None) -> int:
    """Return how many passes have times: those whose process died have none."""
    return 0 if row is None else sum(map(bool, row.times_s))


def _seconds(
    lacks: Mapping[str, int], measured: Mapping[str, Measured], pass_s: float | None
) -> float:
    passes_s = {name: _samples_s(row) + _WORKER_S for name, row in measured.items()}
    usual_s = fmean(passes_s.values()) if passes_s else _WORKER_S
    return math.fsum(lack * (pass_s or passes_s.get(name, usual_s)) for name, lack in lacks.items())


def _samples_s(row: Measured) -> float:
    """Return the seconds that the samples of a pass take, on average."""
    return row.iterations * math.fsum(map(math.fsum, row.times_s)) / max(1, _taken(row))
