"""The rows that both sides measured: ratios, verdicts, caveats; and their groups."""

import itertools
import math
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeAlias

import msgspec

from lnbench.judge.control import Layout
from lnbench.judge.drift import DRIFT_FLOOR, Drift, drift
from lnbench.judge.groups import (
    BackendGroup,
    alphas,
    described,
    group_key,
    judged_groups,
    read_sides,
    rows_level,
)
from lnbench.judge.regime import memory_level
from lnbench.judge.side import known, units
from lnbench.judge.stats import (
    SHOWN_CONFIDENCE,
    Estimate,
    Floats,
    estimates,
    location_intervals,
    shift_intervals,
)
from lnbench.judge.verdict import LogInterval, Rule, Verdict, judge
from lnbench.plan.case import Benchmark
from lnbench.record.environment import Environment
from lnbench.record.outcome import Caveat, CaveatKind, Measured
from lnbench.registry import SPEED_LIMIT

Pair: TypeAlias = tuple[tuple[Measured, ...], tuple[Measured, ...]]
"""What the reports of the baseline and of the candidate measured of one benchmark."""


class Comparison(msgspec.Struct, frozen=True):
    """A benchmark that both sides measured."""

    benchmark: Benchmark
    """What was timed, as the baseline has it."""
    baseline: Estimate
    """Seconds per iteration of the baseline, with a 95 % interval over its units."""
    candidate: Estimate
    """Seconds per iteration of the candidate, with a 95 % interval over its units."""
    ratio: Estimate
    """Candidate ÷ baseline, above 1 is slower; the interval is the one judged: drift is in it."""
    detectable: float | None
    """Smallest ratio that 80 of 100 such runs would call, inf where none; None for the control."""
    verdict: Verdict | None
    """What is shown; None for `copy`, the control."""
    reason: str
    """The next step where the row is inconclusive, else empty."""
    caveats: tuple[Caveat, ...] = ()
    """Reasons for care, of either side or of both together."""
    unproven: bool = False
    """Whether each unit of one side lies beyond the threshold of each of the other, and yet no
    verdict is to be had: too few units, or too much drift."""


class Judged(msgspec.Struct, frozen=True):
    """All rows and groups of two sides, and how they were judged."""

    comparisons: tuple[Comparison, ...]
    """One a row."""
    groups: tuple[BackendGroup, ...]
    """The backends over their shapes."""
    rule: Rule
    """The rule of the rows; its drift is the largest of all regimes."""
    drift: Drift
    """What the copy shows, by regime."""


def judge_sides(
    rows: Sequence[Pair],
    environment: Environment,
    *,
    threshold: float,
    alpha: float,
    by_report: bool,
    shared: tuple[Caveat, ...] = (),
) -> Judged:
    """Return the ratio and verdict of every row and group.

    Args:
        rows: at least one measured outcome a side, each with times.
        environment: the machine of the baseline.
        threshold: smallest change worth acting on, as a share.
        alpha: chance, over all rows and groups together, that any is called changed where none is.
        by_report: whether the report replicates, not the pass.
        shared: caveats of every row.
    """
    benchmarks = [before[0].benchmark for before, _ in rows]
    regimes = [memory_level(before[0], environment) for before, _ in rows]
    controls = [benchmark.backend == SPEED_LIMIT for benchmark in benchmarks]
    level = rows_level(alpha, benchmarks)
    sides = (
        units([before for before, _ in rows], by_report=by_report),
        units([after for _, after in rows], by_report=by_report),
    )
    before, after = map(known, sides)
    intervals = _intervals(before, after, level)
    moved = _moved(itertools.compress(zip(intervals, regimes, strict=True), controls))
    rule = Rule(threshold, level, moved.largest, "report" if by_report else "pass")
    care = [
        (*caveats(row), *shared, *_drifted(moved.of(regime)))
        for row, regime in zip(rows, regimes, strict=True)
    ]
    rules = [msgspec.structs.replace(rule, drift=moved.of(regime)) for regime in regimes]
    times = zip(_times(before), _times(after), strict=True)
    comparisons = map(_comparison, benchmarks, times, intervals, rules, care)
    readings = read_sides(
        sides,
        layout(benchmarks, regimes),
        judged_groups(benchmarks),
        rule,
        alphas(alpha, benchmarks)[1],
    )
    return Judged(
        tuple(map(_marked, comparisons, before, after, itertools.repeat(rule))),
        described(benchmarks, [interval.value for interval in intervals], *readings),
        rule,
        moved,
    )


def layout(benchmarks: Sequence[Benchmark], regimes: Sequence[str]) -> Layout:
    """Return which rows are of one case, of one group and of one regime."""
    return Layout(
        cases=_numbers(benchmark.case.id for benchmark in benchmarks),
        groups=_numbers(map(group_key, benchmarks)),
        regimes=_numbers(regimes),
    )


def _numbers(names: Iterable[Hashable]) -> tuple[int, ...]:
    """Return the number of each name, in the order in which they are first met."""
    numbers: dict[Hashable, int] = {}
    return tuple(numbers.setdefault(name, len(numbers)) for name in names)


def _moved(copies: Iterable[tuple[LogInterval, str]]) -> Drift:
    listed = list(copies)
    return drift([interval.value for interval, _ in listed], [regime for _, regime in listed])


def _drifted(tau: float) -> tuple[Caveat, ...]:
    if tau <= DRIFT_FLOOR:
        return ()
    return (Caveat(CaveatKind.DRIFT, f"the copy moved by {math.expm1(tau):.0%}"),)


def _intervals(
    before: Sequence[Floats], after: Sequence[Floats], level: float
) -> list[LogInterval]:
    lines = shift_intervals(before, after, level).tolist()
    return [
        LogInterval(value, low, high, (one.size, other.size))
        for (value, low, high), one, other in zip(lines, before, after, strict=True)
    ]


def _times(logs: Sequence[Floats]) -> list[Estimate]:
    return estimates(location_intervals(logs, 1 - SHOWN_CONFIDENCE), SHOWN_CONFIDENCE)


def _comparison(
    benchmark: Benchmark,
    times: tuple[Estimate, Estimate],
    interval: LogInterval,
    rule: Rule,
    care: tuple[Caveat, ...],
) -> Comparison:
    before, after = times
    if benchmark.backend == SPEED_LIMIT:
        ratio = interval.estimate(0, rule.level)
        return Comparison(benchmark, before, after, ratio, None, None, "", care)
    verdict, reason, reach = judge(interval, rule)
    ratio = interval.estimate(rule.drift, rule.level)
    return Comparison(benchmark, before, after, ratio, reach, verdict, reason, care)


def _marked(row: Comparison, before: Floats, after: Floats, rule: Rule) -> Comparison:
    """Return a row with a mark where all of it moved and yet nothing is proven."""
    if row.verdict is not Verdict.INCONCLUSIVE:
        return row
    apart = max(after.min() - before.max(), before.min() - after.max())
    return msgspec.structs.replace(row, unproven=bool(apart > rule.limit))


def caveats(row: Pair) -> tuple[Caveat, ...]:
    """Return the caveats of both sides, each once, and what the passes of a side say."""
    outcomes = [outcome for side in row for outcome in side]
    found = dict.fromkeys(caveat for outcome in outcomes for caveat in outcome.caveats)
    lost = any(not times for outcome in outcomes for times in outcome.times_s)
    if lost and all(caveat.kind is not CaveatKind.LOST_PASSES for caveat in found):
        found[Caveat(CaveatKind.LOST_PASSES)] = None
    if any(sum(bool(t) for outcome in side for t in outcome.times_s) == 1 for side in row):
        found[Caveat(CaveatKind.SINGLE_PROCESS)] = None
    return tuple(found)
