"""Forward: two passes over a row, which is in registers, or in chunks.

eps is a constant, so that it takes the type of the variance (linkedin/Liger-Kernel#1358). Where a
pointer is None, what would be done with it is not compiled: without a mean these are the kernels
of RMSNorm, with a residual and a total those of the sum of both, normalized.
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so are M and N)

import triton
import triton.language as tl

from lnbench.operations.layernorm.triton_chunks import first_mean, moments_of, normalize_chunk
from lnbench.operations.layernorm.triton_lanes import lane_moments
from lnbench.operations.layernorm.triton_tiles import (
    centre,
    load_sum,
    load_vector,
    reciprocal_root,
    row_mean,
    store_tile,
)


@triton.jit(do_not_specialize=["M"])
def forward_rows(
    x: tl.tensor,
    residual: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    y: tl.tensor,
    total: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
    x_strides: tl.tuple,
    residual_strides: tl.tuple,
    y_strides: tl.tuple,
    total_strides: tl.tuple,
    EPS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
) -> None:
    """Normalize BLOCK_M whole rows, held in registers, a program."""
    rows = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    normalize_rows(
        x, residual, weight, bias, y, total, mean, rstd, rows, True, M, N,
        (x_strides, residual_strides, y_strides, total_strides), EPS, BLOCK_N,
    )  # fmt: skip


@triton.jit
def normalize_rows(
    x: tl.tensor,
    residual: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    y: tl.tensor,
    total: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    rows: tl.tensor,
    there: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
    strides: tl.tuple,
    EPS: tl.constexpr,
    BLOCK_N: tl.constexpr,
) -> None:
    """Normalize whole rows in registers; what is asked for, as `there` is, is not loaded ahead."""
    exact = rstd.dtype.element_ty
    columns = tl.arange(0, BLOCK_N).to(tl.int64)
    inside = (rows < M)[:, None] & (columns < N)[None, :]
    offsets = rows[:, None] * strides[0][0] + columns[None, :] * strides[0][1]
    others = rows[:, None] * strides[1][0] + columns[None, :] * strides[1][1]
    centred = load_sum(x, residual, offsets, others, inside, exact)
    if total is not None:
        store_tile(total, strides[3], rows, columns, inside, centred)
    if mean is not None:
        middle = row_mean(centred, N)
        centred, left = centre(centred, middle, inside, N)
        tl.store(mean + rows[:, None], middle + left, mask=(rows < M)[:, None])
    row_rstd = reciprocal_root(row_mean(centred * centred, N) + EPS, exact)
    result = centred * row_rstd
    if there:
        if weight is not None:
            result *= load_vector(weight, columns, N, exact)[None, :]
        if bias is not None:
            result += load_vector(bias, columns, N, exact)[None, :]
    store_tile(y, strides[2], rows, columns, inside, result)
    tl.store(rstd + rows[:, None], row_rstd, mask=(rows < M)[:, None])


@triton.jit(do_not_specialize=["M"])
def forward_looped(
    x: tl.tensor,
    residual: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    y: tl.tensor,
    total: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
    x_strides: tl.tuple,
    residual_strides: tl.tuple,
    y_strides: tl.tuple,
    total_strides: tl.tuple,
    EPS: tl.constexpr,
    BLOCK_N: tl.constexpr,
    STAGES: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """Normalize every P-th row in chunks of BLOCK_N: statistics first, then y.

    P programs have no more rows under way than the cache holds, and the second sweep of a row goes
    backwards: what was read last is still there (as FlagGems does).
    """
    steps = (x_strides[1], residual_strides[1], total_strides[1], y_strides[1])
    for place in tl.range(tl.program_id(0), M, tl.num_programs(0)):
        row = tl.full([], 0, tl.int64) + place  # the interpreter counts in Python
        _normalize_row(
            x + row * x_strides[0],
            residual if residual is None else residual + row * residual_strides[0],
            weight, bias, y + row * y_strides[0],
            total if total is None else total + row * total_strides[0],
            mean if mean is None else mean + row, rstd + row, N, steps, EPS, BLOCK_N, STAGES,
            LANES,
        )  # fmt: skip


@triton.jit
def _normalize_row(
    x: tl.tensor,
    residual: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    y: tl.tensor,
    total: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    N: tl.tensor,
    steps: tl.tuple,
    EPS: tl.constexpr,
    BLOCK_N: tl.constexpr,
    STAGES: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """Normalize the row at x into that at y, and store its statistics."""
    exact = rstd.dtype.element_ty
    shift = tl.full([], 0.0, exact)
    if mean is not None:
        shift += first_mean(x, residual, steps, 0, N, exact, BLOCK_N)
    if LANES and mean is not None:
        middle, squares = lane_moments(x, residual, total, shift, N, steps, exact, BLOCK_N, STAGES)
    else:
        middle, squares = moments_of(
            x, residual, total, shift, 0, N, steps, exact, mean is not None, BLOCK_N, STAGES
        )
    if mean is not None:
        tl.store(mean, shift + middle)
    row_rstd = reciprocal_root(squares / N + EPS, exact)
    tl.store(rstd, row_rstd)
    if total is not None:
        tl.debug_barrier()  # other threads stored it
    last = (N - 1) // BLOCK_N
    for chunk in tl.range(last + 1, num_stages=STAGES):
        columns = (last - chunk) * BLOCK_N + tl.arange(0, BLOCK_N).to(tl.int64)
        normalize_chunk(
            x, total, weight, bias, y, shift, middle, row_rstd, columns, N, steps, exact
        )  # fmt: skip
