"""The loops of `numba.py`, compiled on first use and kept on disk (`NUMBA_CACHE_DIR`)."""

import os
from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import overload

from lnbench.operations.layernorm.numba_halves import narrow, widen
from lnbench.operations.layernorm.numba_lines import (
    LINE,
    differentiate_line,
    differentiate_line_past,
    normalize_line,
    normalize_line_past,
    prefetch_line,
    spans,
)
from lnbench.operations.layernorm.numba_sums import centre, gradient

MOST_FLOAT32_ROWS = 256
"""Rows that dw and db are added up over in the work's own type, lest rounding errors pile up."""

_WIDE = 512  # columns from which on whole lines of a row are worth writing past the cache
_LEVEL3 = "SC_LEVEL3_CACHE_SIZE"
_FALLBACK_CACHE_BYTES = 32 << 20
_CACHE_BYTES = os.sysconf(_LEVEL3) if _LEVEL3 in os.sysconf_names else 0

_exact = numba.njit(nogil=True, cache=True, error_model="numpy")
_within = numba.njit(nogil=True, error_model="numpy", inline="always")


def is_larger_than_cache(size: int) -> bool:
    """Return whether a set of so many bytes does not fit the last-level cache."""
    return size > (_CACHE_BYTES if _CACHE_BYTES > 0 else _FALLBACK_CACHE_BYTES)


@_within
def _normalize(x: Any, i: int, statistics: Any, gain: Any, shift: Any, out: Any, k: int) -> None:
    """Write y of row i to row k of `out`."""
    mean, left, rstd = statistics
    for j in range(x.shape[1]):
        out[k, j] = (x[i, j] - mean - left) * rstd * gain[j] + shift[j]


# Where an array begins is asked once a call: asking counts a reference up and down.


@_within
def _normalize_lines(
    x: Any, i: int, statistics: Any, gain: Any, shift: Any, y: Any, places: Any, past: bool
) -> None:
    """Write y of row i line by line; past the cache, while the row after the next is fetched."""
    mean, left, rstd = statistics
    x_place, y_place, gains, shifts = places
    columns, size = x.shape[1], x.itemsize
    at, to = x_place + i * columns * size, y_place + i * columns * size
    head, lines = spans(to, columns, size, past)
    for j in range(head):
        y[i, j] = (x[i, j] - mean - left) * rstd * gain[j] + shift[j]
    for line in range(lines):
        place = head * size + line * LINE
        if past:
            normalize_line_past(
                to + place, at + place, gains + place, shifts + place, mean, left, rstd
            )
            prefetch_line(at + place + 2 * columns * size)
        else:
            normalize_line(to + place, at + place, gains + place, shifts + place, mean, left, rstd)
    rest = head + lines * LINE // size
    for j in range(columns - rest):
        k = np.uintp(rest) + np.uintp(j)
        y[i, k] = (x[i, k] - mean - left) * rstd * gain[k] + shift[k]


@_within
def _differentiate(
    dy: Any, x: Any, i: int, mean: Any, rstd: Any, gain: Any, sums: Any, out: Any, k: int
) -> None:
    """Write dx of row i to row k of `out`, and add what it contributes to dw and db."""
    left, level, slope = gradient(dy, x, i, mean, rstd, gain)
    for j in range(x.shape[1]):
        normal = (x[i, j] - mean - left) * rstd
        sums[0, j] += dy[i, j] * normal
        sums[1, j] += dy[i, j]
        out[k, j] = (dy[i, j] * gain[j] - level - normal * slope) * rstd


@_within
def _differentiate_lines(
    dy: Any, x: Any, i: int, mean: Any, rstd: Any, gain: Any, sums: Any, dx: Any, places: Any,
    past: bool,
) -> None:  # fmt: skip
    """Write dx of row i line by line; past the cache, while the next row is fetched."""
    left, level, slope = gradient(dy, x, i, mean, rstd, gain)
    columns, size = x.shape[1], x.itemsize
    row = i * columns * size
    given, at, to = places[0] + row, places[1] + row, places[2] + row
    gains, dw, db = places[3], places[4], places[4] + columns * size
    head, lines = spans(to, columns, size, past)
    rest = head + lines * LINE // size
    for j in range(columns - lines * LINE // size):
        k = np.uintp(j if j < head else j - head + rest)
        normal = (x[i, k] - mean - left) * rstd
        sums[0, k] += dy[i, k] * normal
        sums[1, k] += dy[i, k]
        dx[i, k] = (dy[i, k] * gain[k] - level - normal * slope) * rstd
    for line in range(lines):
        place = head * size + line * LINE
        if past:
            differentiate_line_past(
                to + place, given + place, at + place, gains + place, dw + place, db + place,
                mean, left, rstd, level, slope,
            )  # fmt: skip
            prefetch_line(at + place + columns * size)
            prefetch_line(given + place + columns * size)
        else:
            differentiate_line(
                to + place, given + place, at + place, gains + place, dw + place, db + place,
                mean, left, rstd, level, slope,
            )  # fmt: skip


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
    places = (x.ctypes.data, y.ctypes.data, gain.ctypes.data, shift.ctypes.data)
    for i in range(start, end):
        found = centre(x, i, eps)
        mean[i], rstd[i] = found[0] + found[1], found[2]
        _normalize_lines(x, i, found, gain, shift, y, places, past)


@_exact
def backward_plain(
    dy: Any, x: Any, dx: Any, kind: int, mean: Any, rstd: Any, gain: Any, sums: Any,
    start: int, end: int, scratch: Any, stream: bool,
) -> None:  # fmt: skip
    """Differentiate rows start to end of contiguous float32 or float64."""
    part = scratch[:2]
    part[:] = 0
    past = stream and x.shape[1] >= _WIDE
    places = (
        dy.ctypes.data, x.ctypes.data, dx.ctypes.data, gain.ctypes.data, part.ctypes.data,
    )  # fmt: skip
    for i in range(start, end):
        _differentiate_lines(dy, x, i, mean[i], rstd[i], gain, part, dx, places, past)
        if (i - start + 1) % MOST_FLOAT32_ROWS == 0:
            _flush(part, sums)
    _flush(part, sums)


def _load(row: Any, kind: int, out: Any) -> None:
    raise NotImplementedError  # the type of the row says which one is compiled


def _store(row: Any, kind: int, out: Any) -> None:
    raise NotImplementedError


def _copied(row: Any, kind: int, out: Any) -> None:
    for j in range(out.size):
        out[j] = row[j]


# Closures over compiled functions would be compiled anew in every process: Numba's key on disk
# holds what they close over. Overloads are found by type.


@overload(_load)
def _load_by_type(row: Any, kind: int, out: Any) -> Any:
    if isinstance(row.dtype, types.Integer):
        return widen.py_func
    return _copied


@overload(_store)
def _store_by_type(row: Any, kind: int, out: Any) -> Any:
    if isinstance(out.dtype, types.Integer):
        return narrow.py_func
    return _copied


@_exact
def forward_by_row(
    x: Any, kind: int, gain: Any, shift: Any, eps: float, y: Any, mean: Any, rstd: Any,
    start: int, end: int, scratch: Any, stream: bool,
) -> None:  # fmt: skip
    """Normalize rows of any strides by way of scratch; float16 and bfloat16 come as bits."""
    for i in range(start, end):
        _load(x[i], kind, scratch[0])
        found = centre(scratch, 0, eps)
        mean[i], rstd[i] = found[0] + found[1], found[2]
        _normalize(scratch, 0, found, gain, shift, scratch, 1)
        _store(scratch[1], kind, y[i])


@_exact
def backward_by_row(
    dy: Any, x: Any, dx: Any, kind: int, mean: Any, rstd: Any, gain: Any, sums: Any,
    start: int, end: int, scratch: Any, stream: bool,
) -> None:  # fmt: skip
    """Differentiate rows of any strides by way of scratch; float16 and bfloat16 come as bits."""
    part, given, row = scratch[:2], scratch[2:3], scratch[3:4]
    part[:] = 0
    for i in range(start, end):
        _load(dy[i], kind, given[0])
        _load(x[i], kind, row[0])
        _differentiate(given, row, 0, mean[i], rstd[i], gain, part, scratch, 4)
        _store(scratch[4], kind, dx[i])
        if (i - start + 1) % MOST_FLOAT32_ROWS == 0:
            _flush(part, sums)
    _flush(part, sums)
