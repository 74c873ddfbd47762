"""Where a series of times may have changed its level: proposals, which nothing is called by."""

import math

import numpy as np

from lnbench.judge.stats import Floats

FEWEST = 2
"""Values on either side of a split: one alone is luck until the next confirms it."""

PENALTY = 3.0
"""What a split must save, in variances of a value times the logarithm of their number."""

LEAST_SCATTER = 1e-3
"""Scatter that is assumed of a series that shows less: equal values have no splits."""

_MAD_OF_DIFFERENCES = 0.6745 * math.sqrt(2)  # of normal values with a scatter of 1


def scatter(values: Floats) -> float:
    """Return by how much a value scatters, from neighbours: a change of level hardly adds to it."""
    if values.size < FEWEST:
        return LEAST_SCATTER
    steps = np.abs(np.diff(values))
    return max(LEAST_SCATTER, float(np.median(steps)) / _MAD_OF_DIFFERENCES)


def propose(values: Floats) -> list[int]:
    """Return where the values are best cut into levels: the first place of each but the first.

    Optimal partitioning by least squares (Jackson et al. 2005), exact, in O(n²), of the medians of
    three neighbours each: a value that stands alone is no level.
    """
    count = values.size
    if count < 2 * FEWEST:
        return []
    middles = np.median(np.stack([values[:-2], values[1:-1], values[2:]]), axis=0)
    smooth = np.concatenate([middles[:1], middles, middles[-1:]])
    smooth -= smooth.mean()
    sums = np.concatenate([[0.0], np.cumsum(smooth)])
    squares = np.concatenate([[0.0], np.cumsum(smooth * smooth)])
    penalty = PENALTY * scatter(values) ** 2 * math.log(count)
    best, last = np.full(count + 1, np.inf), np.zeros(count + 1, dtype=int)
    best[0] = -penalty
    for end in range(FEWEST, count + 1):
        starts = np.arange(end - FEWEST + 1)
        means = (sums[end] - sums[starts]) ** 2 / (end - starts)
        costs = best[starts] + squares[end] - squares[starts] - means + penalty
        last[end] = int(np.argmin(costs))
        best[end] = costs[last[end]]
    places, end = [], int(last[count])
    while end > 0:
        places.append(end)
        end = int(last[end])
    return places[::-1]


def sharpened(values: Floats, start: int, split: int, end: int) -> int:
    """Return the split of values[start:end] that fits the medians of both its sides best."""
    before, after = np.median(values[start:split]), np.median(values[split:end])
    lost = np.abs(values[start:end] - before) - np.abs(values[start:end] - after)
    costs = np.concatenate([[0.0], np.cumsum(lost)])[FEWEST : end - start - FEWEST + 1]
    return start + FEWEST + int(np.argmin(costs))
