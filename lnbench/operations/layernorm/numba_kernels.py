"""The loops of `numba.py`, compiled on first use and kept on disk (`NUMBA_CACHE_DIR`).

Sums may be reassociated, so that they are taken in vectors; a difference from the mean may not:
x - mean - left has digits that x - (mean + left) has lost. Those loops are compiled without.
"""

import math
import os
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from lnbench.operations.layernorm.numba_lines import (
    LINE,
    differentiate_line,
    normalize_line,
    prefetch_line,
    spans,
)

FLOAT16, BFLOAT16 = 1, 2
"""The types of 16 bits, which arrive as their bits."""

MOST_FLOAT32_ROWS = 256
"""Rows that dw and db are added up over in the work's own type, lest rounding errors pile up."""

_RUN = 4096  # columns that are summed in the work's own type
_WIDE = 512  # columns from which on whole lines of a row are worth writing past the cache
_LEVEL3 = "SC_LEVEL3_CACHE_SIZE"
_FALLBACK_CACHE_BYTES = 32 << 20
_CACHE_BYTES = os.sysconf(_LEVEL3) if _LEVEL3 in os.sysconf_names else 0

_exact = numba.njit(nogil=True, cache=True, error_model="numpy")
_sums = numba.njit(
    nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"}
)


def is_larger_than_cache(size: int) -> bool:
    """Return whether a set of so many bytes does not fit the last-level cache."""
    return size > (_CACHE_BYTES if _CACHE_BYTES > 0 else _FALLBACK_CACHE_BYTES)


@intrinsic
def _bits_of(_: Any, value: Any) -> Any:
    """Return the bits of a float32 as an integer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.uint32(types.float32), generate


@intrinsic
def _float_of(_: Any, bits: Any) -> Any:
    """Return the float32 that has these bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.uint32), generate


@_exact
def _widen(row: Any, kind: int, out: Any) -> None:
    """Write float16 or bfloat16, given as bits, as float32; exact, NaN and infinities too."""
    if kind == BFLOAT16:
        for j in range(out.size):
            out[j] = _float_of(np.uint32(row[j]) << np.uint32(16))
        return
    for j in range(out.size):
        bits = np.uint32(row[j])
        sign = (bits & np.uint32(0x8000)) << np.uint32(16)
        rest = (bits & np.uint32(0x7FFF)) << np.uint32(13)
        # Scaled by 2**112 exponents are float32's, and subnormal values become normal.
        value = _float_of(rest) * np.float32(2.0**112)
        special = _float_of(rest | np.uint32(0x7F800000))
        value = special if rest >= np.uint32(0x7C00 << 13) else value
        out[j] = _float_of(_bits_of(value) | sign)


@_exact
def _as_bfloat16(value: Any) -> Any:
    """Return the bits of a float32 as bfloat16, to nearest and ties to even."""
    bits = _bits_of(value)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)
    quiet = (bits >> np.uint32(16)) | np.uint32(0x40)
    is_nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    return np.uint16(quiet if is_nan else rounded)


@_exact
def _as_float16(value: Any) -> Any:
    """Return the bits of a float32 as float16, to nearest and ties to even."""
    bits = _bits_of(value)
    sign = (bits >> np.uint32(16)) & np.uint32(0x8000)
    size = bits & np.uint32(0x7FFFFFFF)
    # Below 2**-14 adding a half leaves the digits that float16 has, rounded.
    small = _bits_of(_float_of(size) + np.float32(0.5)) - np.uint32(0x3F000000)
    odd = (size >> np.uint32(13)) & np.uint32(1)
    usual = (size - np.uint32(0x38000000) + np.uint32(0xFFF) + odd) >> np.uint32(13)
    large = np.uint32(0x7E00) if size > np.uint32(0x7F800000) else np.uint32(0x7C00)
    result = small if size < np.uint32(0x38800000) else usual
    result = large if size >= np.uint32(0x47800000) else result
    return np.uint16(result | sign)


@_exact
def _narrow(row: Any, kind: int, out: Any) -> None:
    """Write float32 as the bits of float16 or bfloat16."""
    if kind == BFLOAT16:
        for j in range(row.size):
            out[j] = _as_bfloat16(row[j])
    else:
        for j in range(row.size):
            out[j] = _as_float16(row[j])


# Indices begin at 0 in every loop: only then does Numba know that none is negative, and LLVM takes
# the loop in vectors. Short rows are indexed in place, since a slice costs as much as their sums.


@_sums
def _sum(x: Any, i: int) -> float:
    """Return the sum of row i."""
    whole = 0.0
    if x.shape[1] <= _RUN:
        part = x.dtype.type(0)
        for j in range(x.shape[1]):
            part += x[i, j]
        return whole + part
    for start in range(0, x.shape[1], _RUN):
        run = x[i, start : start + _RUN]
        part = x.dtype.type(0)
        for j in range(run.size):
            part += run[j]
        whole += part
    return whole


@_sums
def _moments(x: Any, i: int, mean: Any) -> tuple[float, float]:
    """Return the sums of x - mean and of its squares over row i."""
    first, second = 0.0, 0.0
    if x.shape[1] <= _RUN:
        one, two = x.dtype.type(0), x.dtype.type(0)
        for j in range(x.shape[1]):
            centred = x[i, j] - mean
            one += centred
            two += centred * centred
        return first + one, second + two
    for start in range(0, x.shape[1], _RUN):
        run = x[i, start : start + _RUN]
        one, two = x.dtype.type(0), x.dtype.type(0)
        for j in range(run.size):
            centred = run[j] - mean
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
        one, two, three = x.dtype.type(0), x.dtype.type(0), x.dtype.type(0)
        for j in range(x.shape[1]):
            centred, g = x[i, j] - mean, dy[i, j] * gain[j]
            one += centred
            two += g
            three += g * centred
        return first + one, second + two, third + three
    for start in range(0, x.shape[1], _RUN):
        end = start + _RUN
        x_run, dy_run, gain_run = x[i, start:end], dy[i, start:end], gain[start:end]
        one, two, three = x.dtype.type(0), x.dtype.type(0), x.dtype.type(0)
        for j in range(x_run.size):
            centred, g = x_run[j] - mean, dy_run[j] * gain_run[j]
            one += centred
            two += g
            three += g * centred
        first += one
        second += two
        third += three
    return first, second, third


@_exact
def _centred(x: Any, i: int, eps: float) -> tuple[Any, Any, Any]:
    """Return the mean, what its rounding left in row i, and rstd, in the row's type."""
    cast, size = x.dtype.type, max(1, x.shape[1])
    mean = cast(_sum(x, i) / size)
    first, second = _moments(x, i, mean)
    left = first / size
    return mean, cast(left), cast(1 / math.sqrt(second / size - left * left + eps))


@_exact
def _normalize(x: Any, i: int, statistics: Any, gain: Any, shift: Any, out: Any, k: int) -> None:
    """Write y of row i to row k of `out`."""
    mean, left, rstd = statistics
    for j in range(x.shape[1]):
        out[k, j] = (x[i, j] - mean - left) * rstd * gain[j] + shift[j]


@_exact
def _normalize_past(x: Any, i: int, statistics: Any, gain: Any, shift: Any, y: Any) -> None:
    """Write y of row i past the cache, line by line, while the row after the next is fetched."""
    mean, left, rstd = statistics
    head, lines = spans(y, i)
    columns, size = x.shape[1], x.itemsize
    for j in range(head):
        y[i, j] = (x[i, j] - mean - left) * rstd * gain[j] + shift[j]
    at, to = x.ctypes.data + i * columns * size, y.ctypes.data + i * columns * size
    gains, shifts = gain.ctypes.data, shift.ctypes.data
    for line in range(lines):
        place = head * size + line * LINE
        normalize_line(to + place, at + place, gains + place, shifts + place, mean, left, rstd)
        prefetch_line(at + place + 2 * columns * size)
    rest = head + lines * LINE // size
    for j in range(columns - rest):
        k = np.uintp(rest) + np.uintp(j)
        y[i, k] = (x[i, k] - mean - left) * rstd * gain[k] + shift[k]


@_exact
def _gradient(dy: Any, x: Any, i: int, mean: Any, rstd: Any, gain: Any) -> tuple[Any, Any, Any]:
    """Return what the mean's rounding left in row i, mean(g) and mean(g·x̂)."""
    cast, size = x.dtype.type, max(1, x.shape[1])
    first, second, third = _slopes(dy, x, i, gain, mean)
    slope = (third / size - first / size * (second / size)) * rstd
    return cast(first / size), cast(second / size), cast(slope)


@_exact
def _differentiate(
    dy: Any, x: Any, i: int, mean: Any, rstd: Any, gain: Any, sums: Any, out: Any, k: int
) -> None:
    """Write dx of row i to row k of `out`, and add what it contributes to dw and db."""
    left, level, slope = _gradient(dy, x, i, mean, rstd, gain)
    for j in range(x.shape[1]):
        normal = (x[i, j] - mean - left) * rstd
        sums[0, j] += dy[i, j] * normal
        sums[1, j] += dy[i, j]
        out[k, j] = (dy[i, j] * gain[j] - level - normal * slope) * rstd


@_exact
def _differentiate_past(
    dy: Any, x: Any, i: int, mean: Any, rstd: Any, gain: Any, sums: Any, dx: Any
) -> None:
    """Write dx of row i past the cache, line by line, while the next rows are on their way."""
    left, level, slope = _gradient(dy, x, i, mean, rstd, gain)
    head, lines = spans(dx, i)
    columns, size = x.shape[1], x.itemsize
    rest = head + lines * LINE // size
    for j in range(columns - lines * LINE // size):
        k = np.uintp(j if j < head else j - head + rest)
        normal = (x[i, k] - mean - left) * rstd
        sums[0, k] += dy[i, k] * normal
        sums[1, k] += dy[i, k]
        dx[i, k] = (dy[i, k] * gain[k] - level - normal * slope) * rstd
    row = i * columns * size
    given, at, to = dy.ctypes.data + row, x.ctypes.data + row, dx.ctypes.data + row
    gains, dw = gain.ctypes.data, sums.ctypes.data
    db = dw + columns * size
    for line in range(lines):
        place = head * size + line * LINE
        differentiate_line(
            to + place, given + place, at + place, gains + place, dw + place, db + place,
            mean, left, rstd, level, slope,
        )  # fmt: skip
        prefetch_line(at + place + columns * size)
        prefetch_line(given + place + columns * size)


@_exact
def _flush(part: Any, sums: Any) -> None:
    """Add sums of some rows to those of all, and begin anew."""
    for k in range(2):
        for j in range(part.shape[1]):
            sums[k, j] += part[k, j]
            part[k, j] = 0


@_exact
def forward_plain(
    x: Any, kind: int, gain: Any, shift: Any, eps: float, y: Any, mean: Any, rstd: Any,
    start: int, end: int, scratch: Any, stream: bool,
) -> None:  # fmt: skip
    """Normalize rows start to end of contiguous float32 or float64."""
    past = stream and x.shape[1] >= _WIDE
    for i in range(start, end):
        found = _centred(x, i, eps)
        mean[i], rstd[i] = found[0] + found[1], found[2]
        if past:
            _normalize_past(x, i, found, gain, shift, y)
        else:
            _normalize(x, i, found, gain, shift, y, i)


@_exact
def backward_plain(
    dy: Any, x: Any, dx: Any, kind: int, mean: Any, rstd: Any, gain: Any, sums: Any,
    start: int, end: int, scratch: Any, stream: bool,
) -> None:  # fmt: skip
    """Differentiate rows start to end of contiguous float32 or float64."""
    part = scratch[:2]
    part[:] = 0
    past = stream and x.shape[1] >= _WIDE
    for i in range(start, end):
        if past:
            _differentiate_past(dy, x, i, mean[i], rstd[i], gain, part, dx)
        else:
            _differentiate(dy, x, i, mean[i], rstd[i], gain, part, dx, i)
        if (i - start + 1) % MOST_FLOAT32_ROWS == 0:
            _flush(part, sums)
    _flush(part, sums)


@_exact
def _copied(row: Any, kind: int, out: Any) -> None:
    for j in range(out.size):
        out[j] = row[j]


def _forward(load: Any, store: Any) -> Any:
    @_exact
    def forward(
        x: Any, kind: int, gain: Any, shift: Any, eps: float, y: Any, mean: Any, rstd: Any,
        start: int, end: int, scratch: Any, stream: bool,
    ) -> None:  # fmt: skip
        for i in range(start, end):
            load(x[i], kind, scratch[0])
            found = _centred(scratch, 0, eps)
            mean[i], rstd[i] = found[0] + found[1], found[2]
            _normalize(scratch, 0, found, gain, shift, scratch, 1)
            store(scratch[1], kind, y[i])

    return forward


def _backward(load: Any, store: Any) -> Any:
    @_exact
    def backward(
        dy: Any, x: Any, dx: Any, kind: int, mean: Any, rstd: Any, gain: Any, sums: Any,
        start: int, end: int, scratch: Any, stream: bool,
    ) -> None:  # fmt: skip
        part, given, row = scratch[:2], scratch[2:3], scratch[3:4]
        part[:] = 0
        for i in range(start, end):
            load(dy[i], kind, given[0])
            load(x[i], kind, row[0])
            _differentiate(given, row, 0, mean[i], rstd[i], gain, part, scratch, 4)
            store(scratch[4], kind, dx[i])
            if (i - start + 1) % MOST_FLOAT32_ROWS == 0:
                _flush(part, sums)
        _flush(part, sums)

    return backward


forward_strided, backward_strided = _forward(_copied, _copied), _backward(_copied, _copied)
"""Rows of float32 or float64 of any strides, by way of scratch."""

forward_halves, backward_halves = _forward(_widen, _narrow), _backward(_widen, _narrow)
"""Rows of float16 or bfloat16, as bits, of any strides."""
