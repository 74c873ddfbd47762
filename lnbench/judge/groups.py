"""A backend over its shapes: verdicts on groups of rows, by two readings.

The absolute reading compares the group's times; the relative one what remains of them when the
rest of the same passes has been taken away. A change of everything alike is the absolute reading's
to see, a change of one backend in two hours that differ the relative one's.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

import msgspec
import numpy as np

from lnbench.judge.control import Layout, adjusted, centred, median_over_rows
from lnbench.judge.ranks import row_level
from lnbench.judge.stats import Estimate, Floats, location_intervals, shift_intervals
from lnbench.judge.verdict import LogInterval, Rule, Verdict, judge
from lnbench.plan.case import Benchmark
from lnbench.registry import SPEED_LIMIT

FEWEST_ROWS = 3
"""Rows from which on a group is judged: the median of fewer is no steadier than a row."""

FEWEST_GROUPS = 4
"""Groups from which on there is a relative reading: three others say how far groups wander."""

REST_FLOOR = 0.01
"""Drift against the rest that is assumed even where the other groups show less."""

REST_SHARE = 1.5
"""By which multiple of the other groups' moves against their rest an interval is widened."""

TOGETHER = 1 / 3
"""Share of the groups that may change one way before the rest is no control any more."""

Key: TypeAlias = tuple[str, str, str, str, str]
"""Operation, direction, element type, type of device, backend."""


class GroupReading(msgspec.Struct, frozen=True):
    """What one reading of a group says."""

    ratio: Estimate
    """Candidate ÷ baseline, above 1 is slower; the interval is the one judged: drift is in it."""
    detectable: float
    """Smallest ratio that 80 of 100 such diffs would call; inf where none."""
    verdict: Verdict
    """What is shown."""
    reason: str
    """The next step where it is inconclusive, else empty."""


class BackendGroup(msgspec.Struct, frozen=True):
    """The rows of one backend over shapes and options."""

    operation: str
    """Name of the operation."""
    direction: str
    """Forward, backward or step."""
    dtype: str
    """Element type of the input."""
    device_type: str
    """The device without its index."""
    backend: str
    """Name of the backend."""
    ratio: float
    """Geometric mean of candidate ÷ baseline."""
    rows: int
    """How many rows are in it; at least 1."""
    absolute: GroupReading | None = None
    """By its times; None for the copy, and for a group of too few rows."""
    relative: GroupReading | None = None
    """By its times against the rest of the same passes; None also where that is no control."""

    @property
    def verdict(self) -> Verdict | None:
        """What is shown by either reading, unless the other shows the opposite."""
        verdicts = {reading.verdict for reading in (self.absolute, self.relative) if reading}
        if {Verdict.REGRESSED, Verdict.IMPROVED} <= verdicts:
            return Verdict.INCONCLUSIVE
        order = (Verdict.REGRESSED, Verdict.IMPROVED, Verdict.UNCHANGED, Verdict.INCONCLUSIVE)
        return next((verdict for verdict in order if verdict in verdicts), None)

    @property
    def detectable(self) -> float | None:
        """Smallest ratio that either reading would call in 80 of 100 diffs; None if not judged."""
        readings = (reading for reading in (self.absolute, self.relative) if reading)
        return min((reading.detectable for reading in readings), default=None)


def group_key(benchmark: Benchmark) -> Key:
    """Return which group a benchmark is in."""
    case = benchmark.case
    return case.operation, case.direction, case.dtype, case.device_type, benchmark.backend


def by_group(benchmarks: Sequence[Benchmark]) -> dict[Key, list[int]]:
    """Return the places of each group's rows, in order."""
    members: dict[Key, list[int]] = {}
    for index, benchmark in enumerate(benchmarks):
        members.setdefault(group_key(benchmark), []).append(index)
    return members


def judged_groups(benchmarks: Sequence[Benchmark]) -> dict[Key, list[int]]:
    """Return the places of the rows of each group that can be judged."""
    return {
        key: members
        for key, members in by_group(benchmarks).items()
        if key[-1] != SPEED_LIMIT and len(members) >= FEWEST_ROWS
    }


def alphas(alpha: float, benchmarks: Sequence[Benchmark]) -> tuple[float, float]:
    """Return the shares of alpha that rows and groups have: half each, where groups are judged."""
    share = alpha / 2 if judged_groups(benchmarks) else 0.0
    return alpha - share, share


def rows_level(alpha: float, benchmarks: Sequence[Benchmark], looks: int = 1) -> float:
    """Return the one level that every row of these is judged at, at every look."""
    rows = sum(benchmark.backend != SPEED_LIMIT for benchmark in benchmarks)
    return row_level(alphas(alpha, benchmarks)[0], rows, looks)


def described(
    benchmarks: Sequence[Benchmark],
    log_ratios: Sequence[float],
    absolute: Mapping[Key, GroupReading],
    relative: Mapping[Key, GroupReading] | None = None,
) -> tuple[BackendGroup, ...]:
    """Return all groups, judged or not, with the geometric means of their rows' ratios."""
    return tuple(
        BackendGroup(
            *key,
            ratio=math.exp(math.fsum(log_ratios[i] for i in members) / len(members)),
            rows=len(members),
            absolute=absolute.get(key),
            relative=(relative or {}).get(key),
        )
        for key, members in by_group(benchmarks).items()
    )


def read_sides(
    sides: tuple[Floats, Floats],
    layout: Layout,
    groups: Mapping[Key, Sequence[int]],
    rule: Rule,
    alpha: float,
) -> tuple[dict[Key, GroupReading], dict[Key, GroupReading]]:
    """Return the absolute and the relative reading of each group of two sides' reports.

    The relative ones are left out where there are few groups, or many change together: then the
    rest is no control.

    Args:
        sides: logarithms of time of baseline and candidate, rows × units; NaN where there is none.
        layout: which rows belong together.
        groups: the places of the rows of each group that is judged.
        rule: threshold, unit, and the drift of absolute readings.
        alpha: what all readings have together.
    """
    readings = 2 if len(groups) >= FEWEST_GROUPS else 1
    rule = msgspec.structs.replace(rule, level=row_level(alpha, readings * len(groups)))
    absolute = {
        key: _reading(interval, rule)
        for key, interval in _intervals(centred(*sides), groups, rule.level).items()
    }
    if readings == 1:
        return absolute, {}
    relative = _step_down(sides, layout, groups, rule)
    for verdict in (Verdict.REGRESSED, Verdict.IMPROVED):
        shown = [
            {key for key, reading in readings.items() if reading.verdict is verdict}
            for readings in (absolute, relative)
        ]
        if len(set.union(*shown)) > TOGETHER * len(groups):
            return absolute, {}
    return absolute, relative


def read_pairs(
    log_ratios: Floats, groups: Mapping[Key, Sequence[int]], rule: Rule, alpha: float
) -> dict[Key, GroupReading]:
    """Return the reading of each group of two sides that shared their rounds.

    Args:
        log_ratios: candidate ÷ baseline, rows × pairs; NaN where there is none.
        groups: the places of the rows of each group that is judged.
        rule: threshold, unit and looks.
        alpha: what all readings and looks have together.
    """
    level = row_level(alpha, len(groups), len(rule.looks))
    rule = msgspec.structs.replace(rule, level=level)
    readings = {}
    for key, members in groups.items():
        # Which rows go on is chosen by what they showed: only pairs that all rows have are fair.
        pairs = _known(median_over_rows(log_ratios[list(members)], fewest=len(members)))
        if pairs.size:
            value, low, high = location_intervals([pairs], level)[0].tolist()
            readings[key] = _reading(LogInterval(value, low, high, (pairs.size, pairs.size)), rule)
    return readings


def _step_down(
    sides: tuple[Floats, Floats],
    layout: Layout,
    groups: Mapping[Key, Sequence[int]],
    rule: Rule,
) -> dict[Key, GroupReading]:
    """Return relative readings; what is called changed is no control of the others any more."""
    changed: set[Key] = set()
    while True:
        excluded = [layout.groups[groups[key][0]] for key in changed]
        intervals = _intervals(adjusted(*sides, layout, excluded), groups, rule.level)
        readings = {
            key: _reading(
                interval,
                msgspec.structs.replace(rule, drift=_wandering(intervals, {*changed, key})),
            )
            for key, interval in intervals.items()
        }
        called = {
            key
            for key, reading in readings.items()
            if reading.verdict in (Verdict.REGRESSED, Verdict.IMPROVED)
        }
        if called <= changed or len(changed) + 1 > TOGETHER * len(groups):
            return readings
        changed.add(max(called - changed, key=lambda key: abs(intervals[key].value)))


def _wandering(intervals: Mapping[Key, LogInterval], apart: Collection[Key]) -> float:
    """Return by how much groups that did not change move against their rest, as a logarithm."""
    squares = [interval.value**2 for key, interval in intervals.items() if key not in apart]
    return max(REST_FLOOR, REST_SHARE * math.sqrt(math.fsum(squares) / max(1, len(squares))))


def _intervals(
    sides: tuple[Floats, Floats], groups: Mapping[Key, Sequence[int]], level: float
) -> dict[Key, LogInterval]:
    """Return each group's logarithm of candidate ÷ baseline, by the medians of its rows."""
    known: dict[Key, tuple[Floats, Floats]] = {}
    for key, members in groups.items():
        before, after = (_of_group(side[list(members)]) for side in sides)
        if before.size and after.size:
            known[key] = (before, after)
    lines = shift_intervals(
        [one for one, _ in known.values()], [other for _, other in known.values()], level
    )
    return {
        key: LogInterval(value, low, high, (before.size, after.size))
        for (value, low, high), (key, (before, after)) in zip(
            lines.tolist(), known.items(), strict=True
        )
    }


def _of_group(rows: Floats) -> Floats:
    """Return the medians over rows of the units that at least half of the rows have."""
    return _known(median_over_rows(rows, fewest=(len(rows) + 1) // 2))


def _known(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def _reading(interval: LogInterval, rule: Rule) -> GroupReading:
    verdict, reason, reach = judge(interval, rule)
    return GroupReading(interval.estimate(rule.drift, rule.level), reach, verdict, reason)
