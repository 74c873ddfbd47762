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

FLOAT16, BFLOAT16 = 1, 2
"""The types of 16 bits, which arrive as their bits."""

MOST_FLOAT32_ROWS = 256
"""Rows that dw and db are added up over in the work's own type, lest rounding errors pile up."""

_RUN = 4096  # columns that are summed in the work's own type
_LINE = 64  # bytes that are written at once past the cache
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


@intrinsic
def _stream_line(_: Any, target: Any, source: Any) -> Any:
    """Copy 64 bytes to an address divisible by 64, past the cache where the CPU can do that."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        line = ir.VectorType(ir.IntType(8), _LINE).as_pointer()
        to, origin = (builder.inttoptr(address, line) for address in arguments)
        store = builder.store(builder.load(origin, align=1), to, align=_LINE)
        hint = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        store.set_metadata("nontemporal", hint)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), generate


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
def _narrow(row: Any, kind: int, out: Any) -> None:
    """Write float32 as the bits of float16 or bfloat16, to nearest and ties to even."""
    if kind == BFLOAT16:
        for j in range(row.size):
            bits = _bits_of(row[j])
            odd = (bits >> np.uint32(16)) & np.uint32(1)
            rounded = (bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)
            quiet = (bits >> np.uint32(16)) | np.uint32(0x40)
            is_nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
            out[j] = np.uint16(quiet if is_nan else rounded)
        return
    for j in range(row.size):
        bits = _bits_of(row[j])
        sign = (bits >> np.uint32(16)) & np.uint32(0x8000)
        size = bits & np.uint32(0x7FFFFFFF)
        # Below 2**-14 adding a half leaves the digits that float16 has, rounded.
        small = _bits_of(_float_of(size) + np.float32(0.5)) - np.uint32(0x3F000000)
        odd = (size >> np.uint32(13)) & np.uint32(1)
        usual = (size - np.uint32(0x38000000) + np.uint32(0xFFF) + odd) >> np.uint32(13)
        large = np.uint32(0x7E00) if size > np.uint32(0x7F800000) else np.uint32(0x7C00)
        result = small if size < np.uint32(0x38800000) else usual
        result = large if size >= np.uint32(0x47800000) else result
        out[j] = np.uint16(result | sign)


@_exact
def _stream(source: Any, target: Any) -> None:
    """Copy a row, the lines of the target that it fills past the cache."""
    size = source.itemsize
    at, to = source.ctypes.data, target.ctypes.data
    head = min(source.size, (-to % _LINE) // size)
    lines = (source.size - head) * size // _LINE
    for j in range(head):
        target[j] = source[j]
    for line in range(lines):
        place = head * size + line * _LINE
        _stream_line(to + place, at + place)
    for j in range(head + lines * _LINE // size, source.size):
        target[j] = source[j]


@_sums
def _sum(row: Any) -> float:
    whole = 0.0
    for start in range(0, row.size, _RUN):
        part = row.dtype.type(0)
        for j in range(start, min(start + _RUN, row.size)):
            part += row[j]
        whole += part
    return whole


@_sums
def _moments(row: Any, mean: Any) -> tuple[float, float]:
    """Return the sums of x - mean and of its squares."""
    first, second = 0.0, 0.0
    for start in range(0, row.size, _RUN):
        one, two = row.dtype.type(0), row.dtype.type(0)
        for j in range(start, min(start + _RUN, row.size)):
            centred = row[j] - mean
            one += centred
            two += centred * centred
        first += one
        second += two
    return first, second


@_sums
def _slopes(x: Any, dy: Any, gain: Any, mean: Any) -> tuple[float, float, float]:
    """Return the sums of x - mean, of g = dy·weight, and of g·(x - mean)."""
    first, second, third = 0.0, 0.0, 0.0
    for start in range(0, x.size, _RUN):
        one, two, three = x.dtype.type(0), x.dtype.type(0), x.dtype.type(0)
        for j in range(start, min(start + _RUN, x.size)):
            centred, g = x[j] - mean, dy[j] * gain[j]
            one += centred
            two += g
            three += g * centred
        first += one
        second += two
        third += three
    return first, second, third


@_exact
def _normalize(row: Any, mean: Any, left: Any, rstd: Any, gain: Any, shift: Any, out: Any) -> None:
    for j in range(row.size):
        out[j] = (row[j] - mean - left) * rstd * gain[j] + shift[j]


@_exact
def _centred(row: Any, eps: float) -> tuple[Any, Any, Any]:
    """Return the mean, what its rounding left in the row, and rstd, in the row's type."""
    cast, size = row.dtype.type, max(1, row.size)
    mean = cast(_sum(row) / size)
    first, second = _moments(row, mean)
    left = first / size
    return mean, cast(left), cast(1 / math.sqrt(second / size - left * left + eps))


@_exact
def _normalize_row(
    row: Any, eps: float, gain: Any, shift: Any, i: int, mean: Any, rstd: Any, out: Any
) -> None:
    middle, left, scale = _centred(row, eps)
    mean[i], rstd[i] = middle + left, scale
    _normalize(row, middle, left, scale, gain, shift, out)


@_exact
def _differentiate_row(
    dy: Any, x: Any, mean: Any, rstd: Any, gain: Any, sums: Any, out: Any
) -> None:
    """Write dx of a row, and add what it contributes to dw and db."""
    cast, size = x.dtype.type, max(1, x.size)
    first, second, third = _slopes(x, dy, gain, mean)
    left, level = cast(first / size), cast(second / size)
    slope = cast((third / size - first / size * (second / size)) * rstd)
    for j in range(x.size):
        normal = (x[j] - mean - left) * rstd
        sums[0, j] += dy[j] * normal
        sums[1, j] += dy[j]
        out[j] = (dy[j] * gain[j] - level - normal * slope) * rstd


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
    for i in range(start, end):
        if stream:
            _normalize_row(x[i], eps, gain, shift, i, mean, rstd, scratch[0])
            _stream(scratch[0], y[i])
        else:
            _normalize_row(x[i], eps, gain, shift, i, mean, rstd, y[i])


@_exact
def backward_plain(
    dy: Any, x: Any, dx: Any, kind: int, mean: Any, rstd: Any, gain: Any, sums: Any,
    start: int, end: int, scratch: Any, stream: bool,
) -> None:  # fmt: skip
    """Differentiate rows start to end of contiguous float32 or float64."""
    part = scratch[:2]
    part[:] = 0
    for i in range(start, end):
        if stream:
            _differentiate_row(dy[i], x[i], mean[i], rstd[i], gain, part, scratch[2])
            _stream(scratch[2], dx[i])
        else:
            _differentiate_row(dy[i], x[i], mean[i], rstd[i], gain, part, dx[i])
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
            _normalize_row(scratch[0], eps, gain, shift, i, mean, rstd, scratch[1])
            store(scratch[1], kind, y[i])

    return forward


def _backward(load: Any, store: Any) -> Any:
    @_exact
    def backward(
        dy: Any, x: Any, dx: Any, kind: int, mean: Any, rstd: Any, gain: Any, sums: Any,
        start: int, end: int, scratch: Any, stream: bool,
    ) -> None:  # fmt: skip
        part = scratch[:2]
        part[:] = 0
        for i in range(start, end):
            load(dy[i], kind, scratch[2])
            load(x[i], kind, scratch[3])
            _differentiate_row(scratch[2], scratch[3], mean[i], rstd[i], gain, part, scratch[4])
            store(scratch[4], kind, dx[i])
            if (i - start + 1) % MOST_FLOAT32_ROWS == 0:
                _flush(part, sums)
        _flush(part, sums)

    return backward


forward_strided, backward_strided = _forward(_copied, _copied), _backward(_copied, _copied)
"""Rows of float32 or float64 of any strides, by way of scratch."""

forward_halves, backward_halves = _forward(_widen, _narrow), _backward(_widen, _narrow)
"""Rows of float16 or bfloat16, as bits, of any strides."""
