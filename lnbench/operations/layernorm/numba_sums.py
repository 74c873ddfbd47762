"""What `numba_kernels.py` sums over a row: its statistics, and the means of its gradient.

Sums may be reassociated, so that they are taken in vectors; a difference from the mean may not:
x - mean - left has digits that x - (mean + left) has lost. Those loops are compiled without.
"""

import math
from typing import Any

import numba

from lnbench.operations.layernorm.numba_halves import value_of

_RUN = 4096  # columns that are summed in the work's own type

_within = numba.njit(nogil=True, error_model="numpy", inline="always")
_sums = numba.njit(
    nogil=True, error_model="numpy", forceinline=True, fastmath={"reassoc", "contract", "nsz"}
)


# Indices begin at 0 in every loop: only then does Numba know that none is negative, and LLVM takes
# the loop in vectors. Short rows are indexed in place, since a slice costs as much as their sums.
# What is computed in is the type of `gain`; x may be numbers of 16 bits.


@_sums
def _sum(x: Any, i: int, gain: Any) -> float:
    """Return the sum of row i."""
    whole = 0.0
    if x.shape[1] <= _RUN:
        part = gain.dtype.type(0)
        for j in range(x.shape[1]):
            part += value_of(x[i, j])
        return whole + part
    for start in range(0, x.shape[1], _RUN):
        run = x[i, start : start + _RUN]
        part = gain.dtype.type(0)
        for j in range(run.size):
            part += value_of(run[j])
        whole += part
    return whole


@_sums
def _moments(x: Any, i: int, gain: Any, mean: Any) -> tuple[float, float]:
    """Return the sums of x - mean and of its squares over row i."""
    first, second = 0.0, 0.0
    if x.shape[1] <= _RUN:
        one, two = gain.dtype.type(0), gain.dtype.type(0)
        for j in range(x.shape[1]):
            centred = value_of(x[i, j]) - mean
            one += centred
            two += centred * centred
        return first + one, second + two
    for start in range(0, x.shape[1], _RUN):
        run = x[i, start : start + _RUN]
        one, two = gain.dtype.type(0), gain.dtype.type(0)
        for j in range(run.size):
            centred = value_of(run[j]) - mean
            one += centred
            two += centred * centred
        first += one
        second += two
    return first, second


@_sums
def _slopes(dy: Any, x: Any, i: int, gain: Any, mean: Any) -> tuple[float, float, float]:
    """Return the sums of x - mean, of g = dy·weight, and of g·(x - mean) over row i."""
    first, second, third = 0.0, 0.0, 0.0
    if x.shape[1] <= _RUN:
        one, two, three = gain.dtype.type(0), gain.dtype.type(0), gain.dtype.type(0)
        for j in range(x.shape[1]):
            centred, g = value_of(x[i, j]) - mean, value_of(dy[i, j]) * gain[j]
            one += centred
            two += g
            three += g * centred
        return first + one, second + two, third + three
    for start in range(0, x.shape[1], _RUN):
        end = start + _RUN
        x_run, dy_run, gain_run = x[i, start:end], dy[i, start:end], gain[start:end]
        one, two, three = gain.dtype.type(0), gain.dtype.type(0), gain.dtype.type(0)
        for j in range(x_run.size):
            centred, g = value_of(x_run[j]) - mean, value_of(dy_run[j]) * gain_run[j]
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
