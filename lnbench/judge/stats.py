"""Estimates and intervals that assume no distribution: Hodges–Lehmann centres, exact rank tests."""

import functools
import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from lnbench.judge.ranks import rank_sum_cut, signed_rank_cut
from lnbench.record.outcome import Measured

Floats: TypeAlias = NDArray[np.float64]
"""An array of numbers, mostly logarithms."""

Places: TypeAlias = NDArray[np.intp]

Times: TypeAlias = tuple[tuple[float, ...], ...]
"""Seconds per iteration, one tuple a pass; empty where the process died."""

SHOWN_CONFIDENCE = 0.95
"""The confidence of an interval that is shown, not judged."""

SHORTEST_S, LONGEST_S = 1e-12, 1e12
"""What times beyond them count as: none is real, and each ratio of others has a logarithm."""

_POWER = statistics.NormalDist().inv_cdf(0.8)
"""Standard errors beyond the limit at which 80 of 100 repeats pass it: 0.84."""

_LARGEST_LOG = math.log(1e300)
"""Ratios beyond it are as good as infinite."""

_CELLS = 4_000_000
"""Most numbers held at once while rows are judged together: 32 MB."""


class Estimate(msgspec.Struct, frozen=True):
    """A number and how well it is known."""

    value: float
    """The estimate."""
    low: float
    """Lower end of the interval; 0 (or -inf for a logarithm) where there are too few values."""
    high: float
    """Upper end of the interval; inf where there are too few values."""
    confidence: float
    """Share of such intervals that hold the truth, above 0 and below 1."""


class RoundLogs:
    """The logarithms of a row's times by pass and round, taken once for all rows beside it."""

    def __init__(self, outcome: Measured) -> None:
        self._outcome = outcome

    def over(self, below: "RoundLogs", *, by_round: bool = True) -> Floats:
        """Return the logarithm of this row ÷ another by pass; NaN where only one has the pass."""
        if by_round and self.table and below.table:
            (ours, our_rounds), (theirs, their_rounds) = self.table, below.table
            count = min(len(ours), len(theirs))
            if np.array_equal(our_rounds[:count], their_rounds[:count]):
                return _sorted_medians(ours[:count] - theirs[:count])
        logs = []
        sides = (self.by_round, below.by_round) if by_round else (self.by_pass, below.by_pass)
        for one, other in zip(*sides, strict=False):
            pairs = [log - other[number] for number, log in one.items() if number in other]
            logs.append(statistics.median(pairs) if pairs else math.nan)
        return np.array(logs, dtype=np.float64)

    @functools.cached_property
    def table(self) -> tuple[Floats, NDArray[np.int64]] | None:
        """Logarithms and rounds, passes × rounds in ascending order; None where passes differ."""
        times, rounds = self._outcome.times_s, self._outcome.rounds
        counts = {*map(len, times), *map(len, rounds)}
        if len(counts) != 1 or 0 in counts or len(times) != len(rounds):
            return None
        shape = (len(times), *counts)
        try:
            numbers = np.fromiter(itertools.chain(*rounds), np.int64).reshape(shape)
        except OverflowError:
            return None
        order = numbers.argsort(axis=1)
        flat = tuple(itertools.chain(*times))
        log = math.log if min(flat) >= SHORTEST_S and max(flat) <= LONGEST_S else _log
        logs = np.fromiter(map(log, flat), np.float64).reshape(shape)
        return np.take_along_axis(logs, order, axis=1), np.take_along_axis(numbers, order, axis=1)

    @functools.cached_property
    def by_round(self) -> list[dict[int, float]]:
        """The logarithms of each pass's times by round."""
        passes = zip(self._outcome.rounds, self._outcome.times_s, strict=False)
        return [dict(zip(rounds, map(_log, times), strict=False)) for rounds, times in passes]

    @functools.cached_property
    def by_pass(self) -> list[dict[int, float]]:
        """The logarithm of each pass's median as its only round."""
        passes = self._outcome.times_s
        return [{0: _log(statistics.median(times))} if times else {} for times in passes]


def location_intervals(rows: Sequence[Floats], level: float) -> Floats:
    """Return medians of Walsh averages and their exact signed-rank intervals.

    One line a row: value, low and high.
    """

    def intervals(sizes: tuple[int, int], chosen: list[int]) -> Floats:
        first, second = _walsh_places(sizes[0])
        values = np.stack([rows[i] for i in chosen])
        averages = (values[:, first] + values[:, second]) / 2
        return _intervals(averages, signed_rank_cut(sizes[0], level))

    return _in_groups([(row.size, row.size) for row in rows], intervals)


def shift_intervals(
    baseline: Sequence[Floats], candidate: Sequence[Floats], level: float
) -> Floats:
    """Return medians of the differences candidate - baseline and their exact intervals.

    One line a row: value, low and high. The interval inverts the Mann–Whitney test; swapping the
    sides negates all of it exactly.
    """

    def intervals(sizes: tuple[int, int], chosen: list[int]) -> Floats:
        before = np.stack([baseline[i] for i in chosen])
        after = np.stack([candidate[i] for i in chosen])
        differences = (after[:, :, None] - before[:, None, :]).reshape(len(chosen), -1)
        return _intervals(differences, rank_sum_cut(min(sizes), max(sizes), level))

    sizes = [(row.size, other.size) for row, other in zip(baseline, candidate, strict=True)]
    return _in_groups(sizes, intervals)


def estimates(logs: Floats, confidence: float) -> list[Estimate]:
    """Return lines of `location_intervals` or `shift_intervals` as times or ratios."""
    lines = np.exp(logs).tolist()
    return [Estimate(value, low, high, confidence) for value, low, high in lines]


def pass_logs(rows: Sequence[Times]) -> list[Floats]:
    """Return the logarithm of each pass's median, one array a row; empty passes are left out."""
    passes = [times for row in rows for times in row if times]
    by_length: dict[int, list[int]] = {}
    for index, times in enumerate(passes):
        by_length.setdefault(len(times), []).append(index)
    medians = np.empty(len(passes))
    for chosen in by_length.values():
        medians[chosen] = np.median(np.array([passes[i] for i in chosen]), axis=1)
    counts = [sum(map(bool, row)) for row in rows]
    if not counts:
        return []
    return np.split(np.log(np.clip(medians, SHORTEST_S, LONGEST_S)), np.cumsum(counts)[:-1])


def time_estimate(times_s: Times, confidence: float = SHOWN_CONFIDENCE) -> Estimate:
    """Return the time of an iteration, in seconds: the centre over the medians of the passes."""
    return estimates(location_intervals(pass_logs([times_s]), 1 - confidence), confidence)[0]


def paired_logs(numerator: Measured, denominator: Measured, *, by_round: bool = True) -> Floats:
    """Return the logarithm of numerator ÷ denominator for each pass that both have.

    Args:
        numerator: one backend of a case.
        denominator: another backend of the same case, in the same session.
        by_round: whether samples of one round belong together; False compares medians of passes.
    """
    logs = paired_passes(numerator, denominator, by_round=by_round)
    return logs[np.isfinite(logs)]


def paired_passes(numerator: Measured, denominator: Measured, *, by_round: bool = True) -> Floats:
    """Return what `paired_logs` does, with NaN in the place of a pass that only one has."""
    return RoundLogs(numerator).over(RoundLogs(denominator), by_round=by_round)


def detectable(half_width: float, threshold: float, level: float, drift: float = 0.0) -> float:
    """Return the ratio that a row would have called in 80 of 100 repeats; inf where none.

    Args:
        half_width: half of the interval of the logarithm, before it is widened for drift.
        threshold: smallest change worth acting on, as a share.
        level: the level of the interval.
        drift: by how much each end was widened, as a logarithm.
    """
    quantile = -statistics.NormalDist().inv_cdf(level / 2)
    # The estimate scatters by the noise within the reports, and by what drifted between them.
    error = math.hypot(half_width / quantile, drift)
    reach = max(math.log1p(threshold), half_width + drift) + _POWER * error
    return math.exp(reach) if reach < _LARGEST_LOG else math.inf


def _log(time_s: float) -> float:
    return math.log(min(max(time_s, SHORTEST_S), LONGEST_S))


def _intervals(values: Floats, cut: int) -> Floats:
    """Return median and interval of each line of `values`, `cut` from either end; 0 has no end."""
    middle, count = _sorted_medians(values), values.shape[1]
    if cut == 0:
        return np.stack([middle, np.full_like(middle, -np.inf), np.full_like(middle, np.inf)], 1)
    return np.stack([middle, values[:, cut - 1], values[:, count - cut]], axis=1)


def _sorted_medians(values: Floats) -> Floats:
    """Return the median of each line of `values`, which it sorts."""
    values.sort(axis=1)
    count = values.shape[1]
    # The mean of the two middles, spelled so that negated values give the negated median exactly.
    return np.asarray((values[:, (count - 1) // 2] + values[:, count // 2]) / 2)


@functools.cache
def _walsh_places(count: int) -> tuple[Places, Places]:
    """Return the places of all pairs of values, each value with itself too."""
    return np.triu_indices(count)


def _in_groups(
    sizes: Sequence[tuple[int, int]], intervals: Callable[[tuple[int, int], list[int]], Floats]
) -> Floats:
    """Return one line a row, from `intervals` of the rows that have the same numbers of values."""
    groups: dict[tuple[int, int], list[int]] = {}
    for index, size in enumerate(sizes):
        groups.setdefault(size, []).append(index)
    lines = np.empty((len(sizes), 3))
    for size, members in groups.items():
        if 0 in size:
            raise ValueError("an estimate needs at least one value")
        step = max(1, _CELLS // math.prod(size))
        for start in range(0, len(members), step):
            chosen = members[start : start + step]
            lines[chosen] = intervals(size, chosen)
    return lines
