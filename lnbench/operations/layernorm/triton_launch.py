"""The kernels put on the device: grids, scratch and the choice of a cut, for all that they compute.

One family serves LayerNorm, RMSNorm (without a mean) and the sum of two inputs that is stored and
normalized (with a residual): what is None is not compiled.
"""

from typing import Any

import torch
import triton

from lnbench.operations.layernorm import (
    triton_backward,
    triton_forward,
    triton_parts,
    triton_split,
    triton_stream,
    triton_sweeps,
    triton_twice,
)
from lnbench.operations.layernorm.triton_choice import chosen, is_hopper
from lnbench.operations.layernorm.triton_sizes import (
    group_height,
    looped_stages,
    program_count,
    rows_under_way,
    stream_programs,
)
from lnbench.operations.layernorm.triton_tiers import COLUMNS, SINGLE_ROWS, Configuration
from lnbench.plan.case import Direction

SUM_PARTS, SUM_COLUMNS = 128, 16
"""What one step of the last sum holds: few columns, so that there are programs enough for narrow
rows, and many parts, so that a program waits for memory few times."""

STEP_BYTES = 16384
"""Of x and of dy each in the first of two sweeps over a row: 32 KiB under way hide the latency."""

SLAB = (2, 1024)
"""Rows and columns of a tile where only dw and db are left to sum up."""

_MOST_SLABS = 65535  # of CUDA, for the second axis of a grid: rows of 67 million elements


def run_forward(
    inputs: tuple[Any, Any],
    weight: Any,
    bias: Any,
    out: tuple[Any, Any, Any, Any],
    eps: float,
    configuration: Configuration | None,
) -> None:
    """Fill (y, total, mean, rstd) from (x, residual), with the cut that suits them.

    Args:
        inputs: x (M, N) with at least one element, and what is added to it, or None.
        weight: (N,) or None.
        bias: (N,) or None.
        out: y and the sum of the inputs (M, N), mean and rstd (M,); the sum is None where nothing
            is added, and may be x itself; mean may be None.
        eps: added to the variance, or without a mean to the mean square.
        configuration: the cut, or None for what suits.
    """
    vectors = tuple(None if each is None else each.contiguous() for each in (weight, bias))

    def launch(cut: Configuration) -> None:
        _launch_forward(inputs, vectors, out, float(eps), cut)

    with torch.cuda.device_of(inputs[0]):
        flags = (*inputs, *vectors, *out)
        launch(configuration or chosen(Direction.FORWARD, inputs[0], flags, launch))


def _launch_forward(
    inputs: tuple[Any, Any],
    vectors: tuple[Any, ...],
    out: tuple[Any, Any, Any, Any],
    eps: float,
    cut: Configuration,
) -> None:
    (x, residual), (y, total, mean, rstd) = inputs, out
    rows, columns = x.shape
    strides = [(0, 0) if each is None else each.stride() for each in (x, residual, y, total)]
    if cut.tier == "split":
        chunks = cut.chunks(columns)
        moments = rstd.new_empty((3, chunks, rows))
        triton_split.split_moments[(rows, chunks)](
            x, residual, total, rstd, moments, rows, columns, strides[0], strides[1], strides[3],
            mean is not None, cut.chunk, cut.block_n, num_warps=cut.num_warps,
        )  # fmt: skip
        triton_split.split_normalize[(rows, chunks)](
            x, *vectors, y, total, mean, rstd, moments, rows, columns,
            strides[0], *strides[2:], eps, cut.chunk, cut.block_n,
            triton.next_power_of_2(chunks), num_warps=cut.num_warps,
        )  # fmt: skip
        return
    arrays = (x, residual, *vectors, y, total, mean, rstd)
    options = {"num_warps": cut.num_warps, "maxnreg": cut.registers or None}
    if cut.tier == "rows":
        triton_forward.forward_rows[(triton.cdiv(rows, cut.block_m),)](
            *arrays, rows, columns, *strides, eps, cut.block_m, cut.block_n, **options
        )
    elif cut.tier == "stream":
        triton_stream.forward_stream[(stream_programs(x, cut),)](
            *arrays, rows, columns, *strides, eps, cut.block_m, cut.block_n, cut.stages, **options
        )
    else:
        triton_forward.forward_looped[(rows_under_way(x, cut),)](
            *arrays, rows, columns, *strides, eps, cut.block_n, looped_stages(x, vectors, cut),
            cut.tier == "lanes", **options,
        )  # fmt: skip


def run_backward(
    given: tuple[Any, Any],
    x: Any,
    statistics: tuple[Any, Any],
    weight: Any,
    out: tuple[Any, Any, Any],
    configuration: Configuration | None,
) -> None:
    """Fill (dx, dw, db), None where not wanted, from (dy, dz), with the cut that suits them.

    Args:
        given: dy (M, N), and what is added to dx, or None.
        x: (M, N); what `run_forward` normalized.
        statistics: mean and rstd (M,) of it; without a mean, RMSNorm's.
        weight: (N,) or None.
        out: dx (M, N), dw and db (N,) contiguous.
        configuration: the cut, or None for what suits.
    """
    if x.numel() == 0:
        for vector in filter(torch.is_tensor, out[1:]):
            vector.zero_()
        return
    exact = accumulator(x.dtype)
    mean, rstd = (None if s is None else s.to(exact).contiguous() for s in statistics)
    gain = None if weight is None else weight.contiguous()

    def launch(cut: Configuration) -> None:
        _launch_backward(given, x, (mean, rstd), gain, out, cut)

    with torch.cuda.device_of(x):
        flags = (given[1], mean, gain, *out)
        launch(configuration or chosen(Direction.BACKWARD, x, flags, launch))


def _launch_backward(
    given: tuple[Any, Any],
    x: Any,
    statistics: tuple[Any, Any],
    gain: Any,
    out: tuple[Any, Any, Any],
    cut: Configuration,
) -> None:
    (dx, dw, db), (rows, columns) = out, x.shape
    if cut.tier == "sweeps" and (dx is None or statistics[0] is None):
        cut = COLUMNS
    whole = cut.tier == "sweeps"
    height, slabs = group_height(x, cut), 1 if whole else triton.cdiv(columns, cut.block_n)
    if slabs > _MOST_SLABS:
        most = _MOST_SLABS * cut.block_n
        raise ValueError(f"x has {columns} columns, but backward takes {most}: cut rows shorter")
    programs = program_count(min(rows, height), slabs, cut, x.device)
    parts: tuple[Any, ...] = (dw, db)
    stride = 0  # a single program adds them up on its own
    if rows > SINGLE_ROWS:
        both = statistics[1].new_empty((programs, 2, columns))
        parts = tuple(None if v is None else both[:, i] for i, v in enumerate((dw, db)))
        stride = 2 * columns
    for start in range(0, rows, height):
        arrays = _rows_of((*given, x, *statistics, dx), start, height)
        # Groups after the first add to what is there.
        sums = (*parts, stride, int(start > 0) if cut.tier == "columns" else None)
        if cut.tier == "sweeps":
            _launch_sweeps(arrays, gain, sums, programs, cut)
        else:
            _launch_group(arrays, gain, sums, (programs, slabs), cut)
    if stride and any(each is not None for each in parts):
        _launch_sum(parts, (dw, db), programs, stride, cut)


def _launch_sum(
    parts: tuple[Any, ...], sums: tuple[Any, Any], programs: int, stride: int, cut: Configuration
) -> None:
    """Sum the programs' parts of dw and db, after the launch that stores them or from its end."""
    wanted = [each for each in sums if each is not None]
    columns, step = wanted[0].shape[0], cut.parts or SUM_PARTS
    overlap = _overlap(cut, wanted[0].device)
    triton_parts.sum_parts[(triton.cdiv(columns, SUM_COLUMNS), len(wanted))](
        *parts, *sums, programs, columns, stride, step, SUM_COLUMNS, overlap,
        num_warps=max(4, step // 32), **({"launch_pdl": True} if overlap else {}),
    )  # fmt: skip


def _ahead(cut: Configuration, device: Any) -> bool:
    return bool(cut.ahead) and is_hopper(device)


def _overlap(cut: Configuration, device: Any) -> bool:
    return bool(cut.overlap) and is_hopper(device)


def _launch_group(
    arrays: tuple[Any, ...],
    gain: Any,
    parts: tuple[Any, ...],
    grid: tuple[int, int],
    cut: Configuration,
) -> None:
    """Compute dx and the parts of dw and db of some rows; means over wide rows come first.

    Args:
        arrays: these rows of dy, dz, x, mean, rstd and dx.
        gain: weight (N,) or None.
        parts: those of dw and db, from one row of them to the next, and whether to add to them, or
            None where that never happens.
        grid: programs that share the rows, and slabs of columns.
        cut: how to cut the matrix.
    """
    dy, dz, x, mean, rstd, dx = arrays
    (rows, columns), chunks = x.shape, cut.chunks(x.shape[1])
    chunk, sums = cut.chunk or triton.next_power_of_2(columns), None
    needs_sums = dx is not None or (mean is not None and parts[0] is not None)
    if cut.tier == "columns" and needs_sums:
        sums = rstd.new_empty((3, chunks, rows))
        triton_backward.backward_sums[(rows, chunks)](
            dy, x, mean, rstd, gain, sums, rows, columns, dy.stride(), x.stride(),
            dx is not None, chunk, cut.block_n, num_warps=cut.num_warps,
        )  # fmt: skip
    strides = [(0, 0) if each is None else each.stride() for each in (dy, dz, x, dx)]
    if cut.tier == "twice":
        triton_twice.backward_twice[grid[:1]](
            dy, dz, x, mean, rstd, gain, dx, *parts[:2], rows, columns, *strides, parts[2],
            cut.block_n, min(cut.block_n, STEP_BYTES // x.element_size()),
            _ahead(cut, x.device), _overlap(cut, x.device), num_warps=cut.num_warps,
        )  # fmt: skip
        return
    triton_backward.backward_tiles[grid](
        dy, dz, x, mean, rstd, gain, sums, dx, *parts[:2], rows, columns, *strides, *parts[2:],
        cut.block_m, cut.block_n, chunk, triton.next_power_of_2(chunks), cut.stages,
        _overlap(cut, x.device), num_warps=cut.num_warps,
    )  # fmt: skip


def _launch_sweeps(
    arrays: tuple[Any, ...],
    gain: Any,
    parts: tuple[Any, ...],
    programs: int,
    cut: Configuration,
) -> None:
    """Compute dx and the parts of dw and db, first of the columns kept, then of the others."""
    dy, dz, x, mean, rstd, dx = arrays
    (rows, columns), kept = x.shape, cut.block_n
    sums = rstd.new_empty((rows,))
    strides = [(0, 0) if each is None else each.stride() for each in (dy, dz, x, dx)]
    triton_sweeps.backward_sweeps[(programs,)](
        dy, dz, x, mean, rstd, gain, sums, dx, *parts[:2], rows, columns, *strides, parts[2],
        kept, cut.chunk, cut.stages, _ahead(cut, x.device),
        num_warps=cut.num_warps, maxnreg=cut.registers or None,
    )  # fmt: skip
    rest = columns - kept
    if rest <= 0 or parts[0] is parts[1] is None:
        return
    dy, x = dy[:, kept:], x[:, kept:]
    vectors = [None if each is None else each[..., kept:] for each in parts[:2]]
    height, width = SLAB
    triton_backward.backward_tiles[(programs, triton.cdiv(rest, width))](
        dy, None, x, mean, rstd, None, sums, None, *vectors, rows, rest,
        dy.stride(), (0, 0), x.stride(), (0, 0), parts[2], None, height, width,
        triton.next_power_of_2(rest), 1, 3, _overlap(cut, x.device), num_warps=4,
    )  # fmt: skip


def _rows_of(arrays: tuple[Any, ...], start: int, height: int) -> tuple[Any, ...]:
    """Return some rows of the arrays that are there."""
    return tuple(None if each is None else each[start : start + height] for each in arrays)


def accumulator(dtype: torch.dtype) -> torch.dtype:
    """Return the type of sums and statistics."""
    return torch.float64 if dtype is torch.float64 else torch.float32


def check_contiguous(*vectors: Any) -> None:
    """Raise ValueError where a ready buffer for a vector, None apart, has gaps."""
    for vector in vectors:
        if vector is not None and not vector.is_contiguous():
            raise ValueError(
                f"a ready buffer of shape {tuple(vector.shape)} has strides {vector.stride()}; "
                "mean, rstd, dw and db must be contiguous"
            )
