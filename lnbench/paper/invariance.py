"""Table 1 of the paper: which normalization is invariant under which change, in float64.

The summed inputs of one layer are a = X·Wᵀ for the cases X (C, D) and the weights W (H, D). Batch
normalization takes mean and variance of a column over the cases, weight normalization divides by
the length of a row of W, layer normalization takes mean and variance over the H units of a case.
Source: Ba, Kiros and Hinton 2016 (arXiv 1607.06450), section 5.1 and table 1.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
import numpy as np

Normalize: TypeAlias = Callable[[Any, Any, float], Any]
"""Summed inputs (C, H) of cases X and weights W, normalized; the last argument is eps."""

CASES, UNITS, INPUTS = 64, 48, 32
EXACT = 1e-9
"""Largest change that rounding in float64 can be: a thousand times what is seen."""


class Cell(msgspec.Struct, frozen=True):
    """One cell of the table."""

    normalization: str
    transformation: str
    paper: bool
    """Whether the paper says that outputs stay as they are."""
    measured: bool
    """Whether they did, but for what eps changes."""
    max_change: float
    """Largest change of an output, against outputs of size 1."""

    @property
    def agrees(self) -> bool:
        """Whether the paper is right."""
        return self.paper == self.measured


PAPER: Mapping[str, tuple[bool, ...]] = {
    "batch": (True, False, True, True, True, False),
    "weight": (True, False, True, False, False, False),
    "layer": (True, True, False, True, False, True),
}
"""Table 1, by the order of `TRANSFORMATIONS`."""


def _batch(x: Any, w: Any, eps: float) -> Any:
    a = x @ w.T
    return (a - a.mean(axis=0)) / np.sqrt(a.var(axis=0) + eps)


def _weight(x: Any, w: Any, eps: float) -> Any:
    return x @ w.T / np.sqrt((w * w).sum(axis=1) + eps)


def _layer(x: Any, w: Any, eps: float) -> Any:
    a = x @ w.T
    return (a - a.mean(axis=1, keepdims=True)) / np.sqrt(a.var(axis=1, keepdims=True) + eps)


NORMALIZATIONS: Mapping[str, Normalize] = {"batch": _batch, "weight": _weight, "layer": _layer}

Change: TypeAlias = Callable[[Any, Any, Any], tuple[Any, Any]]
"""Cases and weights in, changed ones out; the last argument draws numbers."""


def _matrix_rescale(x: Any, w: Any, rng: Any) -> tuple[Any, Any]:
    return x, rng.uniform(2, 10) * w


def _matrix_recentre(x: Any, w: Any, rng: Any) -> tuple[Any, Any]:
    """Add the same vector to every row, eq. 6."""
    return x, w + rng.standard_normal(w.shape[1])


def _vector_rescale(x: Any, w: Any, rng: Any) -> tuple[Any, Any]:
    scaled = w.copy()
    scaled[0] *= rng.uniform(2, 10)
    return x, scaled


def _dataset_rescale(x: Any, w: Any, rng: Any) -> tuple[Any, Any]:
    return rng.uniform(2, 10) * x, w


def _dataset_recentre(x: Any, w: Any, rng: Any) -> tuple[Any, Any]:
    return x + rng.standard_normal(x.shape[1]), w


def _case_rescale(x: Any, w: Any, rng: Any) -> tuple[Any, Any]:
    """Scale one case, eq. 7."""
    scaled = x.copy()
    scaled[0] *= rng.uniform(2, 10)
    return scaled, w


TRANSFORMATIONS: Mapping[str, Change] = {
    "weight-matrix-rescale": _matrix_rescale,
    "weight-matrix-recentre": _matrix_recentre,
    "weight-vector-rescale": _vector_rescale,
    "dataset-rescale": _dataset_rescale,
    "dataset-recentre": _dataset_recentre,
    "single-case-rescale": _case_rescale,
}


def table(
    eps: float = 0.0,
    seed: int = 0,
    normalizations: Mapping[str, Normalize] = NORMALIZATIONS,
) -> tuple[Cell, ...]:
    """Return all cells, row by row.

    Args:
        eps: added to variances (and to the squared length of a row of weights); with 0, as in the
            paper, invariance is exact. Else a change of the order of eps counts as none.
        seed: of cases, weights and changes.
        normalizations: what to look at, by the paper's names.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((CASES, INPUTS)) + 0.3
    w = rng.standard_normal((UNITS, INPUTS)) * INPUTS**-0.5 + 0.1
    cells = []
    for normalization, normalize in normalizations.items():
        before = normalize(x, w, eps)
        pairs = zip(TRANSFORMATIONS.items(), PAPER[normalization], strict=True)
        for (transformation, change), paper in pairs:
            after = normalize(*change(x, w, np.random.default_rng(seed + 1)), eps)
            moved = float(np.abs(after - before).max())
            # A variance v takes eps as a share eps/v; none shrinks much.
            measured = moved <= EXACT + 100 * eps
            cells.append(Cell(normalization, transformation, paper, measured, moved))
    return tuple(cells)
