"""Where the noise of a row comes from: its samples, its processes, or the machine around them."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TypeAlias

import msgspec
import numpy as np

from lnbench.judge.stats import (
    SHOWN_CONFIDENCE,
    Estimate,
    estimates,
    location_intervals,
    paired_logs,
    time_estimate,
)
from lnbench.plan.case import Benchmark
from lnbench.record.outcome import CaveatKind, Measured, SideName
from lnbench.record.report import ComparisonReport, Report

_NORMAL_QUARTILES = 1.349  # quartiles of a normal distribution lie this many sigma apart
_MEDIAN_VARIANCE = math.pi / 2  # of a median of n normal values: this, times sigma² ÷ n
_FEWEST = 4
"""Fewest values with a scatter: below it quartiles say nothing."""

Logs: TypeAlias = dict[tuple[int, ...], float]
"""Logarithms by pass, or by pass and round."""

_SHORTEST_S = 1e-12


class Source(StrEnum):
    """What widens an interval most."""

    SAMPLES = "samples"
    """Samples of one process, each on its own."""
    ROUNDS = "rounds"
    """What the samples of one round share: something short that disturbed all of them."""
    PROCESSES = "processes"
    """Where a process's memory happens to lie: the same in all of its samples."""
    PASSES = "passes"
    """What the processes of one pass share: the machine was slower, or faster, for a while."""


class Noise(msgspec.Struct, frozen=True):
    """Where the noise of a row comes from; all scatter is of logarithms: 0.02 is 2 %."""

    benchmark: Benchmark
    """What was timed."""
    side: SideName
    """`baseline` or `candidate` in a report of two sides, else empty."""
    samples: float | None
    """Scatter of a sample about its process's median, not shared; None where too few."""
    rounds: float | None
    """Scatter that the samples of a round share; None where nothing ran beside the row."""
    processes: float | None
    """Scatter of a process's median beyond its samples', not shared; None where too few."""
    passes: float | None
    """Scatter that the processes of a pass share; None where nothing ran beside the row."""
    drift: float | None
    """Logarithm of the later half of the passes ÷ the earlier half; None where too few."""
    interval: Estimate
    """The time in seconds; in a report of two sides the ratio, candidate ÷ baseline."""
    units: int
    """Passes, or pairs of two sides, that the interval is over."""
    source: Source | None
    """What widens the interval most; None where too few passes tell."""

    @property
    def half_width(self) -> float:
        """Half of the interval's logarithm; inf where there is none."""
        if not 0 < self.interval.low <= self.interval.high < math.inf:
            return math.inf
        return math.log(self.interval.high / self.interval.low) / 2

    def units_for(self, precision: float) -> int | None:
        """Return about how many passes bring the half width to `precision`; None if unknown."""
        if not math.isfinite(self.half_width):
            return None
        return max(self.units, math.ceil(self.units * (self.half_width / precision) ** 2))


def timed_s(report: Report) -> float:
    """Return the seconds that all timed calls of a report took."""
    rows = (outcome for outcome in report.outcomes if isinstance(outcome, Measured))
    return sum(row.iterations * sum(map(sum, row.times_s)) for row in rows)


def explain(report: Report) -> tuple[Noise, ...]:
    """Return where the noise of every measured row comes from, in the order of the report."""
    measured = [each for each in report.outcomes if isinstance(each, Measured) and each.times_s]
    cases: dict[str, list[Measured]] = {}
    for outcome in measured:
        cases.setdefault(_beside(outcome, report), []).append(outcome)
    found = []
    for outcome in measured:
        if any(outcome.times_s):
            others = [each for each in cases[_beside(outcome, report)] if each is not outcome]
            found.append(_noise(outcome, others, paired=isinstance(report, ComparisonReport)))
    return tuple(found)


def _beside(outcome: Measured, report: Report) -> str:
    """Return a name for the rows that ran beside this one: a case, or a pair of sides."""
    sides = report.sides if isinstance(report, ComparisonReport) else ()
    between_backends = all(side.text.startswith("backend:") for side in sides)
    return outcome.benchmark.case.id if between_backends else outcome.benchmark.id


def _noise(outcome: Measured, others: Sequence[Measured], *, paired: bool) -> Noise:
    medians, rests = _split(outcome)
    beside = [_split(other) for other in others if not _alone(other, outcome)]
    rounds = _common(rests, [other_rests for _, other_rests in beside])
    common = _common(medians, [other_medians for other_medians, _ in beside])
    samples = _without(_scatter(rests.values()), rounds)
    each = statistics.median(len(times) for times in outcome.times_s if times)
    noise = Noise(
        benchmark=outcome.benchmark,
        side=outcome.side,
        samples=samples,
        rounds=rounds,
        processes=_without(_scatter(medians.values()), common, _of_median(samples, each)),
        passes=_without(common, _of_median(rounds, each)),
        drift=_drift(medians),
        interval=_ratio(outcome, others) if paired else time_estimate(outcome.times_s),
        units=len(medians),
        source=None,
    )
    return msgspec.structs.replace(noise, source=_source(noise, each, paired=paired))


def _alone(one: Measured, other: Measured) -> bool:
    """Return whether two rows of a case did not share their rounds."""
    caveats = (*one.caveats, *other.caveats)
    return any(caveat.kind is CaveatKind.SEQUENTIAL for caveat in caveats)


def _log(time: float) -> float:
    """Return the logarithm of a time; of none that of the shortest there is."""
    return math.log(max(time, _SHORTEST_S))


def _split(outcome: Measured) -> tuple[Logs, Logs]:
    """Return the logarithms of the passes' medians, and what remains of each sample, by round."""
    medians: Logs = {}
    rests: Logs = {}
    for number, (times, rounds) in enumerate(zip(outcome.times_s, outcome.rounds, strict=True)):
        if times:
            medians[(number,)] = centre = _log(statistics.median(times))
            for time, place in zip(times, rounds, strict=True):
                rests[(number, place)] = _log(time) - centre
    return medians, rests


def _common(own: Logs, others: Sequence[Logs]) -> float | None:
    """Return the scatter that the values share with those of the other rows at the same keys.

    The covariance is Gnanadesikan and Kettenring's (1972), of scales that outliers do not move.
    """
    beside = _mean(others)
    keys = [key for key in own if key in beside]
    ours, theirs = _scatter(own[key] for key in keys), _scatter(beside[key] for key in keys)
    if ours is None or theirs is None:
        return None
    if not ours or not theirs:
        return 0.0
    sums = _scatter(own[key] / ours + beside[key] / theirs for key in keys) or 0.0
    differences = _scatter(own[key] / ours - beside[key] / theirs for key in keys) or 0.0
    total = sums**2 + differences**2
    correlation = (sums**2 - differences**2) / total if total else 0.0
    return min(ours, math.sqrt(max(0.0, correlation) * ours * theirs))


def _mean(rows: Sequence[Logs]) -> Logs:
    """Return the mean of rows at each key that all have, each row about its own median."""
    if not rows:
        return {}
    centred = [_centred(row) for row in rows if row]
    keys = set.intersection(*(set(row) for row in centred)) if centred else set()
    return {key: statistics.fmean(row[key] for row in centred) for key in keys}


def _centred(row: Mapping[tuple[int, ...], float]) -> Logs:
    centre = statistics.median(row.values())
    return {key: value - centre for key, value in row.items()}


def _scatter(values: Iterable[float]) -> float | None:
    """Return the scale of values by their quartiles; None where they are too few."""
    listed = np.fromiter(values, dtype=np.float64)
    if listed.size < _FEWEST:
        return None
    low, high = np.percentile(listed, (25, 75))
    return float((high - low) / _NORMAL_QUARTILES)


def _without(scale: float | None, *parts: float | None) -> float | None:
    """Return what remains of a scale when independent parts of it are taken away."""
    if scale is None:
        return None
    return math.sqrt(max(0.0, scale**2 - sum((part or 0.0) ** 2 for part in parts)))


def _of_median(scale: float | None, samples: float) -> float:
    """Return by how much the median of that many samples scatters, when each does by `scale`."""
    return (scale or 0.0) * math.sqrt(_MEDIAN_VARIANCE / samples)


def _drift(medians: Logs) -> float | None:
    values = list(medians.values())
    if len(values) < 2 * _FEWEST:
        return None
    half = len(values) // 2
    return statistics.median(values[-half:]) - statistics.median(values[:half])


def _ratio(outcome: Measured, others: Sequence[Measured]) -> Estimate:
    """Return candidate ÷ baseline of a pair of sides; without the other side, not known."""
    unknown = Estimate(1.0, 0.0, math.inf, SHOWN_CONFIDENCE)
    if not others:
        return unknown
    sides = {outcome.side: outcome, others[0].side: others[0]}
    logs = paired_logs(sides["candidate"], sides["baseline"])
    if not logs.size:
        return unknown
    return estimates(location_intervals([logs], 1 - SHOWN_CONFIDENCE), SHOWN_CONFIDENCE)[0]


def _source(noise: Noise, samples: float, *, paired: bool) -> Source | None:
    """Return what adds most to the scatter of a pass's median, or of a pair's ratio."""
    if noise.processes is None or noise.samples is None:
        return None
    parts = {
        Source.SAMPLES: _of_median(noise.samples, samples),
        Source.PROCESSES: noise.processes,
    }
    if not paired:  # what both sides share is gone from their ratio
        parts[Source.ROUNDS] = _of_median(noise.rounds, samples)
        parts[Source.PASSES] = noise.passes or 0.0
    return max(parts, key=lambda source: parts[source])
