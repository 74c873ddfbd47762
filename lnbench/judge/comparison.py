"""The rows that both sides measured: ratios, the drift that the control saw, verdicts, caveats."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from lnbench.judge.ranks import row_level
from lnbench.judge.side import units
from lnbench.judge.stats import SHOWN_CONFIDENCE, Estimate, Floats, estimates, locations, shifts
from lnbench.judge.verdict import LogInterval, Rule, Verdict, judge
from lnbench.plan.case import Benchmark
from lnbench.record.outcome import Caveat, CaveatKind, Measured
from lnbench.registry import SPEED_LIMIT

DRIFT_FLOOR = 0.02
"""Drift assumed even where the control shows less: it follows kernels at about half their size."""

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


def judge_rows(
    rows: Sequence[Pair],
    *,
    threshold: float,
    alpha: float,
    by_report: bool,
    shared: tuple[Caveat, ...] = (),
) -> tuple[tuple[Comparison, ...], Rule]:
    """Return every row's ratio and verdict, and the one rule that they were judged by.

    Args:
        rows: at least one measured outcome a side, each with times.
        threshold: smallest change worth acting on, as a share.
        alpha: chance, over all rows together, that any is called changed where none is.
        by_report: whether the report replicates, not the pass.
        shared: caveats of every row.
    """
    benchmarks = [before[0].benchmark for before, _ in rows]
    controls = [benchmark.backend == SPEED_LIMIT for benchmark in benchmarks]
    level = row_level(alpha, controls.count(False))
    before = units([row[0] for row in rows], by_report=by_report)
    after = units([row[1] for row in rows], by_report=by_report)
    intervals = _intervals(before, after, level)
    tau = drift(interval.value for interval in itertools.compress(intervals, controls))
    if tau > DRIFT_FLOOR:
        shared = (*shared, Caveat(CaveatKind.DRIFT, f"the copy moved by {math.expm1(tau):.0%}"))
    rule = Rule(threshold, level, tau, "report" if by_report else "pass")
    times = zip(_times(before), _times(after), strict=True)
    comparisons = tuple(
        _comparison(benchmark, time, interval, rule, (*caveats(row), *shared))
        for benchmark, time, interval, row in zip(benchmarks, times, intervals, rows, strict=True)
    )
    return comparisons, rule


def drift(log_ratios: Iterable[float]) -> float:
    """Return τ, by which two reports of different hours may differ without a change."""
    squares = [value * value for value in log_ratios]
    # fsum is exact, so that the order of the rows cannot matter.
    return max(DRIFT_FLOOR, math.sqrt(math.fsum(squares) / max(1, len(squares))))


def _intervals(
    before: Sequence[Floats], after: Sequence[Floats], level: float
) -> list[LogInterval]:
    lines = shifts(before, after, level).tolist()
    return [
        LogInterval(value, low, high, (one.size, other.size))
        for (value, low, high), one, other in zip(lines, before, after, strict=True)
    ]


def _times(logs: Sequence[Floats]) -> list[Estimate]:
    return estimates(locations(logs, 1 - SHOWN_CONFIDENCE), SHOWN_CONFIDENCE)


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
