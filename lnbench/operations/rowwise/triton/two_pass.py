"""Backward in two passes: a program reads its row for the means, then out of the nearest cache.

`backward_two_pass` holds dw and db of whole rows in registers beside it. Where not even they fit,
`backward_slope` stores dx alone; dw and db cost a third reading, by `backward_tiles`, in a launch
of their own. Where a pointer is None, what would be done with it is not compiled.
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so are M and N)

import triton
import triton.language as tl

from lnbench.operations.rowwise.triton.backward import store_parts
from lnbench.operations.rowwise.triton.tiles import (
    load_centred,
    load_gradient,
    load_vector,
    three_sums,
    within,
)


@triton.jit
def _store_slope(
    g: tl.tensor,
    normal: tl.tensor,
    means: tl.tuple,
    row_rstd: tl.tensor,
    dx: tl.tensor,
    dz: tl.tensor,
    columns: tl.tensor,
    inside: tl.tensor,
    dx_step: tl.tensor,
    dz_step: tl.tensor,
) -> None:
    """Store dx, dz added, of some columns of a row, by g, x̂ and what `_means_of_row` returned."""
    left, product, level = means
    result = (g - normal * (product - left * row_rstd * level) - level) * row_rstd
    if dz is not None:
        result += tl.load(dz + columns * dz_step, mask=inside, other=0.0).to(result.dtype)
    tl.store(dx + columns * dx_step, result.to(dx.dtype.element_ty), mask=inside)


@triton.jit
def _means_waiting(
    dy: tl.tensor,
    x: tl.tensor,
    weight: tl.tensor,
    middle: tl.tensor,
    row_rstd: tl.tensor,
    N: tl.tensor,
    steps: tl.tuple,
    CENTRED: tl.constexpr,
    SLOPE: tl.constexpr,
    STEP: tl.constexpr,
    EVEN: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return the means of x - middle, of g·(x - middle)·rstd and of g over a row; else 0.

    STEP columns at a time, which is how many bytes are under way; all warps wait for each step.
    """
    left = tl.full([], 0.0, row_rstd.dtype)
    product = tl.full([], 0.0, row_rstd.dtype)
    level = tl.full([], 0.0, row_rstd.dtype)
    for start in range(0, N, STEP):
        columns = start + tl.arange(0, STEP).to(tl.int64)
        inside = within(columns, N, EVEN)
        centred = load_centred(x, steps[2], middle, columns, inside, row_rstd.dtype, CENTRED)
        if SLOPE:
            g = load_gradient(dy, steps[0], weight, columns, inside, row_rstd.dtype)
            if CENTRED:
                first, second, third = three_sums(centred, g * centred, g, axis=0)
                left += first
                product += second
                level += third
            else:
                product += tl.sum(g * centred, axis=0)
        elif CENTRED:
            left += tl.sum(centred, axis=0)
    return left / N, product * row_rstd / N, level / N


@triton.jit(do_not_specialize=["M"])
def backward_two_pass(
    dy: tl.tensor,
    dz: tl.tensor,
    x: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    weight: tl.tensor,
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
    BLOCK_N: tl.constexpr,
    STEP: tl.constexpr,
    EVEN: tl.constexpr,
    OVERLAP: tl.constexpr,
) -> None:
    """Store dx, dz added, of every P-th row, and row p of the parts: dy·x̂ and dy of these rows."""
    exact = rstd.dtype.element_ty
    steps = (dy_strides[1], dz_strides[1], x_strides[1], dx_strides[1])
    columns = tl.arange(0, BLOCK_N).to(tl.int64)
    inside = within(columns, N, EVEN)
    dw_sum, db_sum = tl.zeros([BLOCK_N], exact), tl.zeros([BLOCK_N], exact)
    for place in tl.range(tl.program_id(0), M, tl.num_programs(0)):
        row = tl.full([], 0, tl.int64) + place  # the interpreter counts in Python
        row_dy, row_x = dy + row * dy_strides[0], x + row * x_strides[0]
        row_rstd = tl.load(rstd + row)
        middle = tl.full([], 0.0, exact) if mean is None else tl.load(mean + row)
        left, product, level = _means_waiting(
            row_dy, row_x, weight, middle, row_rstd, N, steps, mean is not None, dx is not None,
            STEP, EVEN,
        )  # fmt: skip
        g = tl.load(row_dy + columns * steps[0], mask=inside, other=0.0).to(exact)
        if db_parts is not None:
            db_sum += g
        normal = tl.load(row_x + columns * steps[2], mask=inside, other=0.0).to(exact)
        if mean is not None:
            normal = tl.where(inside, normal - middle - left, 0.0)
        normal *= row_rstd
        if dw_parts is not None:
            dw_sum += g * normal
        if dx is not None:
            if weight is not None:
                g *= load_vector(weight, columns, inside, exact)
            _store_slope(
                g, normal, (left, product, level), row_rstd, dx + row * dx_strides[0],
                dz if dz is None else dz + row * dz_strides[0], columns, inside, steps[3], steps[1],
            )  # fmt: skip
    store_parts(
        (dw_parts, db_parts), dw_sum[None, :], db_sum[None, :], part_stride, None, columns, N,
        OVERLAP,
    )  # fmt: skip


@triton.jit
def _means_of_row(
    dy: tl.tensor,
    x: tl.tensor,
    weight: tl.tensor,
    middle: tl.tensor,
    row_rstd: tl.tensor,
    N: tl.tensor,
    steps: tl.tuple,
    CENTRED: tl.constexpr,
    STEP: tl.constexpr,
    EVEN: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return the means of x - middle, of g·(x - middle)·rstd and of g over a row; else 0.

    From the last step to the first, each thread on its own, so that no step waits for a warp.
    """
    exact = row_rstd.dtype
    left, product, level = tl.zeros([STEP], exact), tl.zeros([STEP], exact), tl.zeros([STEP], exact)
    last = (N - 1) // STEP
    for step in tl.range(last + 1):
        columns = (last - step) * STEP + tl.arange(0, STEP).to(tl.int64)
        inside = within(columns, N, EVEN)
        centred = load_centred(x, steps[2], middle, columns, inside, exact, CENTRED)
        if CENTRED:
            left += centred
        g = load_gradient(dy, steps[0], weight, columns, inside, exact)
        product += g * centred
        if CENTRED:
            level += g
    first, second, third = three_sums(left, product, level, axis=0)
    return first / N, second * row_rstd / N, third / N


@triton.jit
def backward_slope(
    dy: tl.tensor,
    dz: tl.tensor,
    x: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    weight: tl.tensor,
    sums: tl.tensor,
    dx: tl.tensor,
    N: tl.tensor,
    dy_strides: tl.tuple,
    dz_strides: tl.tuple,
    x_strides: tl.tuple,
    dx_strides: tl.tuple,
    STEP: tl.constexpr,
    EVEN: tl.constexpr,
) -> None:
    """Store dx, dz added, of a row a program, and in `sums` (M,) Σ(x - mean) of it."""
    exact = rstd.dtype.element_ty
    steps = (dy_strides[1], dz_strides[1], x_strides[1], dx_strides[1])
    row = tl.program_id(0).to(tl.int64)
    dy += row * dy_strides[0]
    x += row * x_strides[0]
    dx += row * dx_strides[0]
    if dz is not None:
        dz += row * dz_strides[0]
    row_rstd = tl.load(rstd + row)
    middle = tl.full([], 0.0, exact) if mean is None else tl.load(mean + row)
    left, product, level = _means_of_row(
        dy, x, weight, middle, row_rstd, N, steps, mean is not None, STEP, EVEN
    )
    if mean is not None:
        tl.store(sums + row, left * N)
    for start in tl.range(0, N, STEP):
        columns = start + tl.arange(0, STEP).to(tl.int64)
        inside = within(columns, N, EVEN)
        g = tl.load(dy + columns * steps[0], mask=inside, other=0.0).to(exact)
        normal = tl.load(x + columns * steps[2], mask=inside, other=0.0).to(exact)
        normal = (normal - middle - left) * row_rstd
        if weight is not None:
            g *= load_vector(weight, columns, inside, exact)
        _store_slope(
            g, normal, (left, product, level), row_rstd, dx, dz, columns, inside, steps[3], steps[1]
        )  # fmt: skip
