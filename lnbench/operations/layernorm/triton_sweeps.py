"""Backward of the widest rows: one program takes a row at a time, in two sweeps of steps.

dw and db of the first KEPT columns stay in registers, those of the others are left to a launch of
`backward_tiles` over slabs of columns. Where a pointer is None, what would be done with it is not
compiled.
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so are M and N)

import triton
import triton.language as tl

from lnbench.operations.layernorm.triton_parts import store_parts
from lnbench.operations.layernorm.triton_tiles import ask_for_next, load_vector, three_sums


@triton.jit
def _means_of_row(
    dy: tl.tensor,
    x: tl.tensor,
    weight: tl.tensor,
    middle: tl.tensor,
    row_rstd: tl.tensor,
    N: tl.tensor,
    steps: tl.tuple,
    STEP: tl.constexpr,
    STAGES: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return the means of x - middle, of g·(x - middle)·rstd and of g over a row.

    From the last step to the first, each thread on its own, so that no step waits for a warp.
    """
    exact = row_rstd.dtype
    left = tl.zeros([STEP], exact)
    product = tl.zeros([STEP], exact)
    level = tl.zeros([STEP], exact)
    last = (N - 1) // STEP
    for step in tl.range(last + 1, num_stages=STAGES):
        columns = (last - step) * STEP + tl.arange(0, STEP).to(tl.int64)
        inside = columns < N
        centred = tl.load(x + columns * steps[2], mask=inside, other=0.0).to(exact)
        centred = tl.where(inside, centred - middle, 0.0)
        g = tl.load(dy + columns * steps[0], mask=inside, other=0.0).to(exact)
        if weight is not None:
            g *= load_vector(weight, columns, N, exact)
        left += centred
        product += g * centred
        level += g
    first, second, third = three_sums(left, product, level, axis=0)
    return first / N, second * row_rstd / N, third / N


@triton.jit
def _store_slope(
    g: tl.tensor,
    normal: tl.tensor,
    means: tl.tuple,
    row_rstd: tl.tensor,
    weight: tl.tensor,
    dz: tl.tensor,
    dx: tl.tensor,
    columns: tl.tensor,
    N: tl.tensor,
    steps: tl.tuple,
) -> None:
    """Store dx, dz added, of some columns of a row."""
    inside = columns < N
    if weight is not None:
        g *= load_vector(weight, columns, N, normal.dtype)
    result = (g - normal * (means[1] - means[0] * row_rstd * means[2]) - means[2]) * row_rstd
    if dz is not None:
        result += tl.load(dz + columns * steps[1], mask=inside, other=0.0).to(normal.dtype)
    tl.store(dx + columns * steps[3], result.to(dx.dtype.element_ty), mask=inside)


@triton.jit
def _normal(
    x: tl.tensor,
    middle: tl.tensor,
    left: tl.tensor,
    row_rstd: tl.tensor,
    columns: tl.tensor,
    N: tl.tensor,
    step: tl.tensor,
) -> tl.tensor:
    """Return x̂ of some columns of the row at x, finite outside."""
    values = tl.load(x + columns * step, mask=columns < N, other=0.0).to(row_rstd.dtype)
    return (values - middle - left) * row_rstd


@triton.jit(do_not_specialize=["M"])
def backward_sweeps(
    dy: tl.tensor,
    dz: tl.tensor,
    x: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    weight: tl.tensor,
    sums: tl.tensor,
    dx: tl.tensor,
    dw_parts: tl.tensor,
    db_parts: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
    dy_strides: tl.tuple,
    dz_strides: tl.tuple,
    x_strides: tl.tuple,
    dx_strides: tl.tuple,
    part_stride: tl.tensor,
    KEPT: tl.constexpr,
    STEP: tl.constexpr,
    STAGES: tl.constexpr,
    AHEAD: tl.constexpr,
) -> None:
    """Store dx, dz added, of every P-th row, and row p of the parts for the first KEPT columns.

    What the mean's rounding left of a row goes to `sums`, times the columns that are not kept.
    """
    exact = rstd.dtype.element_ty
    steps = (dy_strides[1], dz_strides[1], x_strides[1], dx_strides[1])
    kept = tl.arange(0, KEPT).to(tl.int64)
    dw_sum = tl.zeros([KEPT], exact)
    db_sum = tl.zeros([KEPT], exact)
    for place in tl.range(tl.program_id(0), M, tl.num_programs(0)):
        row = tl.full([], 0, tl.int64) + place  # the interpreter counts in Python
        row_dy, row_x, row_dx = (
            dy + row * dy_strides[0], x + row * x_strides[0], dx + row * dx_strides[0],
        )  # fmt: skip
        row_dz = dz if dz is None else dz + row * dz_strides[0]
        row_rstd, middle = tl.load(rstd + row), tl.load(mean + row)
        means = _means_of_row(row_dy, row_x, weight, middle, row_rstd, N, steps, STEP, STAGES)
        tl.store(sums + row, means[0] * (N - KEPT))
        # The first sweep of the next row starts at its end.
        ask_for_next(x, dy, x_strides, dy_strides, row, N - KEPT, M, N, KEPT, AHEAD)
        # The columns read last, which are in the nearest cache, come first.
        kept_dy = tl.load(row_dy + kept * steps[0], mask=kept < N, other=0.0).to(exact)
        kept_normal = _normal(row_x, middle, means[0], row_rstd, kept, N, steps[2])
        if db_parts is not None:
            db_sum += kept_dy
        if dw_parts is not None:
            dw_sum += kept_dy * kept_normal
        _store_slope(kept_dy, kept_normal, means, row_rstd, weight, row_dz, row_dx, kept, N, steps)
        for start in tl.range(KEPT, N, STEP, num_stages=STAGES):
            columns = start + tl.arange(0, STEP).to(tl.int64)
            g = tl.load(row_dy + columns * steps[0], mask=columns < N, other=0.0).to(exact)
            normal = _normal(row_x, middle, means[0], row_rstd, columns, N, steps[2])
            _store_slope(g, normal, means, row_rstd, weight, row_dz, row_dx, columns, N, steps)
    parts = (dw_parts, db_parts)
    store_parts(parts, dw_sum[None, :], db_sum[None, :], part_stride, None, kept, N, False)
