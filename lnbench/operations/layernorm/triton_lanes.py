"""A row in chunks, forward: every column of a chunk keeps its own moments to the end of the row.

No chunk waits for the warps, as a reduction would; they meet once a row.
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so is N)

import triton
import triton.language as tl

from lnbench.operations.layernorm.triton_tiles import load_sum


@triton.jit
def lane_moments(
    x: tl.tensor,
    residual: tl.tensor,
    total: tl.tensor,
    shift: tl.tensor,
    N: tl.tensor,
    strides: tl.tuple,
    exact: tl.dtype,
    BLOCK_N: tl.constexpr,
    STAGES: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:
    """Return mean - shift and the sum of squares about the mean of the row at x.

    Each lane by Welford's recurrence, the lanes by eq. 2.1 of Chan, Golub, LeVeque: Algorithms for
    Computing the Sample Variance. The shift takes the digits that a large mean would cost. Stores
    the total where wanted.
    """
    lanes = tl.arange(0, BLOCK_N).to(tl.int64)
    mean = tl.zeros([BLOCK_N], exact)
    squares = tl.zeros([BLOCK_N], exact)
    for start in tl.range(0, N, BLOCK_N, num_stages=STAGES):
        columns = start + lanes
        inside = columns < N
        values = load_sum(x, residual, columns * strides[0], columns * strides[1], inside, exact)
        if total is not None:
            stored = values.to(total.dtype.element_ty)
            tl.store(total + columns * strides[2], stored, mask=inside)
        share = 1.0 / (shift * 0.0 + (start // BLOCK_N + 1))
        delta = tl.where(inside, values - shift - mean, 0.0)
        mean += delta * share
        squares += delta * (delta - delta * share)
    count = ((N - lanes + BLOCK_N - 1) // BLOCK_N).to(exact)
    middle = tl.sum(mean * count, axis=0) / N
    apart = mean - middle
    spread = tl.where(count > 0, squares + apart * apart * count, 0.0)
    return middle, tl.sum(spread, axis=0)
