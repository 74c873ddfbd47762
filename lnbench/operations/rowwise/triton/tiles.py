"""What the kernels share: tiles of rows and columns loaded, centred, summed and stored.

Sums are kept in the type of the statistics: float32, and float64 for float64. Values are converted
right after each load and before each store, since Triton's interpreter computes wrongly in
bfloat16 (triton-lang/triton#4972). Offsets are 64-bit: M·N may pass 2³¹ (pytorch#181555).
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so are M and N)

import triton
import triton.language as tl

ONE_BY_ONE = tl.constexpr(bool(triton.knobs.runtime.interpret))
"""Whether sums are reduced one after another: the interpreter calls a tuple's function for every
element, and a row would take it seconds."""


@triton.jit
def load_tile(
    base: tl.tensor,
    strides: tl.tuple,
    rows: tl.tensor,
    columns: tl.tensor,
    inside: tl.tensor,
    exact: tl.dtype,
) -> tl.tensor:
    """Return a tile of a matrix in the type of sums, 0 outside."""
    offsets = rows[:, None] * strides[0] + columns[None, :] * strides[1]
    return tl.load(base + offsets, mask=inside, other=0.0).to(exact)


@triton.jit
def store_tile(
    base: tl.tensor,
    strides: tl.tuple,
    rows: tl.tensor,
    columns: tl.tensor,
    inside: tl.tensor,
    values: tl.tensor,
) -> None:
    """Store a tile of a matrix in the matrix's own type."""
    offsets = rows[:, None] * strides[0] + columns[None, :] * strides[1]
    tl.store(base + offsets, values.to(base.dtype.element_ty), mask=inside)


@triton.jit
def within(columns: tl.tensor, end: tl.tensor, EVEN: tl.constexpr) -> tl.tensor:
    """Return which columns come before the end; EVEN, all do, and no mask is compiled."""
    return tl.full(columns.shape, True, tl.int1) if EVEN else columns < end


@triton.jit
def load_vector(
    base: tl.tensor, columns: tl.tensor, inside: tl.tensor, exact: tl.dtype
) -> tl.tensor:
    """Return the columns of weight or bias in the type of sums, 0 outside."""
    return tl.load(base + columns, mask=inside, other=0.0).to(exact)


@triton.jit
def load_centred(
    x: tl.tensor,
    step: tl.tensor,
    middle: tl.tensor,
    columns: tl.tensor,
    inside: tl.tensor,
    exact: tl.dtype,
    CENTRED: tl.constexpr,
) -> tl.tensor:
    """Return x - middle of some columns of the row at x, 0 outside; x where not CENTRED."""
    values = tl.load(x + columns * step, mask=inside, other=0.0).to(exact)
    return tl.where(inside, values - middle, 0.0) if CENTRED else values


@triton.jit
def load_gradient(
    dy: tl.tensor,
    step: tl.tensor,
    weight: tl.tensor,
    columns: tl.tensor,
    inside: tl.tensor,
    exact: tl.dtype,
) -> tl.tensor:
    """Return g = dy·weight, the gradient of x̂, of some columns of the row at dy, 0 outside."""
    g = tl.load(dy + columns * step, mask=inside, other=0.0).to(exact)
    if weight is not None:
        g *= load_vector(weight, columns, inside, exact)
    return g


@triton.jit
def load_sum(
    x: tl.tensor,
    residual: tl.tensor,
    offsets: tl.tensor,
    residual_offsets: tl.tensor,
    inside: tl.tensor,
    exact: tl.dtype,
) -> tl.tensor:
    """Return x, or where there is a residual x + residual, rounded to x's type as it is stored."""
    values = tl.load(x + offsets, mask=inside, other=0.0).to(exact)
    if residual is not None:
        values += tl.load(residual + residual_offsets, mask=inside, other=0.0).to(exact)
        values = values.to(x.dtype.element_ty).to(exact)
    return values


@triton.jit
def row_mean(values: tl.tensor, N: tl.tensor) -> tl.tensor:
    """Return the mean of each row of a tile that holds whole rows."""
    return tl.sum(values, axis=1)[:, None] / N


@triton.jit
def _add(
    first: tl.tensor,
    second: tl.tensor,
    third: tl.tensor,
    other_first: tl.tensor,
    other_second: tl.tensor,
    other_third: tl.tensor,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    return first + other_first, second + other_second, third + other_third


@triton.jit
def three_sums(
    first: tl.tensor, second: tl.tensor, third: tl.tensor, axis: tl.constexpr
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return the sums of three tiles along an axis; as one reduction the warps wait once."""
    if ONE_BY_ONE:
        sums = tl.sum(first, axis), tl.sum(second, axis), tl.sum(third, axis)
    else:
        sums = tl.reduce((first, second, third), axis, _add)
    return sums


@triton.jit
def centre(
    values: tl.tensor, mean: tl.tensor, inside: tl.tensor, N: tl.tensor
) -> tuple[tl.tensor, tl.tensor]:
    """Return values - mean, 0 outside, less what the rounding of `mean` left in it; and that."""
    centred = tl.where(inside, values - mean, 0.0)
    left = row_mean(centred, N)
    return tl.where(inside, centred - left, 0.0), left


@triton.jit
def reciprocal_root(values: tl.tensor, exact: tl.dtype) -> tl.tensor:
    """Return 1/√values, also of subnormal ones."""
    # In float32 tl.sqrt takes a subnormal variance for 0; tl.sqrt_rn is float32's alone.
    root = tl.sqrt_rn(values) if exact == tl.float32 else tl.sqrt(values)
    return 1.0 / root
