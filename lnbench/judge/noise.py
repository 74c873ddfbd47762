"""Where the noise of a row comes from: its samples, its processes, or the machine around them."""

import math
import statistics
from collections.abc import Sequence
from enum import StrEnum

import msgspec
import numpy as np

from lnbench.judge.series import FEWEST, Series, Shared, median, rests, scatter
from lnbench.judge.stats import (
    SHOWN_CONFIDENCE,
    Estimate,
    Floats,
    estimates,
    location_intervals,
    paired_logs,
    pass_logs,
)
from lnbench.plan.case import Benchmark
from lnbench.record.outcome import CaveatKind, Measured, SideName
from lnbench.record.report import ComparisonReport, Report

_MEDIAN_VARIANCE = math.pi / 2  # of a median of n normal values: this, times sigma² ÷ n


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
    measured = [
        each for each in report.outcomes if isinstance(each, Measured) and any(each.times_s)
    ]
    logs = pass_logs([outcome.times_s for outcome in measured])
    intervals = estimates(location_intervals(logs, 1 - SHOWN_CONFIDENCE), SHOWN_CONFIDENCE)
    cases: dict[str, list[int]] = {}
    for place, outcome in enumerate(measured):
        cases.setdefault(_beside(outcome, report), []).append(place)
    paired = isinstance(report, ComparisonReport)
    found: dict[int, Noise] = {}
    for places in cases.values():
        rows = [_Split(measured[i], logs[i]) for i in places]
        together = [row for row in rows if not row.alone]
        shared = (
            Shared([row.rests for row in together]),
            Shared([row.medians for row in together]),
        )
        ratio = _ratio([row.outcome for row in rows]) if paired else None
        for place, row in zip(places, rows, strict=True):
            found[place] = _noise(row, ratio or intervals[place], *shared, paired=paired)
    return tuple(found[place] for place in range(len(measured)))


def _beside(outcome: Measured, report: Report) -> str:
    """Return a name for the rows that ran beside this one: a case, or a pair of sides."""
    sides = report.sides if isinstance(report, ComparisonReport) else ()
    between_backends = all(side.text.startswith("backend:") for side in sides)
    return outcome.benchmark.case.id if between_backends else outcome.benchmark.id


class _Split:
    """A row as its passes' medians, and what remains of each sample."""

    def __init__(self, outcome: Measured, medians: Floats) -> None:
        caveats = {caveat.kind for caveat in outcome.caveats}
        self.outcome = outcome
        self.alone = CaveatKind.SEQUENTIAL in caveats
        """Whether the rows of its case did not share their rounds."""
        passes = [number for number, times in enumerate(outcome.times_s) if times]
        self.medians = Series(np.array(passes, np.int64), medians)
        self.rests = rests(outcome, dict(zip(passes, medians.tolist(), strict=True)))


def _noise(
    row: _Split, interval: Estimate, rests: Shared, medians: Shared, *, paired: bool
) -> Noise:
    rounds = None if row.alone else rests.scatter(row.rests)
    common = None if row.alone else medians.scatter(row.medians)
    samples = _without(scatter(row.rests.values), rounds)
    each = statistics.median(len(times) for times in row.outcome.times_s if times)
    noise = Noise(
        benchmark=row.outcome.benchmark,
        side=row.outcome.side,
        samples=samples,
        rounds=rounds,
        processes=_without(scatter(row.medians.values), common, _of_median(samples, each)),
        passes=_without(common, _of_median(rounds, each)),
        drift=_drift(row.medians.values),
        interval=interval,
        units=row.medians.values.size,
        source=None,
    )
    return msgspec.structs.replace(noise, source=_source(noise, each, paired=paired))


def _without(scale: float | None, *parts: float | None) -> float | None:
    """Return what remains of a scale when independent parts of it are taken away."""
    if scale is None:
        return None
    return math.sqrt(max(0.0, scale**2 - sum((part or 0.0) ** 2 for part in parts)))


def _of_median(scale: float | None, samples: float) -> float:
    """Return by how much the median of that many samples scatters, when each does by `scale`."""
    return (scale or 0.0) * math.sqrt(_MEDIAN_VARIANCE / samples)


def _drift(medians: Floats) -> float | None:
    if medians.size < 2 * FEWEST:
        return None
    half = medians.size // 2
    return median(medians[-half:]) - median(medians[:half])


def _ratio(rows: Sequence[Measured]) -> Estimate:
    """Return candidate ÷ baseline of a pair of sides; without the other side, not known."""
    unknown = Estimate(1.0, 0.0, math.inf, SHOWN_CONFIDENCE)
    sides = {row.side: row for row in rows}
    if len(sides) == 1:
        return unknown
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
