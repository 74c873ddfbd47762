"""Reports in the order of commits: how each row went, and where it is shown to have changed."""

import math
import statistics
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from lnbench.judge.control import median_over_rows
from lnbench.judge.drift import Drift, drift
from lnbench.judge.ranks import row_level, smallest_units
from lnbench.judge.reading import Key, Reading
from lnbench.judge.side import REPORTS_AS_UNITS
from lnbench.judge.splits import FEWEST, propose, scatter, sharpened
from lnbench.judge.stats import Estimate, Floats, location_intervals, shift_intervals
from lnbench.judge.verdict import LogInterval, Rule, Verdict, judge
from lnbench.plan.case import Benchmark
from lnbench.record.environment import serious_facts
from lnbench.registry import SPEED_LIMIT

MOST_REPORTS = 60
"""Nearest reports on either side of a split that it is judged by: what is far off may have drifted,
and of more there is no exact distribution."""

MOST_WITH_PASSES = 8
"""The same where the pass replicates: the passes of more reports say hardly more."""


class Change(msgspec.Struct, frozen=True):
    """A change of level that is shown."""

    place: int
    """The first report of the line with the new level."""
    verdict: Verdict
    """Regressed or improved."""
    ratio: Estimate
    """After ÷ before, above 1 is slower; the interval is the one judged: drift is in it."""


class Row(msgspec.Struct, frozen=True):
    """A benchmark over the reports of a line."""

    benchmark: Benchmark
    """What was timed."""
    times: tuple[float | None, ...]
    """Seconds of each report; None where the report has none."""
    copy_ratio: float | None
    """Last ÷ first of the copy of its case, in the first and last reports of this row."""
    changes: tuple[Change, ...]
    """What is shown, in order; never of the copy."""

    @property
    def known(self) -> tuple[float, ...]:
        """The times that there are."""
        return tuple(time for time in self.times if time is not None)

    @property
    def ratio(self) -> float:
        """Last ÷ first."""
        return self.known[-1] / self.known[0]


class Line(msgspec.Struct, frozen=True):
    """Reports that can be compared: of one machine, device, torch and number of threads."""

    readings: tuple[Reading, ...]
    """In order."""
    rows: tuple[Row, ...]
    """In the order in which reports first name them."""


class History(msgspec.Struct, frozen=True):
    """All lines, in the order of their first reports."""

    lines: tuple[Line, ...]
    rule: Rule
    """Threshold and level of every split; drift and unit are each split's own."""
    looks: int
    """How many splits could have been proposed, over all rows; each counts twice, once for reports
    that replicate and once for passes."""


def history(
    readings: Iterable[Reading], *, threshold: float = 0.05, alpha: float = 0.01
) -> History:
    """Return how each row went over these readings, which are in order.

    Args:
        readings: what is kept of each report.
        threshold: smallest change worth acting on, as a share.
        alpha: chance, over all rows and splits, that any is called changed where none is.
    """
    grouped: dict[object, list[Reading]] = {}
    # A copy of a report would pass for evidence.
    for reading in {reading.content: reading for reading in readings}.values():
        key = tuple(sorted(serious_facts(reading.environment).items()))
        grouped.setdefault(key, []).append(reading)
    series = [_Line(members) for members in grouped.values()]
    looks = sum(line.looks for line in series)
    rule = Rule(threshold, row_level(alpha, looks), 0.0, "report")
    lines = (
        Line(tuple(line.readings), tuple(line.row(key, rule) for key in line.keys))
        for line in series
    )
    return History(tuple(lines), rule, looks)


class _Line:
    """The numbers of a line while it is judged."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self.readings = readings
        self.keys: tuple[Key, ...] = tuple(
            dict.fromkeys(key for reading in readings for key in reading.rows)
        )
        self.centres = {key: self._centres(key) for key in self.keys}
        copies = [key for key in self.keys if self._first(key)[0].backend == SPEED_LIMIT]
        self.copies = np.array([self.centres[key] for key in copies])
        self.regimes = [self._first(key)[1] for key in copies]
        self.common = self._common()

    @property
    def looks(self) -> int:
        """How many splits could be proposed, each read by reports and by passes."""
        counts = (
            int(np.isfinite(self.centres[key]).sum())
            for key in self.keys
            if self._first(key)[0].backend != SPEED_LIMIT
        )
        return 2 * sum(max(0, count - 2 * FEWEST + 1) for count in counts)

    def _first(self, key: Key) -> tuple[Benchmark, str, Floats]:
        return next(reading.rows[key] for reading in self.readings if key in reading.rows)

    def _centres(self, key: Key) -> Floats:
        """Return the logarithm of a row's time in each report; NaN where it has none."""
        places = [i for i, reading in enumerate(self.readings) if key in reading.rows]
        logs = [self.readings[i].rows[key][2] for i in places]
        centres = np.full(len(self.readings), np.nan)
        centres[places] = location_intervals(logs, level=0.5)[:, 0]
        return centres

    def _common(self) -> Floats:
        """Return by how much all copies were off their usual time in each report; 0 if unknown."""
        if not len(self.copies):
            return np.zeros(len(self.readings))
        usual = median_over_rows(self.copies.T, fewest=1).reshape(-1, 1)
        return np.nan_to_num(median_over_rows(self.copies - usual, fewest=1), nan=0.0)

    def row(self, key: Key, rule: Rule) -> Row:
        """Return what is said of a row."""
        benchmark, regime, _ = self._first(key)
        centres = self.centres[key]
        places = np.flatnonzero(np.isfinite(centres)).tolist()
        times = tuple(None if math.isnan(log) else math.exp(log) for log in centres.tolist())
        beside = Benchmark(benchmark.case, SPEED_LIMIT).id, key[1]
        copy = self.centres.get(beside)
        moved = math.nan if copy is None else copy[places[-1]] - copy[places[0]]
        copy_ratio = math.exp(moved) if math.isfinite(moved) else None
        changes: tuple[Change, ...] = ()
        if benchmark.backend != SPEED_LIMIT:
            changes = _Splits(self, key, regime, places, rule).shown()
        return Row(benchmark, times, copy_ratio, changes)

    def drift(self, before: Sequence[int], after: Sequence[int]) -> Drift:
        """Return what the copy shows between two groups of reports."""
        sides = [self.copies[:, list(side)] for side in (before, after) if len(self.copies)]
        if not sides:
            return drift([], [])
        known = np.isfinite(sides[0]).any(axis=1) & np.isfinite(sides[1]).any(axis=1)
        moved = np.nanmedian(sides[1][known], axis=1) - np.nanmedian(sides[0][known], axis=1)
        regimes = [
            regime
            for regime, is_known in zip(self.regimes, known.tolist(), strict=True)
            if is_known
        ]
        return drift(moved.tolist(), regimes)


class _Splits:
    """The splits of one row: proposed, judged, and taken away until each of them is shown."""

    def __init__(self, line: _Line, key: Key, regime: str, places: list[int], rule: Rule) -> None:
        self._line, self._key, self._regime, self._rule = line, key, regime, rule
        self._places = places
        self._values: Floats = line.centres[key][self._places]
        self._apart: Floats = self._values - line.common[self._places]

    def shown(self) -> tuple[Change, ...]:
        """Return the changes that are shown."""
        splits = propose(self._apart)
        while splits:
            ends = [0, *splits, self._values.size]
            for i in range(1, len(ends) - 1):
                ends[i] = sharpened(self._apart, ends[i - 1], ends[i], ends[i + 1])
            splits = ends[1:-1]
            judged = [self._judged(*ends[i : i + 3]) for i in range(len(splits))]
            if all(strength > 0 for strength, _ in judged):
                return tuple(change for _, change in judged)
            del splits[min(range(len(splits)), key=lambda i: judged[i][0])]
        return ()

    def _judged(self, start: int, split: int, end: int) -> tuple[float, Change]:
        """Return a split as a change, and how strongly it is shown: above 0 it is.

        Where there are reports enough they replicate, as in `diff`; where that shows nothing, or
        there are not, the passes of the nearest do.
        """
        enough = max(REPORTS_AS_UNITS, smallest_units(self._rule.level))
        if min(split - start, end - split) >= enough:
            judged = self._read(
                range(max(start, split - MOST_REPORTS), split),
                range(split, min(end, split + MOST_REPORTS)),
                by_report=True,
            )
            if judged[0] > 0:
                return judged
        return self._read(
            range(max(start, split - MOST_WITH_PASSES), split),
            range(split, min(end, split + MOST_WITH_PASSES)),
            by_report=False,
        )

    def _read(self, before: range, after: range, *, by_report: bool) -> tuple[float, Change]:
        """Return what two groups of reports show."""
        sides = [self._units(side, by_report=by_report) for side in (before, after)]
        value, low, high = shift_intervals(sides[:1], sides[1:], self._rule.level)[0].tolist()
        interval = LogInterval(value, low, high, (sides[0].size, sides[1].size))
        reports = ([self._places[i] for i in side] for side in (before, after))
        tau = self._line.drift(*reports).of(self._regime)
        if not by_report:
            # Passes of one report do not show how reports differ.
            error = scatter(self._values) * math.sqrt(1 / len(before) + 1 / len(after))
            tau = max(tau, -statistics.NormalDist().inv_cdf(self._rule.level / 2) * error)
        verdict, _, _ = judge(interval, msgspec.structs.replace(self._rule, drift=tau))
        strength = max(low - tau, -high - tau)
        if verdict not in (Verdict.REGRESSED, Verdict.IMPROVED):
            strength = min(strength, 0.0)
        ratio = interval.estimate(tau, self._rule.level)
        return strength, Change(self._places[after[0]], verdict, ratio)

    def _units(self, side: range, *, by_report: bool) -> Floats:
        if by_report:
            return self._values[list(side)]
        readings = (self._line.readings[self._places[i]] for i in side)
        return np.concatenate([reading.rows[self._key][2] for reading in readings])
