"""Where rank tests cut: how many of the ordered values an interval leaves out at each end."""

import math
from functools import cache
from statistics import NormalDist

EXACT_UP_TO = 60
"""Most values a side with an exact null distribution, some 10 ms of big integers; beyond it the
normal approximation, whose tails are fatter than the truth at every level below 5 %."""


@cache
def signed_rank_cut(count: int, level: float) -> int:
    """Return the cut for the ordered Walsh averages of `count` values; 0 where they are too few.

    The interval from the cut-th smallest to the cut-th largest misses with probability `level`
    at the most: it inverts Wilcoxon's signed-rank test.
    """
    largest = count * (count + 1) // 2
    if count > EXACT_UP_TO:
        return _normal_cut(largest / 2, largest * (2 * count + 1) / 12, level)
    ways = [1] + [0] * (largest // 2)
    for rank in range(1, count + 1):
        for total in range(largest // 2, rank - 1, -1):
            ways[total] += ways[total - rank]
    return _exact_cut(ways, 2**count, level)


@cache
def rank_sum_cut(first: int, second: int, level: float) -> int:
    """Return the cut for the ordered differences of two sides; 0 where a side has too few values.

    As `signed_rank_cut`, for the Mann–Whitney test; the sides may change places.
    """
    largest = first * second
    if max(first, second) > EXACT_UP_TO:
        return _normal_cut(largest / 2, largest * (first + second + 1) / 12, level)
    # The Gaussian binomial: the product of (1 - xᵐ⁺ⁱ) ÷ (1 - xⁱ), of which half is enough.
    half = largest // 2
    ways = [1] + [0] * half
    for i in range(1, first + 1):
        for total in range(half, second + i - 1, -1):
            ways[total] -= ways[total - second - i]
        for total in range(i, half + 1):
            ways[total] += ways[total - i]
    return _exact_cut(ways, math.comb(first + second, first), level)


def smallest_units(level: float, *, paired: bool = False) -> int:
    """Return the fewest pairs, or the fewest units a side, that can be significant at `level`."""
    count = 1
    while level / 2 * (2**count if paired else math.comb(2 * count, count)) < 1:
        count += 1
    return count


def row_level(alpha: float, rows: int, looks: int = 1) -> float:
    """Return the one level that serves every row at every look, so that `alpha` holds for all."""
    return alpha / (max(rows, 1) * looks)


def _exact_cut(ways: list[int], outcomes: int, level: float) -> int:
    """Return the most leading entries of `ways` that hold at most half of `level`."""
    seen, cut = 0, 0
    while cut < len(ways) and seen + ways[cut] <= level / 2 * outcomes:
        seen += ways[cut]
        cut += 1
    return cut


def _normal_cut(mean: float, variance: float, level: float) -> int:
    """Return the cut by the normal approximation with its correction for continuity."""
    quantile = NormalDist().inv_cdf(level / 2)
    return max(0, math.floor(mean + 0.5 + quantile * math.sqrt(variance)))
