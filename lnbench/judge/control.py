"""What else was timed in the same moment: the control that a row's times are adjusted by.

Two reports of different hours differ by what the machine did meanwhile, and not every kernel feels
it alike. But each row of a suite has others beside it: the other backends of its case, within
seconds of it in each pass. Their median is the control; how strongly the row follows it is seen
from pass to pass within each side. What the control explains is taken away: an analysis of
covariance, with a slope of the row's own.
"""

from collections.abc import Collection, Sequence
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from lnbench.judge.stats import Floats

Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

SLOPE_WEIGHT = 0.0064
"""Weight of the slope 1, that of a row that follows the control as a whole, beside what the passes
show: that of passes whose control scatters by 0.08 in all, about the noise of a pass ÷ the scatter
of slopes between kernels (0.04 ÷ 0.5)."""

LARGEST_MOVE = 0.3
"""Moves of one pass count as this at most, as a logarithm, when the slope is estimated."""

FEWEST_BESIDE = 3
"""Other rows that make a control: the change of one of them does not move their median.
Where a case has fewer, the rest of the regime takes their place."""


class Layout(msgspec.Struct, frozen=True):
    """Which rows of a suite belong together: one number, or one mark, a row."""

    cases: tuple[int, ...]
    """Rows of one case are measured beside each other."""
    groups: tuple[int, ...]
    """Rows of one group may change together: none is a control of another."""
    regimes: tuple[int, ...]
    """Rows of one regime feel the machine alike."""


def adjusted(
    before: Floats, after: Floats, layout: Layout, excluded: Collection[int] = ()
) -> tuple[Floats, Floats]:
    """Return both sides without what is common to them and without what the control explains.

    Args:
        before: logarithms of time of the baseline, rows × passes; NaN where a pass was lost.
        after: those of the candidate.
        layout: which rows belong together.
        excluded: groups that are no control of others.

    Returns:
        Arrays of the same shapes; NaN also where a row had nothing beside it. Swapping the sides
        swaps them exactly.
    """
    before, after = centred(before, after)
    usable = np.array([group not in excluded for group in layout.groups])
    rest = [_beside(side, layout, usable) for side in (before, after)]
    slope = _slopes((before, after), rest)
    return before - slope * rest[0], after - slope * rest[1]


def centred(before: Floats, after: Floats) -> tuple[Floats, Floats]:
    """Return both sides about the median of both together: rows differ by orders of magnitude."""
    middle = _middle(np.concatenate([before, after], axis=1))
    return before - middle, after - middle


def median_over_rows(rows: Floats, fewest: int) -> Floats:
    """Return the median of each column without its NaNs; NaN where fewer values are left."""
    if not len(rows):
        return np.full(rows.shape[1], np.nan)
    values = np.sort(rows, axis=0)  # NaNs come last
    counts = np.isfinite(values).sum(axis=0)
    columns = np.arange(values.shape[1])
    low, high = np.maximum(counts - 1, 0) // 2, np.minimum(counts // 2, len(values) - 1)
    middle = (values[low, columns] + values[high, columns]) / 2
    return np.where(counts >= fewest, middle, np.nan)


def _middle(rows: Floats) -> Floats:
    """Return the median of each line without its NaNs, as a column."""
    return median_over_rows(rows.T, fewest=1).reshape(-1, 1)


def _beside(side: Floats, layout: Layout, usable: Flags) -> Floats:
    """Return, for each row and pass, the median of the other rows of its case, or of its regime."""
    control = np.full_like(side, np.nan)
    values = np.where(usable[:, None], side, np.nan)
    for members in _together(np.array(layout.cases)):
        control[members] = _medians_of_others(values[members])
    lonely: Flags = np.atleast_1d(np.isnan(control).all(axis=1))
    groups, regimes = np.array(layout.groups), np.array(layout.regimes)
    for members in _together(groups * (regimes.max(initial=0) + 1) + regimes):
        wanting = members[lonely[members]]
        if wanting.size:
            group, regime = groups[wanting[0]], regimes[wanting[0]]
            rest = values[(regimes == regime) & (groups != group)]
            control[wanting] = median_over_rows(rest, FEWEST_BESIDE)
    return control


def _together(numbers: Integers) -> list[Integers]:
    """Return the places of equal numbers, an array for each number."""
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)


def _medians_of_others(values: Floats) -> Floats:
    """Return, for each entry, the median of the others of its column; NaN where they are few."""
    others = np.empty_like(values)
    for index in range(len(values)):
        others[index] = median_over_rows(np.delete(values, index, axis=0), FEWEST_BESIDE)
    return others


def _slopes(rows: Sequence[Floats], controls: Sequence[Floats]) -> Floats:
    """Return how strongly each row follows its control from pass to pass, as a column."""
    products, squares = 0.0, 0.0
    for row, control in zip(rows, controls, strict=True):
        both = np.isfinite(row) & np.isfinite(control)
        x, y = (_moves(np.where(both, values, np.nan)) for values in (control, row))
        products, squares = products + (x * y).sum(axis=1), squares + (x * x).sum(axis=1)
    slope = (products + SLOPE_WEIGHT) / (squares + SLOPE_WEIGHT)
    return np.asarray(slope).reshape(-1, 1)


def _moves(side: Floats) -> Floats:
    """Return by how much each pass of each row lies off the side's median; 0 where unknown."""
    moves = np.clip(side - _middle(side), -LARGEST_MOVE, LARGEST_MOVE)
    return np.nan_to_num(moves, nan=0.0)
