"""Backward of rows that no program holds: dx by a program a row, dw and db by slabs of columns.

A program reads its row twice and finds it in the nearest cache the second time; dw and db cost a
third reading, by `backward_tiles`, in a launch of their own. Where a pointer is None, what would be
done with it is not compiled.
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so are M and N)

import triton
import triton.language as tl

from lnbench.operations.layernorm.triton_tiles import (
    load_centred,
    load_gradient,
    load_vector,
    three_sums,
    within,
)


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
def store_slope(
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
        store_slope(
            g, normal, (left, product, level), row_rstd, dx, dz, columns, inside, steps[3], steps[1]
        )  # fmt: skip
