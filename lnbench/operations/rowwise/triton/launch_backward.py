"""Backward's kernels put on the device: groups of rows, parts of dw and db, and their sum."""

from typing import Any

import torch
import triton

from lnbench.operations.rowwise.triton import backward, two_pass
from lnbench.operations.rowwise.triton.choice import (
    cache_bytes,
    processor_count,
    shared_bytes,
    starts_early,
)
from lnbench.operations.rowwise.triton.tiers import COLUMNS, SINGLE_ROWS, Configuration

SUM_PARTS, SUM_COLUMNS = 128, 16
"""What one step of the last sum holds: few columns, so that there are programs enough for narrow
rows, and many parts, so that a program waits for memory few times."""

STEP_BYTES = 16384
"""Of x and of dy each in the first of two sweeps over a row: 32 KiB under way hide the latency."""

STEP_WARP = 256
"""Columns that a warp has of a step where a program takes a row in steps: 8 a thread."""

REGISTERS = 128
"""Most of a thread where programs share the rows: one more, and one program fewer is resident than
were launched, so that the last ones have the device to themselves."""

_CACHE_SHARE = 2  # half of the cache for x and dy, the other half for what is written beside them
_WARPS_PER_PROCESSOR = 16  # at REGISTERS a thread
_ROWS_PER_PROGRAM = 16  # fewer, and the parts of dw and db cost as much traffic as x
_SPARE_BYTES = 2048  # of shared memory, for what the warps of a program tell each other
_ALIGNED_ROWS = 16  # of one byte an element and more, they end where 16 bytes do
_MOST_SLABS = 65535  # of CUDA, for the second axis of a grid: rows of 67 million elements


def launch_backward(
    gradients: tuple[Any, Any],
    x: Any,
    statistics: tuple[Any, Any],
    gain: Any,
    out: tuple[Any, Any, Any],
    configuration: Configuration,
) -> None:
    """Fill (dx, dw, db); arguments are those of `run_backward`, vectors contiguous."""
    (dx, dw, db), (rows, columns) = out, x.shape
    height = _group_height(x, configuration)
    # dx goes where dy or x is still to be read, or nowhere: then the means come first, of all rows.
    if configuration.tier == "separate" and (dx is None or _share(dx, gradients[0], x)):
        configuration = COLUMNS
    slabs = triton.cdiv(columns, configuration.block_n)
    if slabs > _MOST_SLABS:
        most = _MOST_SLABS * configuration.block_n
        raise ValueError(f"x has {columns} columns, but backward takes {most}: cut rows shorter")
    programs = _program_count(min(rows, height), slabs, configuration, x.device)
    parts: tuple[Any, ...] = (dw, db)
    stride = 0  # a single program adds them up on its own
    if rows > SINGLE_ROWS:
        both = statistics[1].new_empty((programs, 2, columns))
        parts = tuple(None if v is None else both[:, i] for i, v in enumerate((dw, db)))
        stride = 2 * columns
    for start in range(0, rows, height):
        arrays = _rows_of((*gradients, x, *statistics, dx), start, height)
        # Groups after the first add to what is there.
        sums = (*parts, stride, int(start > 0) if configuration.tier == "columns" else None)
        if configuration.tier == "separate":
            _launch_separate(arrays, gain, sums, (programs, slabs), configuration)
        else:
            _launch_group(arrays, gain, sums, (programs, slabs), configuration)
    if stride and any(part is not None for part in parts):
        _launch_sum(parts, (dw, db), programs, stride)


def _launch_sum(parts: tuple[Any, ...], sums: tuple[Any, Any], programs: int, stride: int) -> None:
    """Sum the programs' parts of dw and db.

    Where the device can, this launch starts as the one that stores them ends, and waits for it: at
    1024 columns the time between two launches is a tenth of the whole call.
    """
    wanted = [vector for vector in sums if vector is not None]
    columns, early = wanted[0].shape[0], starts_early(wanted[0].device)
    backward.sum_parts[(triton.cdiv(columns, SUM_COLUMNS), len(wanted))](
        *parts, *sums, programs, columns, stride, SUM_PARTS, SUM_COLUMNS, early,
        num_warps=4, **({"launch_pdl": True} if early else {}),
    )  # fmt: skip


def _launch_group(
    arrays: tuple[Any, ...],
    gain: Any,
    parts: tuple[Any, ...],
    grid: tuple[int, int],
    configuration: Configuration,
) -> None:
    """Compute dx and the parts of dw and db of some rows; means over wide rows come first.

    Args:
        arrays: these rows of dy, dz, x, mean, rstd and dx.
        gain: weight (N,) or None.
        parts: those of dw and db, from one row of them to the next, and whether to add to them, or
            None where that never happens.
        grid: programs that share the rows, and slabs of columns.
        configuration: the launch configuration.
    """
    dy, dz, x, mean, rstd, dx = arrays
    rows, columns = x.shape
    if configuration.tier == "twice":
        strides = strides_of(dy, dz, x, dx)
        two_pass.backward_two_pass[grid[:1]](
            dy, dz, x, mean, rstd, gain, dx, *parts[:2], rows, columns, *strides, parts[2],
            configuration.block_n, min(configuration.block_n, STEP_BYTES // x.element_size()),
            columns == configuration.block_n, starts_early(x.device),
            num_warps=configuration.num_warps,
        )  # fmt: skip
        return
    chunk, sums = configuration.chunk or triton.next_power_of_2(columns), None
    needs_sums = dx is not None or (mean is not None and parts[0] is not None)
    if configuration.tier == "columns" and needs_sums:
        sums = _launch_sums(arrays, gain, chunk, configuration)
    _launch_tiles(arrays, gain, sums, parts, grid, chunk, configuration)


def _launch_tiles(
    arrays: tuple[Any, ...],
    gain: Any,
    sums: Any,
    parts: tuple[Any, ...],
    grid: tuple[int, int],
    chunk: int,
    configuration: Configuration,
) -> None:
    """Compute dx where it is wanted and the parts of dw and db, tile by tile.

    Arguments are those of `_launch_group`, and the sums of chunks of each row, None for whole rows.
    """
    dy, dz, x, mean, rstd, dx = arrays
    rows, columns = x.shape
    strides = strides_of(dy, dz, x, dx)
    # Left alone, the compiler takes 64 to 72 for the tiles of `separate`, and more are resident.
    capped = configuration.tier != "separate" and rstd.dtype is not torch.float64
    backward.backward_tiles[grid](
        dy, dz, x, mean, rstd, gain, sums, dx, *parts[:2], rows, columns, *strides, *parts[2:],
        configuration.block_m, configuration.block_n, chunk,
        triton.next_power_of_2(triton.cdiv(columns, chunk)),
        _fitting_stages(configuration, dy, x, dz), columns % configuration.block_n == 0,
        starts_early(x.device),
        num_warps=configuration.num_warps, maxnreg=REGISTERS if capped else None,
    )  # fmt: skip


def _launch_sums(
    arrays: tuple[Any, ...], gain: Any, chunk: int, configuration: Configuration
) -> Any:
    """Return the sums of chunks of each row."""
    dy, _, x, mean, rstd, dx = arrays
    (rows, columns), chunks = x.shape, configuration.chunks(x.shape[1])
    sums = rstd.new_empty((3, chunks, rows))
    backward.backward_sums[(rows, chunks)](
        dy, x, mean, rstd, gain, sums, rows, columns, dy.stride(), x.stride(), dx is not None,
        chunk, configuration.block_n, num_warps=configuration.num_warps,
    )  # fmt: skip
    return sums


def _launch_separate(
    arrays: tuple[Any, ...],
    gain: Any,
    parts: tuple[Any, ...],
    grid: tuple[int, int],
    configuration: Configuration,
) -> None:
    """Compute dx, a row a program, then the parts of dw and db; arguments of `_launch_group`."""
    dy, dz, x, mean, rstd, dx = arrays
    rows, columns = x.shape
    step = configuration.chunk or triton.next_power_of_2(columns)
    sums = None if mean is None else rstd.new_empty((rows,))
    strides = strides_of(dy, dz, x, dx)
    two_pass.backward_slope[(rows,)](
        dy, dz, x, mean, rstd, gain, sums, dx, columns, *strides, step,
        columns % step == 0, num_warps=min(32, max(4, step // STEP_WARP)),
    )  # fmt: skip
    if parts[0] is parts[1] is None:
        return
    apart = (dy, None, x, mean, rstd, None)
    _launch_tiles(apart, None, sums, parts, grid, triton.next_power_of_2(columns), configuration)


def strides_of(*matrices: Any) -> list[tuple[int, ...]]:
    """Return the strides of matrices, (0, 0) where one is None."""
    return [(0, 0) if matrix is None else matrix.stride() for matrix in matrices]


def _share(out: Any, *inputs: Any) -> bool:
    """Return whether a result lies where an input does, or may."""
    place = out.untyped_storage().data_ptr()
    return any(array.untyped_storage().data_ptr() == place for array in inputs)


def _rows_of(arrays: tuple[Any, ...], start: int, height: int) -> tuple[Any, ...]:
    """Return some rows of the arrays that are there."""
    return tuple(None if array is None else array[start : start + height] for array in arrays)


def _group_height(x: Any, configuration: Configuration) -> int:
    """Return how many rows are taken at once: all, or where they are read twice what stays cached.

    A multiple of 16, so that every group is aligned as the first is, and none compiles anew.
    """
    rows, columns = x.shape
    if configuration.tier != "columns":
        return rows
    row_bytes = 2 * columns * x.element_size()
    fitting = cache_bytes(x.device) // _CACHE_SHARE // row_bytes
    return max(_ALIGNED_ROWS, configuration.block_m, fitting // _ALIGNED_ROWS * _ALIGNED_ROWS)


def _program_count(rows: int, slabs: int, configuration: Configuration, device: Any) -> int:
    """Return how many programs share the tiles of rows: enough to fill the device, few parts."""
    if rows <= SINGLE_ROWS:
        return 1
    processors = processor_count(device)
    tiles = triton.cdiv(rows, configuration.block_m)
    resident = processors * max(1, _WARPS_PER_PROCESSOR // configuration.num_warps)
    wanted = max(triton.cdiv(processors, slabs), triton.cdiv(rows, _ROWS_PER_PROGRAM))
    return max(1, min(tiles, wanted, resident // slabs))


def _fitting_stages(configuration: Configuration, *loaded: Any) -> int:
    """Return how many tiles may be under way, of which all but one are in shared memory."""
    row_bytes = sum(array.element_size() for array in loaded if array is not None)
    ahead = (shared_bytes(loaded[0].device) - _SPARE_BYTES) // (
        configuration.block_m * configuration.block_n * row_bytes
    )
    return max(1, min(configuration.stages, 1 + ahead))
