"""What `numba_kernels.py` sums over a row: its statistics, and the means of its gradient.

Sums may be reassociated, so that they are taken in vectors; a difference from the mean may not:
x - mean - left has digits that x - (mean + left) has lost. Those loops are compiled without.
"""

import math
from typing import Any

import numba
import numpy as np

from lnbench.operations.layernorm.numba_halves import value_of

_RUN = 4096  # columns that are summed in the work's own type

_within = numba.njit(nogil=True, error_model="numpy", inline="always")
_sums = numba.njit(
    nogil=True, error_model="numpy", forceinline=True, fastmath={"reassoc", "contract", "nsz"}
)


# Indices begin at 0 in every loop, and are unsigned where they are added up: only then does Numba
# know that none is negative, and LLVM takes the loop in vectors. No row is sliced: a slice counts a
# reference up and down, atomically, which costs as much as the sums of a short row.
# What is computed in is the type of `gain`; x may be numbers of 16 bits.


@_sums
def _sum(x: Any, i: int, gain: Any) -> float:
    """Return the sum of row i."""
    whole = 0.0
    for start in range(0, x.shape[1], _RUN):
        part = gain.dtype.type(0)
        for j in range(min(_RUN, x.shape[1] - start)):
            part += value_of(x[i, np.uintp(start) + np.uintp(j)])
        whole += part
    return whole


@_sums
def _moments(x: Any, i: int, gain: Any, mean: Any) -> tuple[float, float]:
    """Return the sums of x - mean and of its squares over row i."""
    first, second = 0.0, 0.0
    for start in range(0, x.shape[1], _RUN):
        one, two = gain.dtype.type(0), gain.dtype.type(0)
        for j in range(min(_RUN, x.shape[1] - start)):
            centred = value_of(x[i, np.uintp(start) + np.uintp(j)]) - mean
            one += centred
            two += centred * centred
        first += one
        second += two
    return first, second


@_sums
def _slopes(dy: Any, x: Any, i: int, gain: Any, mean: Any) -> tuple[float, float, float]:
    """Return the sums of x - mean, of g = dy·weight, and of g·(x - mean) over row i."""
    first, second, third = 0.0, 0.0, 0.0
    for start in range(0, x.shape[1], _RUN):
        one, two, three = gain.dtype.type(0), gain.dtype.type(0), gain.dtype.type(0)
        for j in range(min(_RUN, x.shape[1] - start)):
            k = np.uintp(start) + np.uintp(j)
            centred, g = value_of(x[i, k]) - mean, value_of(dy[i, k]) * gain[k]
            one += centred
            two += g
            three += g * centred
        first += one
        second += two
        third += three
    return first, second, third


@_within
def centre(x: Any, i: int, gain: Any, eps: float) -> tuple[Any, Any, Any]:
    """Return the mean, what its rounding left in row i, and rstd, in gain's type."""
    cast, size = gain.dtype.type, max(1, x.shape[1])
    mean = cast(_sum(x, i, gain) / size)
    first, second = _moments(x, i, gain, mean)
    left = first / size
    return mean, cast(left), cast(1 / math.sqrt(second / size - left * left + eps))


@_within
def gradient(dy: Any, x: Any, i: int, mean: Any, rstd: Any, gain: Any) -> tuple[Any, Any, Any]:
    """Return what the mean's rounding left in row i, mean(g) and mean(g·x̂)."""
    cast, size = gain.dtype.type, max(1, x.shape[1])
    first, second, third = _slopes(dy, x, i, gain, mean)
    slope = (third / size - first / size * (second / size)) * rstd
    return cast(first / size), cast(second / size), cast(slope)
