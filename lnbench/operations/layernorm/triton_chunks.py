"""A row in chunks, forward: the mean and squares of its columns, and y of one chunk.

Where a pointer is None, what would be done with it is not compiled.
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so are M and N)

import triton
import triton.language as tl

from lnbench.operations.layernorm.triton_tiles import load_sum, load_vector, within


@triton.jit
def first_mean(
    x: tl.tensor,
    residual: tl.tensor,
    strides: tl.tuple,
    start: tl.tensor,
    end: tl.tensor,
    exact: tl.dtype,
    BLOCK_N: tl.constexpr,
    EVEN: tl.constexpr,
) -> tl.tensor:
    """Return the mean of the first BLOCK_N of columns start to end of the row at x."""
    columns = start + tl.arange(0, BLOCK_N).to(tl.int64)
    inside = within(columns, end, EVEN)
    first = load_sum(x, residual, columns * strides[0], columns * strides[1], inside, exact)
    return tl.sum(first, axis=0) / tl.minimum(end - start, BLOCK_N)


@triton.jit
def moments_of(
    x: tl.tensor,
    residual: tl.tensor,
    total: tl.tensor,
    shift: tl.tensor,
    start: tl.tensor,
    end: tl.tensor,
    strides: tl.tuple,
    exact: tl.dtype,
    CENTRED: tl.constexpr,
    BLOCK_N: tl.constexpr,
    EVEN: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:
    """Return mean - shift and the sum of squares about the mean, of columns start to end.

    Not centred, they are 0 and the sum of squares about 0. The shift takes the digits that a large
    mean would cost. Chunks are merged by eq. 2.1 of Chan, Golub, LeVeque: Algorithms for Computing
    the Sample Variance. Stores the total where wanted.
    """
    mean = shift * 0.0
    squares = shift * 0.0
    for place in tl.range(start, end, BLOCK_N):
        columns = place + tl.arange(0, BLOCK_N).to(tl.int64)
        inside = within(columns, end, EVEN)
        count = tl.minimum(end - place, BLOCK_N).to(exact)
        values = load_sum(x, residual, columns * strides[0], columns * strides[1], inside, exact)
        if total is not None:
            stored = values.to(total.dtype.element_ty)
            tl.store(total + columns * strides[2], stored, mask=inside)
        if CENTRED:
            values = tl.where(inside, values - shift, 0.0)
            chunk_mean = tl.sum(values, axis=0) / count
            values = tl.where(inside, values - chunk_mean, 0.0)
            delta = chunk_mean - mean
            before = count * 0.0 + (place - start)
            part = count / (before + count)
            squares += delta * delta * part * before
            mean += delta * part
        squares += tl.sum(values * values, axis=0)
    return mean, squares


@triton.jit
def normalize_chunk(
    x: tl.tensor,
    total: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    y: tl.tensor,
    shift: tl.tensor,
    mean: tl.tensor,
    row_rstd: tl.tensor,
    columns: tl.tensor,
    end: tl.tensor,
    strides: tl.tuple,
    exact: tl.dtype,
    EVEN: tl.constexpr,
) -> None:
    """Store y of one chunk of the row at x; where it had a residual, of their total.

    The total is what was normalized, one array instead of two, and may lie where x was.
    """
    inside = within(columns, end, EVEN)
    if total is not None:
        values = tl.load(total + columns * strides[2], mask=inside, other=0.0).to(exact)
    else:
        values = tl.load(x + columns * strides[0], mask=inside, other=0.0).to(exact)
    result = (values - shift - mean) * row_rstd
    if weight is not None:
        result *= load_vector(weight, columns, inside, exact)
    if bias is not None:
        result += load_vector(bias, columns, inside, exact)
    tl.store(y + columns * strides[3], result.to(y.dtype.element_ty), mask=inside)
