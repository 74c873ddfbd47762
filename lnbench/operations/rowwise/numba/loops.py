"""The loops of Numba's LayerNorm, compiled on first use and kept on disk (`NUMBA_CACHE_DIR`).

Sums may be reassociated, so that they are taken in vectors; a difference from the mean may not:
x - mean - left has digits that x - (mean + left) has lost. Those loops are compiled without.
"""

import math
import os
from pathlib import Path
from typing import Any

import numba
import numpy as np

from lnbench.operations.rowwise.numba.halves import number_of, value_of
from lnbench.operations.rowwise.numba.lines import (
    LINE,
    differentiate_line,
    differentiate_line_past,
    normalize_line,
    normalize_line_past,
    prefetch_line,
    spans,
)

MOST_FLOAT32_ROWS = 256
"""Rows that dw and db are added up over in the work's own type, lest rounding errors pile up."""

_RUN = 4096  # columns that are summed in the work's own type
_WIDE = 512  # columns from which on lines are worth fetching ahead, and writing past the cache
_SHARE = 0.75  # of the last-level cache, from which on glibc's memcpy goes past it too
_LEVEL3 = "SC_LEVEL3_CACHE_SIZE"
_FALLBACK_CACHE_BYTES = 32 << 20
_CACHE_BYTES = os.sysconf(_LEVEL3) if _LEVEL3 in os.sysconf_names else 0

_exact = numba.njit(nogil=True, cache=True, error_model="numpy")
_within = numba.njit(nogil=True, error_model="numpy", inline="always")
_sums = numba.njit(
    nogil=True, error_model="numpy", forceinline=True, fastmath={"reassoc", "contract", "nsz"}
)


def fills_cache(size: int) -> bool:
    """Return whether a set of so many bytes leaves little or nothing of itself in the cache."""
    return size >= _SHARE * (_CACHE_BYTES if _CACHE_BYTES > 0 else _FALLBACK_CACHE_BYTES)


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
def _centre(x: Any, i: int, gain: Any, eps: float) -> tuple[Any, Any, Any]:
    """Return the mean, what its rounding left in row i, and rstd, in gain's type."""
    cast, size = gain.dtype.type, max(1, x.shape[1])
    mean = cast(_sum(x, i, gain) / size)
    first, second = _moments(x, i, gain, mean)
    left = first / size
    return mean, cast(left), cast(1 / math.sqrt(second / size - left * left + eps))


@_within
def _gradient(dy: Any, x: Any, i: int, mean: Any, rstd: Any, gain: Any) -> tuple[Any, Any, Any]:
    """Return what the mean's rounding left in row i, mean(g) and mean(g·x̂)."""
    cast, size = gain.dtype.type, max(1, x.shape[1])
    first, second, third = _slopes(dy, x, i, gain, mean)
    slope = (third / size - first / size * (second / size)) * rstd
    return cast(first / size), cast(second / size), cast(slope)


# Where an array begins is asked once a call: asking counts a reference up and down.


@_within
def _normalize_lines(
    x: Any, i: int, statistics: Any, gain: Any, shift: Any, y: Any, places: Any, past: bool
) -> None:
    """Write y of row i line by line, past the cache or not, while a later row is fetched."""
    mean, left, rstd = statistics
    x_place, y_place, gains, shifts = places
    columns, size, like = x.shape[1], x.itemsize, x.dtype.type(0)
    wider = gain.itemsize // size
    at, to = x_place + i * columns * size, y_place + i * columns * size
    head, lines = spans(to, columns, size, past)
    for j in range(head):
        y[i, j] = number_of((value_of(x[i, j]) - mean - left) * rstd * gain[j] + shift[j], like)
    if columns < _WIDE:  # a loop of its own: what others ask in theirs costs a short row 5 %
        for line in range(lines):
            place = line * LINE
            beside = place * wider
            normalize_line(
                like, to + place, at + place, gains + beside, shifts + beside, mean, left, rstd
            )
    else:
        ahead = (2 if past else 1) * columns * size
        for line in range(lines):
            place = head * size + line * LINE
            beside = place * wider
            if past:
                normalize_line_past(
                    like, to + place, at + place, gains + beside, shifts + beside, mean, left, rstd
                )
            else:
                normalize_line(
                    like, to + place, at + place, gains + beside, shifts + beside, mean, left, rstd
                )
            prefetch_line(at + place + ahead)
    rest = head + lines * LINE // size
    for j in range(columns - rest):
        k = np.uintp(rest) + np.uintp(j)
        y[i, k] = number_of((value_of(x[i, k]) - mean - left) * rstd * gain[k] + shift[k], like)


@_within
def _differentiate_at(
    dy: Any, x: Any, i: int, j: Any, row: Any, gain: Any, sums: Any, dx: Any, to: int
) -> None:
    """Write dx of one element to row `to` of dx, and add what it contributes to dw and db."""
    mean, left, rstd, level, slope = row
    upstream, normal = value_of(dy[i, j]), (value_of(x[i, j]) - mean - left) * rstd
    sums[0, j] += upstream * normal
    sums[1, j] += upstream
    dx[to, j] = number_of((upstream * gain[j] - level - normal * slope) * rstd, dx.dtype.type(0))


@_within
def _differentiate_lines(
    dy: Any, x: Any, i: int, mean: Any, rstd: Any, gain: Any, sums: Any, dx: Any, places: Any,
    past: bool,
) -> None:  # fmt: skip
    """Write dx of row i line by line, past the cache or not, while the next row is fetched."""
    left, level, slope = _gradient(dy, x, i, mean, rstd, gain)
    columns, size, like = x.shape[1], x.itemsize, x.dtype.type(0)
    wider, row = gain.itemsize // size, i * columns * size
    upstream, at, to = places[0] + row, places[1] + row, places[2] + row
    gains, dw, db = places[3], places[4], places[4] + columns * gain.itemsize
    head, lines = spans(to, columns, size, past)
    rest = head + lines * LINE // size
    for j in range(columns - lines * LINE // size):
        k = np.uintp(j if j < head else j - head + rest)
        _differentiate_at(dy, x, i, k, (mean, left, rstd, level, slope), gain, sums, dx, i)
    for line in range(lines):
        place = head * size + line * LINE
        beside = place * wider
        if past:
            differentiate_line_past(
                like, to + place, upstream + place, at + place, gains + beside, dw + beside,
                db + beside, mean, left, rstd, level, slope,
            )  # fmt: skip
        else:
            differentiate_line(
                like, to + place, upstream + place, at + place, gains + beside, dw + beside,
                db + beside, mean, left, rstd, level, slope,
            )  # fmt: skip
        if columns >= _WIDE:
            prefetch_line(at + place + columns * size)
            prefetch_line(upstream + place + columns * size)


@_exact
def _flush(part: Any, sums: Any, number: int) -> None:
    """Add sums of some rows to those of a part, and begin anew."""
    for k in range(2):
        for j in range(part.shape[1]):
            sums[number, k, j] += part[k, j]
            part[k, j] = 0


@_exact
def forward_plain(
    x: Any, gain: Any, shift: Any, eps: float, y: Any, mean: Any, rstd: Any,
    start: int, end: int, scratch: Any, stream: bool,
) -> None:  # fmt: skip
    """Normalize rows start to end of contiguous arrays."""
    past = stream and x.shape[1] >= _WIDE
    places = (x.ctypes.data, y.ctypes.data, gain.ctypes.data, shift.ctypes.data)
    for i in range(start, end):
        moments = _centre(x, i, gain, eps)
        mean[i], rstd[i] = moments[0] + moments[1], moments[2]
        _normalize_lines(x, i, moments, gain, shift, y, places, past)


@_exact
def backward_plain(
    dy: Any, x: Any, dx: Any, mean: Any, rstd: Any, gain: Any, sums: Any, edges: Any,
    first: int, last: int, scratch: Any, stream: bool,
) -> None:  # fmt: skip
    """Differentiate the rows of parts first to last of contiguous arrays."""
    part = scratch[:2]
    part[:] = 0
    past = stream and x.shape[1] >= _WIDE
    places = (
        dy.ctypes.data, x.ctypes.data, dx.ctypes.data, gain.ctypes.data, part.ctypes.data,
    )  # fmt: skip
    for number in range(first, last):
        for i in range(edges[number], edges[number + 1]):
            _differentiate_lines(dy, x, i, mean[i], rstd[i], gain, part, dx, places, past)
            if (i - edges[number] + 1) % MOST_FLOAT32_ROWS == 0:
                _flush(part, sums, number)
        _flush(part, sums, number)


@_exact
def forward_by_row(
    x: Any, gain: Any, shift: Any, eps: float, y: Any, mean: Any, rstd: Any,
    start: int, end: int, scratch: Any, stream: bool,
) -> None:  # fmt: skip
    """Normalize rows start to end of arrays of any strides, by way of scratch."""
    columns = x.shape[1]
    for i in range(start, end):
        for j in range(columns):
            scratch[0, j] = value_of(x[i, j])
        centre_, left, scale = _centre(scratch, 0, gain, eps)
        mean[i], rstd[i] = centre_ + left, scale
        for j in range(columns):
            value = (scratch[0, j] - centre_ - left) * scale * gain[j] + shift[j]
            y[i, j] = number_of(value, y.dtype.type(0))


@_exact
def backward_by_row(
    dy: Any, x: Any, dx: Any, mean: Any, rstd: Any, gain: Any, sums: Any, edges: Any,
    first: int, last: int, scratch: Any, stream: bool,
) -> None:  # fmt: skip
    """Differentiate the rows of parts first to last of any strides, by way of scratch."""
    part, upstream, row = scratch[:2], scratch[2:3], scratch[3:4]
    part[:] = 0
    for number in range(first, last):
        for i in range(edges[number], edges[number + 1]):
            for j in range(x.shape[1]):
                upstream[0, j], row[0, j] = value_of(dy[i, j]), value_of(x[i, j])
            left, level, slope = _gradient(upstream, row, 0, mean[i], rstd[i], gain)
            known = (mean[i], left, rstd[i], level, slope)
            for j in range(x.shape[1]):
                _differentiate_at(upstream, row, 0, j, known, gain, part, dx, i)
            if (i - edges[number] + 1) % MOST_FLOAT32_ROWS == 0:
                _flush(part, sums, number)
        _flush(part, sums, number)


def _forget_older_loops() -> None:
    """Delete compiled loops that are older than a file that they are compiled from.

    Numba compares them with this file alone, and would measure what another said before an edit.
    """
    here = Path(__file__)
    newest = max(file.stat().st_mtime_ns for file in here.parent.glob("[!_]*.py"))
    for compiled in Path(forward_plain.stats.cache_path).glob(f"{here.stem}.*.nb[ci]"):
        try:
            if compiled.stat().st_mtime_ns < newest:
                compiled.unlink()
        except OSError:  # another process was faster, or they are not ours to delete
            continue


_forget_older_loops()
