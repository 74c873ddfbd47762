"""Backward: persistent programs, no atomics, no locks; means over a row first where it is wide.

Each program adds up dw and db of its rows in registers, and stores them as a part; the parts are
summed in a fixed order. Where a pointer
is None, what would be done with it is not compiled: without a mean these are the kernels of
RMSNorm, with dz those of a sum that was normalized and used on its own.
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so are M and N)

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

from lnbench.operations.rowwise.triton.tiles import (
    load_centred,
    load_gradient,
    load_tile,
    load_vector,
    row_mean,
    store_tile,
    three_sums,
    within,
)


@triton.jit
def _store_part(
    parts: tl.tensor,
    tile: tl.tensor,
    part_stride: tl.tensor,
    add: tl.tensor,
    columns: tl.tensor,
    N: tl.tensor,
) -> None:
    """Store the sum of a tile's rows as this program's row of the parts, or add it to that row.

    Without `add` nothing is ever added: for all rows at once the registers are better used.
    """
    if parts is not None:
        place = parts + tl.program_id(0).to(tl.int64) * part_stride + columns
        total = tl.sum(tile, axis=0)
        if add is not None:
            total += tl.load(place, mask=(columns < N) & (add != 0), other=0.0).to(tile.dtype)
        tl.store(place, total.to(parts.dtype.element_ty), mask=columns < N)


@triton.jit
def store_parts(
    parts: tl.tuple,
    dw: tl.tensor,
    db: tl.tensor,
    part_stride: tl.tensor,
    add: tl.tensor,
    columns: tl.tensor,
    N: tl.tensor,
    OVERLAP: tl.constexpr,
) -> None:
    """Store this program's parts of dw and db, sums over the rows of two tiles.

    With OVERLAP the next launch may start once all programs have come here or ended.
    """
    if OVERLAP:
        gdc_launch_dependents()
    _store_part(parts[0], dw, part_stride, add, columns, N)
    _store_part(parts[1], db, part_stride, add, columns, N)


@triton.jit(do_not_specialize=["M"])
def backward_sums(
    dy: tl.tensor,
    x: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    weight: tl.tensor,
    sums: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
    dy_strides: tl.tuple,
    x_strides: tl.tuple,
    SLOPE: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK_N: tl.constexpr,
) -> None:
    """Store Σ(x - mean), and with SLOPE Σ g·(x - mean)·rstd and Σ g, of CHUNK columns of a row.

    They go to `sums` (3, S, M), where `backward_tiles` adds up the S chunks. dx alone wants SLOPE.
    """
    exact = rstd.dtype.element_ty
    row = tl.program_id(0).to(tl.int64)
    split = tl.program_id(1).to(tl.int64)
    x += row * x_strides[0]
    dy += row * dy_strides[0]
    middle = tl.full([], 0.0, exact) if mean is None else tl.load(mean + row)
    centred_sum = tl.zeros([BLOCK_N], exact)
    product_sum = tl.zeros([BLOCK_N], exact)
    g_sum = tl.zeros([BLOCK_N], exact)
    end = tl.minimum((split + 1) * CHUNK, N)
    for start in range(split * CHUNK, end, BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N).to(tl.int64)
        inside = columns < end
        centred = load_centred(x, x_strides[1], middle, columns, inside, exact, mean is not None)
        if mean is not None:
            centred_sum += centred
        if SLOPE:
            g = load_gradient(dy, dy_strides[1], weight, columns, inside, exact)
            product_sum += g * centred
            if mean is not None:
                g_sum += g
    size = tl.num_programs(1) * M.to(tl.int64)
    place = sums + split * M + row
    if mean is not None:
        tl.store(place, tl.sum(centred_sum, axis=0))
    if SLOPE:
        tl.store(place + size, tl.sum(product_sum, axis=0) * tl.load(rstd + row))
        if mean is not None:
            tl.store(place + 2 * size, tl.sum(g_sum, axis=0))


@triton.jit
def _mean_of_chunks(
    sums: tl.tensor,
    which: tl.constexpr,
    rows: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
    CHUNK: tl.constexpr,
    CHUNKS: tl.constexpr,
) -> tl.tensor:
    """Return the mean of each row, added up from the sums of its chunks in a fixed order."""
    count = tl.cdiv(N, CHUNK)
    place = sums + which * count * M + rows
    total = tl.load(place, mask=rows < M, other=0.0)
    for chunk in tl.static_range(1, CHUNKS):
        total += tl.load(place + chunk * M, mask=(rows < M) & (chunk < count), other=0.0)
    return total[:, None] / N


@triton.jit
def _means_of_sums(
    mean: tl.tensor,
    sums: tl.tensor,
    rows: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
    CHUNK: tl.constexpr,
    CHUNKS: tl.constexpr,
    SLOPE: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return what `_means_of_rows` does, by the launch before, with products times rstd."""
    zero = tl.zeros([rows.shape[0], 1], sums.dtype.element_ty)
    left, product, level = zero, zero, zero
    if mean is not None:
        left = _mean_of_chunks(sums, 0, rows, M, N, CHUNK, CHUNKS)
    if SLOPE:
        product = _mean_of_chunks(sums, 1, rows, M, N, CHUNK, CHUNKS)
        if mean is not None:
            level = _mean_of_chunks(sums, 2, rows, M, N, CHUNK, CHUNKS)
    return left, product, level


@triton.jit
def _means_of_rows(
    centred: tl.tensor,
    g: tl.tensor,
    mean: tl.tensor,
    row_rstd: tl.tensor,
    N: tl.tensor,
    SLOPE: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return the means of x - mean, of g·(x - mean)·rstd and of g over each row; else 0."""
    left, product, level = row_rstd * 0.0, row_rstd * 0.0, row_rstd * 0.0
    if SLOPE:
        if mean is not None:
            first, second, third = three_sums(centred, g * centred, g, axis=1)
            left = first[:, None] / N
            product = second[:, None] * row_rstd / N
            level = third[:, None] / N
        else:
            product = row_mean(g * centred, N) * row_rstd
    elif mean is not None:
        left = row_mean(centred, N)
    return left, product, level


@triton.jit
def _normal(
    x: tl.tensor,
    g: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    sums: tl.tensor,
    rows: tl.tensor,
    inside: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
    CHUNK: tl.constexpr,
    CHUNKS: tl.constexpr,
    SLOPE: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """Return x̂ of a tile, rstd of its rows, and with SLOPE the means of g·x̂ and of g.

    Outside, x̂ is not 0: nothing is stored there, and dy is 0.
    """
    row_rstd = tl.load(rstd + rows, mask=rows < M, other=0.0)[:, None]
    centred = x
    if mean is not None:
        middle = tl.load(mean + rows, mask=rows < M, other=0.0)[:, None]
        centred = tl.where(inside, x - middle, 0.0)
    if sums is None:
        left, product, level = _means_of_rows(centred, g, mean, row_rstd, N, SLOPE)
    else:
        left, product, level = _means_of_sums(mean, sums, rows, M, N, CHUNK, CHUNKS, SLOPE)
    return (centred - left) * row_rstd, row_rstd, product - left * row_rstd * level, level


@triton.jit(do_not_specialize=["M", "add"])
def backward_tiles(
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
    add: tl.tensor,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    CHUNK: tl.constexpr,
    CHUNKS: tl.constexpr,
    STAGES: tl.constexpr,
    EVEN: tl.constexpr,
    OVERLAP: tl.constexpr,
) -> None:
    """Store dx, dz added, of every P-th tile of BLOCK_M rows, and sum dy·x̂ and dy over these tiles.

    Program (p, c) has the c-th BLOCK_N columns, whole rows without `sums`, and row p of the parts.
    """
    exact = rstd.dtype.element_ty
    row_count = M.to(tl.int64)
    columns = tl.program_id(1).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    in_row = within(columns, N, EVEN)
    if weight is not None:
        gain = load_vector(weight, columns, in_row, exact)[None, :]
    dw_sum, db_sum = tl.zeros([BLOCK_M, BLOCK_N], exact), tl.zeros([BLOCK_M, BLOCK_N], exact)
    tiles = tl.cdiv(row_count, BLOCK_M)
    for tile in tl.range(tl.program_id(0), tiles, tl.num_programs(0), num_stages=STAGES):
        rows = tile * BLOCK_M + tl.arange(0, BLOCK_M).to(tl.int64)
        inside = (rows < M)[:, None] & in_row[None, :]
        g = load_tile(dy, dy_strides, rows, columns, inside, exact)
        if db_parts is not None:
            db_sum += g
        slope = g * gain if weight is not None else g
        if dx is not None or dw_parts is not None:
            values = load_tile(x, x_strides, rows, columns, inside, exact)
            normal, row_rstd, product, level = _normal(
                values, slope, mean, rstd, sums, rows, in_row[None, :], row_count, N, CHUNK,
                CHUNKS, dx is not None,
            )  # fmt: skip
        if dw_parts is not None:
            dw_sum += g * normal
        if dx is not None:
            result = (slope - normal * product - level) * row_rstd
            if dz is not None:
                result += load_tile(dz, dz_strides, rows, columns, inside, exact)
            store_tile(dx, dx_strides, rows, columns, inside, result)
    store_parts((dw_parts, db_parts), dw_sum, db_sum, part_stride, add, columns, N, OVERLAP)


@triton.jit
def _sum_into(
    target: tl.tensor,
    parts: tl.tensor,
    P: tl.tensor,
    N: tl.tensor,
    part_stride: tl.tensor,
    BLOCK_P: tl.constexpr,
    BLOCK_N: tl.constexpr,
) -> None:
    columns = tl.program_id(0).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    exact = parts.dtype.element_ty
    total = tl.zeros([BLOCK_P, BLOCK_N], exact)
    for start in tl.range(0, P, BLOCK_P, num_stages=3):
        rows = start + tl.arange(0, BLOCK_P).to(tl.int64)
        inside = (rows < P)[:, None] & (columns < N)[None, :]
        total += load_tile(parts, (part_stride, 1), rows, columns, inside, exact)
    tl.store(target + columns, tl.sum(total, axis=0).to(target.dtype.element_ty), columns < N)


@triton.jit(do_not_specialize=["P"])
def sum_parts(
    dw_parts: tl.tensor,
    db_parts: tl.tensor,
    dw: tl.tensor,
    db: tl.tensor,
    P: tl.tensor,
    N: tl.tensor,
    part_stride: tl.tensor,
    BLOCK_P: tl.constexpr,
    BLOCK_N: tl.constexpr,
    OVERLAP: tl.constexpr,
) -> None:
    """Sum the P parts of dw and db in a fixed order, so that the same call gives the same bits.

    The programs of dw are the first along axis 1, those of db the last. With OVERLAP they start
    before the parts are there, and wait until the launch that stores them is complete.
    """
    if OVERLAP:
        gdc_wait()
    if dw is not None:  # noqa: SIM102  (compiled or not; who runs it is asked on the device)
        if tl.program_id(1) == 0:
            _sum_into(dw, dw_parts, P, N, part_stride, BLOCK_P, BLOCK_N)
    if db is not None:  # noqa: SIM102
        if tl.program_id(1) == tl.num_programs(1) - 1:
            _sum_into(db, db_parts, P, N, part_stride, BLOCK_P, BLOCK_N)
