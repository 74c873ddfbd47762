"""Logarithms of a row by pass and round, and what they share with those of the rows beside it."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lnbench.judge.stats import LONGEST_S, SHORTEST_S, Floats, RoundLogs
from lnbench.record.outcome import Measured

_NORMAL_QUARTILES = 1.349  # quartiles of a normal distribution lie this many sigma apart
FEWEST = 4
"""Fewest values with a scatter: below it quartiles say nothing."""

_ROUND_BITS = 40
"""Bits of a sample's key that name its round; those above name its pass."""


class Series(NamedTuple):
    """Logarithms by pass, or by pass and round."""

    keys: NDArray[np.int64]
    """In ascending order."""
    values: Floats


def rests(outcome: Measured, medians: Mapping[int, float]) -> Series:
    """Return what remains of each sample when the median of its pass is taken away."""
    if table := RoundLogs(outcome).table:
        logs, rounds = table
        keys = (np.arange(len(logs), dtype=np.int64)[:, None] << _ROUND_BITS) + (
            rounds % (1 << _ROUND_BITS)
        )
        rests = logs - np.fromiter(medians.values(), np.float64)[:, None]
        return Series(keys.ravel(), rests.ravel())
    pairs = sorted(
        ((number << _ROUND_BITS) + place % (1 << _ROUND_BITS), _log(time) - medians[number])
        for number, (times, rounds) in enumerate(zip(outcome.times_s, outcome.rounds, strict=True))
        for time, place in zip(times, rounds, strict=True)
    )
    named = np.array([key for key, _ in pairs], np.int64)
    return Series(named, np.array([value for _, value in pairs]))


class Shared:
    """Rows that ran beside each other, so that each is compared with the mean of the others."""

    def __init__(self, rows: Sequence[Series]) -> None:
        self._keys = rows[0].keys if rows else np.empty(0, np.int64)
        for row in rows:
            if not np.array_equal(row.keys, self._keys):
                self._keys = np.intersect1d(self._keys, row.keys)
        self._centred = {id(row): self._about_median(row) for row in rows}
        self._total = np.sum(list(self._centred.values()), axis=0)

    def scatter(self, own: Series) -> float | None:
        """Return the scatter that the values of one of the rows share with those of the others.

        The covariance is Gnanadesikan and Kettenring's (1972), of scales that outliers do not move.
        """
        others = len(self._centred) - 1
        if others < 1:
            return None
        ours = self._centred[id(own)]
        theirs = (self._total - ours) / others
        scale, their_scale = scatter(ours), scatter(theirs)
        if scale is None or their_scale is None:
            return None
        if not scale or not their_scale:
            return 0.0
        sums = scatter(ours / scale + theirs / their_scale) or 0.0
        differences = scatter(ours / scale - theirs / their_scale) or 0.0
        total = sums**2 + differences**2
        correlation = (sums**2 - differences**2) / total if total else 0.0
        return min(scale, math.sqrt(max(0.0, correlation) * scale * their_scale))

    def _about_median(self, row: Series) -> Floats:
        """Return the values that all rows have, about the median of all of the row's own."""
        values = row.values[np.searchsorted(row.keys, self._keys)]
        return np.asarray(values - median(row.values))


def scatter(values: Floats) -> float | None:
    """Return the scale of values by their quartiles; None where they are too few."""
    if values.size < FEWEST:
        return None
    last = values.size - 1
    low, high = np.interp((0.25 * last, 0.75 * last), np.arange(values.size), np.sort(values))
    return float((high - low) / _NORMAL_QUARTILES)


def median(values: Floats) -> float:
    """Return the median of some values."""
    ordered = np.sort(values)  # a third of np.median's time, and there are many
    return float((ordered[(values.size - 1) // 2] + ordered[values.size // 2]) / 2)


def _log(time: float) -> float:
    return math.log(min(max(time, SHORTEST_S), LONGEST_S))
