"""Forward: a row in registers, in chunks by one program, or in chunks shared out to several.

eps is a constant, so that it takes the type of the variance (linkedin/Liger-Kernel#1358). Where a
pointer is None, what would be done with it is not compiled: without a mean these are the kernels
of RMSNorm, with a residual and a total those of the sum of both, normalized.
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so are M and N)

import triton
import triton.language as tl

from lnbench.operations.rowwise.triton.tiles import (
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
def _first_mean(
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
def _moments_of(
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
def _normalize_chunk(
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
        shift += _first_mean(x, residual, steps, 0, N, exact, BLOCK_N, EVEN)
    middle, squares = _moments_of(
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
        _normalize_chunk(
            x, total, weight, bias, y, shift, middle, row_rstd, columns, N, steps, exact, EVEN
        )  # fmt: skip


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
        shift += _first_mean(x, residual, steps, start, end, exact, BLOCK_N, False)
    mean, squares = _moments_of(
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
        _normalize_chunk(
            x, total, weight, bias, y, shift, middle, row_rstd, columns, end, steps, exact, False
        )  # fmt: skip
