"""Rows of a NumPy array in blocks: shared out to threads, brought into the cache, summed.

What is summed in one go, and in which order, depends on the array's shape alone.
"""

import itertools
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from functools import cache
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from lnbench.operations.rowwise.halves import narrow, widen

_WORK: dict[Any, np.dtype[Any]] = {
    np.dtype(np.float64): np.dtype(np.float64),
    np.dtype(np.float32): np.dtype(np.float32),
    np.dtype(np.float16): np.dtype(np.float32),
    np.dtype(ml_dtypes.bfloat16): np.dtype(np.float32),
}  # type of an array → type that it is computed in

Part: TypeAlias = Sequence[slice]
"""Blocks of rows that one thread computes one after the other."""

_BLOCK = 1 << 19  # elements of a block: below, threads hand the lock around more than they compute
_PARTS = 16  # the most parts that rows are shared out in, whatever the number of threads
_SUMS = 1 << 17  # columns of all parts together: 1 MiB of float64, twice for dw and db
_SUMMED_ROWS = 32  # rows of a part at least: sums of fewer would cost as much as the rows
_RUN = 4096  # the most columns that are summed in float32, lest rounding errors pile up
_STACK = 256  # the most rows that are
_ROUNDOFFS = {np.dtype(np.float32): 2.0**-21, np.dtype(np.float64): 2.0**-50}  # a few each
_LARGE_MEAN = 1.0  # in spreads of a row: below, rounding the mean costs a few roundoffs of them
_WORTHWHILE = 0.9  # of the usual time: less gain is noise
_BUFFERED = range(384, 8192)  # columns: see `share`


def work_type(array: Any) -> np.dtype[Any]:
    """Return the type to compute an array in; TypeError where it is not floating point."""
    if array.dtype not in _WORK:
        known = "float64, float32, float16 and bfloat16"
        raise TypeError(f"LayerNorm takes {known}, not {array.dtype}: convert it with astype")
    return _WORK[array.dtype]


def widened(array: Any) -> Any:
    """Return an array in the type that it is computed in; itself where it has that."""
    return array.astype(work_type(array), copy=False)


def row_vector(vector: Any, name: str, x: Any, hint: str = "") -> Any:
    """Return weight or bias in the type that x is computed in, None where it is None.

    ValueError where x is no matrix, with a hint at what takes other shapes, or where the vector is
    no row of it.
    """
    if x.ndim != 2:  # noqa: PLR2004
        raise ValueError(f"x has shape {x.shape}, but rows and columns are needed{hint}")
    if vector is None:
        return None
    work_type(vector)
    if vector.shape != x.shape[1:]:
        raise ValueError(f"{name} has shape {vector.shape}, but a row of x has {x.shape[1:]}")
    return np.ascontiguousarray(vector, work_type(x))


def split(shape: tuple[int, int], *, summed: bool = False) -> Sequence[Part]:
    """Return the rows of a matrix in blocks, and the blocks in parts.

    Where rows are summed, each part holds sums over columns in float64: these stay few beside the
    part's rows, and together near the size of a cache.
    """
    rows, columns = shape
    blocks = [slice(*span) for span in spans(rows, math.ceil(rows * columns / _BLOCK))]
    count = part_count(shape) if summed else _PARTS
    return [blocks[start:end] for start, end in spans(len(blocks), count)] or [[]]


def part_count(shape: tuple[int, int]) -> int:
    """Return in how many parts rows are summed: few beside the rows, near a cache together."""
    rows, columns = shape
    most = min(_PARTS, max(4, _SUMS // max(1, columns)))
    return max(1, min(most, rows // _SUMMED_ROWS))


def spans(length: int, count: int) -> list[tuple[int, int]]:
    """Return that many spans of even length, fewer where there is not enough for all."""
    count = max(1, min(count, length))
    edges = [length * turn // count for turn in range(count + 1)]
    return [(start, end) for start, end in itertools.pairwise(edges) if start < end]


def share(
    compute: Callable[[int, Part], None],
    parts: Sequence[Part],
    columns: int,
    pool: Executor | None,
) -> None:
    """Call `compute` with the number and blocks of every part, in the threads of `pool` if any.

    NumPy copies a column that it broadcasts along rows shorter than its buffer of 8192 elements
    (numpy#13307): a buffer of one row halves the time, but is slower for rows below about 384.
    """
    small_buffer = columns in _BUFFERED and _small_buffer_pays()  # timed before threads compete

    def quietly(index: int) -> None:
        with np.errstate(all="ignore"):  # restores the buffer too; both belong to the thread
            if small_buffer:
                np.setbufsize(columns // 16 * 16)
            compute(index, parts[index])

    if pool is None or len(parts) == 1:
        for index in range(len(parts)):
            quietly(index)
        return
    wait(tasks := [pool.submit(quietly, index) for index in range(len(parts))])
    for task in tasks:  # all have ended: the arrays are the caller's again
        task.result()  # raises what the thread raised


@cache
def _small_buffer_pays() -> bool:
    """Return whether this NumPy broadcasts faster with a buffer of one row; takes a millisecond.

    A probe and not a version: numpy#32595 does away with the copy.
    """
    block, row = np.ones((64, 1024), np.float32), np.ones(1024, np.float32)

    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(4):
            np.multiply(block, row, out=block)
        return time.perf_counter() - start

    with np.errstate(all="ignore"):  # restores the buffer
        usual = min(seconds() for _ in range(5))
        np.setbufsize(1024)
        return min(seconds() for _ in range(5)) < _WORTHWHILE * usual


class _Scratch(threading.local):
    """Blocks that a thread fills again and again: fresh memory would cost its page faults."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[int, Any], Any] = {}

    def __call__(self, number: int, shape: tuple[int, ...], dtype: Any) -> Any:
        size, dtype = shape[0] * shape[1], np.dtype(dtype)
        buffer = self._buffers.get((number, dtype))
        if buffer is None or len(buffer) < size:
            buffer = self._buffers[number, dtype] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)


scratch = _Scratch()


def load(block: Any, work: Any, number: int) -> Any:
    """Return the block itself where sweeps are fast on it, else its values in scratch `number`."""
    if _is_plain(block, work):
        return block
    buffer = scratch(number, block.shape, work)
    widen(block, buffer)
    return buffer


def target(block: Any, work: Any, number: int) -> Any:
    """Return where to compute what will be stored in the block: in place if possible."""
    return block if _is_plain(block, work) else scratch(number, block.shape, work)


def store(result: Any, block: Any, spare: tuple[int, int]) -> None:
    """Store what was computed in `target(block, …)`; uses up the scratch of the numbers `spare`."""
    if not _is_plain(block, result.dtype):
        narrow(result, block, [scratch(number, result.shape, result.dtype) for number in spare])


def _is_plain(block: Any, work: Any) -> bool:
    return block.dtype == work and block.flags.c_contiguous and block.flags.aligned


def row_means(a: Any, b: Any) -> Any:
    """Return Σ a·b / N of each row, with a (R, N) and b (R, N) or (N,).

    A dot product a row: unlike a matrix product it does not depend on the rows beside it.
    """
    columns = a.shape[1]
    if columns <= _RUN:
        return np.vecdot(a, b) / max(columns, 1)
    whole = columns - columns % _RUN
    runs = (array[..., :whole].reshape(*array.shape[:-1], -1, _RUN) for array in (a, b))
    sums = np.vecdot(*runs).sum(axis=1, dtype=np.float64)
    sums += np.vecdot(a[:, whole:], b[..., whole:])
    return (sums / columns).astype(a.dtype)


def column_sums(factors: Any, block: Any) -> Any:
    """Return Σ factorsᵢ·blockᵢ over the rows, with factors (R,) and block (R, N)."""
    rows, columns = block.shape
    if columns == 0:
        return np.zeros(0)
    if rows == 1:
        return factors * block[0]  # 20 times faster than the product below
    if rows <= _STACK:
        return factors @ block
    whole = rows - rows % _STACK
    stacks = np.vecmat(
        factors[:whole].reshape(-1, _STACK), block[:whole].reshape(-1, _STACK, columns)
    )
    return stacks.sum(axis=0, dtype=np.float64) + factors[whole:] @ block[whole:]


def recentre(centred: Any, mean: Any, rstd: Any, ones: Any) -> Any:
    """Take away what the rounding of `mean` left in centred rows; return it, or None if nothing.

    It is looked for where the mean exceeds the row's spread, and taken away where it exceeds a few
    roundoffs of that: row by row, so that no row's bits depend on its neighbours.
    """
    large = np.abs(mean * rstd) > _LARGE_MEAN
    if not np.count_nonzero(large):  # a sweep less
        return None
    off = row_means(centred, ones)
    off = np.where(large & (np.abs(off * rstd) > _ROUNDOFFS[centred.dtype]), off, 0)
    if not np.count_nonzero(off):
        return None
    centred -= off[:, None]
    return off


def total(sums: Any, dtype: Any, out: Any) -> Any:
    """Return sums of all parts added up in their order, rounded once; None where there are none."""
    if sums is None:
        return None
    out = np.empty(sums.shape[1], dtype) if out is None else out
    with np.errstate(all="ignore"):
        np.copyto(out, sums.sum(axis=0), casting="same_kind")
    return out
