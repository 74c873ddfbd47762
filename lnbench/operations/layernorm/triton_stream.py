"""Forward by programs that stay: the next rows load while these are normalized and stored.

Where a pointer is None, what would be done with it is not compiled.
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so are M and N)

import triton
import triton.language as tl

from lnbench.operations.layernorm.triton_forward import normalize_rows


@triton.jit(do_not_specialize=["M"])
def forward_stream(
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
    STAGES: tl.constexpr,
) -> None:
    """Normalize every P-th tile of BLOCK_M whole rows, held in registers."""
    tiles = tl.cdiv(M.to(tl.int64), BLOCK_M)
    for tile in tl.range(tl.program_id(0), tiles, tl.num_programs(0), num_stages=STAGES):
        rows = tile * BLOCK_M + tl.arange(0, BLOCK_M).to(tl.int64)
        # Weight and bias are in the first cache: only x is to be loaded ahead.
        normalize_rows(
            x, residual, weight, bias, y, total, mean, rstd, rows, tile >= 0, M, N,
            (x_strides, residual_strides, y_strides, total_strides), EPS, BLOCK_N,
        )  # fmt: skip
