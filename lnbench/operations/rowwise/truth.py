"""What float64 references share: blocks of rows, vectors and sums."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from lnbench.operation import TOLERANCES, Arrays
from lnbench.plan.case import Case, DType

_BLOCK = 1 << 20  # elements of float64 that one step of the reference holds: 8 MiB an array


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Yield slices of rows of which the reference holds one at a time."""
    height = max(1, _BLOCK // max(1, columns))
    for start in range(0, rows, height):
        yield slice(start, min(start + height, rows))


def wide_vector(inputs: Arrays, name: str, columns: int, absent: float) -> Any:
    """Return weight or bias in float64, a constant where there is none."""
    vector = inputs.get(name)
    return np.full(columns, absent) if vector is None else vector.astype(np.float64)


def output_dtype(case: Case, dtype: DType) -> DType:
    """Return the coarser of the input's type and `dtype`: both round on the way."""
    return max((case.dtype, dtype), key=lambda kind: TOLERANCES[kind].ceiling)


def column_sums(values: Any) -> Any:
    """Return the sums over the rows, pairwise: NumPy adds up one after the other along axis 0."""
    return np.ascontiguousarray(values.T).sum(axis=1)


def row_mean(values: Any) -> Any:
    """Return the mean of each row, (R, 1), 0 where there are no columns."""
    if values.shape[1] == 0:
        return np.zeros((values.shape[0], 1))
    return values.mean(axis=1, keepdims=True)
