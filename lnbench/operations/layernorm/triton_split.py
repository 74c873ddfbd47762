"""Forward of few wide rows: several programs share a row, and its moments are merged.

Where a pointer is None, what would be done with it is not compiled.
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so are M and N)

import triton
import triton.language as tl

from lnbench.operations.layernorm.triton_chunks import first_mean, moments_of, normalize_chunk
from lnbench.operations.layernorm.triton_tiles import reciprocal_root


@triton.jit(do_not_specialize=["M"])
def split_moments(
    x: tl.tensor,
    residual: tl.tensor,
    total: tl.tensor,
    rstd: tl.tensor,
    moments: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
    x_strides: tl.tuple,
    residual_strides: tl.tuple,
    total_strides: tl.tuple,
    CENTRED: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK_N: tl.constexpr,
) -> None:
    """Store shift, mean - shift and squares of CHUNK columns of a row in `moments` (3, S, M)."""
    exact = rstd.dtype.element_ty
    row = tl.program_id(0).to(tl.int64)
    split = tl.program_id(1).to(tl.int64)
    x += row * x_strides[0]
    if residual is not None:
        residual += row * residual_strides[0]
    if total is not None:
        total += row * total_strides[0]
    steps = (x_strides[1], residual_strides[1], total_strides[1])
    start = split * CHUNK
    end = tl.minimum(start + CHUNK, N)
    shift = tl.full([], 0.0, exact)
    if CENTRED:  # of its own columns: those of others may hold their total by now
        shift += first_mean(x, residual, steps, start, end, exact, BLOCK_N, False)
    mean, squares = moments_of(
        x, residual, total, shift, start, end, steps, exact, CENTRED, BLOCK_N, False
    )
    size = tl.num_programs(1) * M.to(tl.int64)
    place = moments + split * M + row
    tl.store(place, shift)
    tl.store(place + size, mean)
    tl.store(place + 2 * size, squares)


@triton.jit
def _merged(
    moments: tl.tensor,
    row: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
    exact: tl.dtype,
    CHUNK: tl.constexpr,
    SPLITS: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return shift, mean - shift and squares of a whole row, from those of its chunks.

    The shift is that of the first chunk; the others' means are taken from there too.
    """
    splits = tl.arange(0, SPLITS).to(tl.int64)
    inside = splits < tl.num_programs(1)
    size = tl.num_programs(1) * M.to(tl.int64)
    places = moments + splits * M + row
    counts = tl.minimum(N - splits * CHUNK, CHUNK).to(exact)
    shift = tl.load(moments + row)
    means = tl.load(places, mask=inside, other=0.0) - shift
    means += tl.load(places + size, mask=inside, other=0.0)
    squares = tl.load(places + 2 * size, mask=inside, other=0.0)
    mean = tl.sum(tl.where(inside, counts * means, 0.0), axis=0) / N
    apart = means - mean
    squares = tl.sum(tl.where(inside, squares + counts * apart * apart, 0.0), axis=0)
    return shift, mean, squares


@triton.jit(do_not_specialize=["M"])
def split_normalize(
    x: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    y: tl.tensor,
    total: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    moments: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
    x_strides: tl.tuple,
    y_strides: tl.tuple,
    total_strides: tl.tuple,
    EPS: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK_N: tl.constexpr,
    SPLITS: tl.constexpr,
) -> None:
    """Merge the moments of a row in a fixed order, and store y of CHUNK of its columns."""
    exact = rstd.dtype.element_ty
    row = tl.program_id(0).to(tl.int64)
    split = tl.program_id(1).to(tl.int64)
    shift, middle, squares = _merged(moments, row, M, N, exact, CHUNK, SPLITS)
    row_rstd = reciprocal_root(squares / N + EPS, exact)
    if split == 0:
        tl.store(rstd + row, row_rstd)
        if mean is not None:
            tl.store(mean + row, shift + middle)
    x += row * x_strides[0]
    y += row * y_strides[0]
    if total is not None:
        total += row * total_strides[0]
    steps = (x_strides[1], 0, total_strides[1], y_strides[1])
    end = tl.minimum((split + 1) * CHUNK, N)
    for place in range(split * CHUNK, end, BLOCK_N):
        columns = place + tl.arange(0, BLOCK_N).to(tl.int64)
        normalize_chunk(
            x, total, weight, bias, y, shift, middle, row_rstd, columns, end, steps, exact, False
        )  # fmt: skip
