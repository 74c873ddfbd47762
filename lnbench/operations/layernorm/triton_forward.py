"""Forward: two passes over a row, which is in registers, or in chunks.

eps is a constant, so that it takes the type of the variance (linkedin/Liger-Kernel#1358). Where a
pointer is None, what would be done with it is not compiled: without a mean these are the kernels
of RMSNorm, with a residual and a total those of the sum of both, normalized.
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so are M and N)

import triton
import triton.language as tl

from lnbench.operations.layernorm.triton_chunks import first_mean, moments_of, normalize_chunk
from lnbench.operations.layernorm.triton_tiles import (
    centre,
    load_sum,
    load_vector,
    reciprocal_root,
    row_mean,
    store_tile,
    within,
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
    EVEN: tl.constexpr,
) -> None:
    """Normalize BLOCK_M whole rows, held in registers, a program."""
    exact = rstd.dtype.element_ty
    rows = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = tl.arange(0, BLOCK_N).to(tl.int64)
    in_row = within(columns, N, EVEN)
    inside = (rows < M)[:, None] & in_row[None, :]
    offsets = rows[:, None] * x_strides[0] + columns[None, :] * x_strides[1]
    others = rows[:, None] * residual_strides[0] + columns[None, :] * residual_strides[1]
    centred = load_sum(x, residual, offsets, others, inside, exact)
    if total is not None:
        store_tile(total, total_strides, rows, columns, inside, centred)
    if mean is not None:
        middle = row_mean(centred, N)
        centred, left = centre(centred, middle, in_row[None, :], N)
        tl.store(mean + rows[:, None], middle + left, mask=(rows < M)[:, None])
    row_rstd = reciprocal_root(row_mean(centred * centred, N) + EPS, exact)
    result = centred * row_rstd
    if weight is not None:
        result *= load_vector(weight, columns, in_row, exact)[None, :]
    if bias is not None:
        result += load_vector(bias, columns, in_row, exact)[None, :]
    store_tile(y, y_strides, rows, columns, inside, result)
    tl.store(rstd + rows[:, None], row_rstd, mask=(rows < M)[:, None])


@triton.jit
def forward_looped(
    x: tl.tensor,
    residual: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    y: tl.tensor,
    total: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    N: tl.tensor,
    x_strides: tl.tuple,
    residual_strides: tl.tuple,
    y_strides: tl.tuple,
    total_strides: tl.tuple,
    EPS: tl.constexpr,
    BLOCK_N: tl.constexpr,
    EVEN: tl.constexpr,
) -> None:
    """Normalize a row a program in chunks of BLOCK_N: statistics first, then y.

    The second sweep goes backwards: what was read last is still in the cache (as FlagGems does).
    """
    exact = rstd.dtype.element_ty
    row = tl.program_id(0).to(tl.int64)
    x += row * x_strides[0]
    y += row * y_strides[0]
    if residual is not None:
        residual += row * residual_strides[0]
    if total is not None:
        total += row * total_strides[0]
    steps = (x_strides[1], residual_strides[1], total_strides[1], y_strides[1])
    shift = tl.full([], 0.0, exact)
    if mean is not None:
        shift += first_mean(x, residual, steps, 0, N, exact, BLOCK_N, EVEN)
    middle, squares = moments_of(
        x, residual, total, shift, 0, N, steps, exact, mean is not None, BLOCK_N, EVEN
    )
    if mean is not None:
        tl.store(mean + row, shift + middle)
    row_rstd = reciprocal_root(squares / N + EPS, exact)
    tl.store(rstd + row, row_rstd)
    if total is not None:
        tl.debug_barrier()  # other threads stored it
    last = (N - 1) // BLOCK_N
    for chunk in tl.range(last + 1):
        columns = (last - chunk) * BLOCK_N + tl.arange(0, BLOCK_N).to(tl.int64)
        normalize_chunk(
            x, total, weight, bias, y, shift, middle, row_rstd, columns, N, steps, exact, EVEN
        )  # fmt: skip
