"""The kernels of `triton.py`: two passes over a row, no atomics, no locks.

Sums are kept in the type of the statistics: float32, and float64 for float64. Values are converted
right after each load and before each store, since Triton's interpreter computes wrongly in
bfloat16 (triton-lang/triton#4972). Offsets are 64-bit: M·N may pass 2³¹ (pytorch#181555). eps is a
constant, so that it takes the type of the variance (linkedin/Liger-Kernel#1358). Where a pointer
is None, what would be done with it is not compiled.
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so are M and N)

import triton
import triton.language as tl


@triton.jit
def _load(
    base: tl.tensor,
    strides: tl.tuple,
    rows: tl.tensor,
    columns: tl.tensor,
    inside: tl.tensor,
    exact: tl.dtype,
) -> tl.tensor:
    offsets = rows[:, None] * strides[0] + columns[None, :] * strides[1]
    return tl.load(base + offsets, mask=inside, other=0.0).to(exact)


@triton.jit
def _store(
    base: tl.tensor,
    strides: tl.tuple,
    rows: tl.tensor,
    columns: tl.tensor,
    inside: tl.tensor,
    values: tl.tensor,
) -> None:
    offsets = rows[:, None] * strides[0] + columns[None, :] * strides[1]
    tl.store(base + offsets, values.to(base.dtype.element_ty), mask=inside)


@triton.jit
def _load_vector(base: tl.tensor, columns: tl.tensor, N: tl.tensor, exact: tl.dtype) -> tl.tensor:
    return tl.load(base + columns, mask=columns < N, other=0.0).to(exact)


@triton.jit
def _row_mean(values: tl.tensor, N: tl.tensor) -> tl.tensor:
    return tl.sum(values, axis=1)[:, None] / N


@triton.jit
def _centre(
    values: tl.tensor, mean: tl.tensor, inside: tl.tensor, N: tl.tensor
) -> tuple[tl.tensor, tl.tensor]:
    """Return values - mean, 0 outside, less what the rounding of `mean` left in it; and that."""
    centred = tl.where(inside, values - mean, 0.0)
    left = _row_mean(centred, N)
    return tl.where(inside, centred - left, 0.0), left


@triton.jit
def _reciprocal_root(values: tl.tensor, exact: tl.dtype) -> tl.tensor:
    # In float32 tl.sqrt takes a subnormal variance for 0; tl.sqrt_rn is float32's alone.
    root = tl.sqrt_rn(values) if exact == tl.float32 else tl.sqrt(values)
    return 1.0 / root


@triton.jit(do_not_specialize=["M"])
def forward_rows(
    x: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    y: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
    x_strides: tl.tuple,
    y_strides: tl.tuple,
    EPS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
) -> None:
    """Normalize BLOCK_M whole rows, held in registers, a program."""
    exact = mean.dtype.element_ty
    rows = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = tl.arange(0, BLOCK_N).to(tl.int64)
    inside = (rows < M)[:, None] & (columns < N)[None, :]
    values = _load(x, x_strides, rows, columns, inside, exact)
    row_mean = _row_mean(values, N)
    centred, left = _centre(values, row_mean, inside, N)
    row_rstd = _reciprocal_root(_row_mean(centred * centred, N) + EPS, exact)
    result = centred * row_rstd
    if weight is not None:
        result *= _load_vector(weight, columns, N, exact)[None, :]
    if bias is not None:
        result += _load_vector(bias, columns, N, exact)[None, :]
    _store(y, y_strides, rows, columns, inside, result)
    tl.store(mean + rows[:, None], row_mean + left, mask=(rows < M)[:, None])
    tl.store(rstd + rows[:, None], row_rstd, mask=(rows < M)[:, None])


@triton.jit
def _row_statistics(
    x: tl.tensor, stride: tl.tensor, N: tl.tensor, exact: tl.dtype, BLOCK_N: tl.constexpr
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Return shift, mean and variance of the row at x, whose mean is shift + mean.

    The shift, the mean of the first chunk, takes the digits that a large mean would cost. Chunks
    are merged by eq. 2.1 of Chan, Golub, LeVeque: Algorithms for Computing the Sample Variance.
    """
    columns = tl.arange(0, BLOCK_N).to(tl.int64)
    first = tl.load(x + columns * stride, mask=columns < N, other=0.0).to(exact)
    shift = tl.sum(first, axis=0) / tl.minimum(N, BLOCK_N)
    mean = shift * 0.0
    squares = shift * 0.0
    for start in range(0, N, BLOCK_N):
        inside = start + columns < N
        count = tl.minimum(N - start, BLOCK_N).to(exact)
        values = tl.load(x + (start + columns) * stride, mask=inside, other=0.0).to(exact)
        values = tl.where(inside, values - shift, 0.0)
        chunk_mean = tl.sum(values, axis=0) / count
        centred = tl.where(inside, values - chunk_mean, 0.0)
        delta = chunk_mean - mean
        part = count / (start + count)
        squares += tl.sum(centred * centred, axis=0) + delta * delta * part * start
        mean += delta * part
    return shift, mean, squares / N


@triton.jit
def forward_looped(
    x: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    y: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    N: tl.tensor,
    x_strides: tl.tuple,
    y_strides: tl.tuple,
    EPS: tl.constexpr,
    BLOCK_N: tl.constexpr,
) -> None:
    """Normalize one row a program in chunks of BLOCK_N: statistics first, then y."""
    exact = mean.dtype.element_ty
    row = tl.program_id(0).to(tl.int64)
    x += row * x_strides[0]
    y += row * y_strides[0]
    shift, row_mean, variance = _row_statistics(x, x_strides[1], N, exact, BLOCK_N)
    row_rstd = _reciprocal_root(variance + EPS, exact)
    tl.store(mean + row, shift + row_mean)
    tl.store(rstd + row, row_rstd)
    for start in range(0, N, BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N).to(tl.int64)
        inside = columns < N
        values = tl.load(x + columns * x_strides[1], mask=inside, other=0.0).to(exact)
        result = (values - shift - row_mean) * row_rstd
        if weight is not None:
            result *= _load_vector(weight, columns, N, exact)
        if bias is not None:
            result += _load_vector(bias, columns, N, exact)
        tl.store(y + columns * y_strides[1], result.to(y.dtype.element_ty), mask=inside)


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
    BLOCK_N: tl.constexpr,
) -> None:
    """Store, of one row a program, what its mean left in x - mean, mean(g·x̂) and mean(g).

    They go to the three rows of `sums`, where `backward_tiles` finds them.
    """
    exact = mean.dtype.element_ty
    row = tl.program_id(0).to(tl.int64)
    x += row * x_strides[0]
    dy += row * dy_strides[0]
    row_mean = tl.load(mean + row)
    centred_sum = tl.zeros([BLOCK_N], exact)
    product_sum = tl.zeros([BLOCK_N], exact)
    g_sum = tl.zeros([BLOCK_N], exact)
    for start in range(0, N, BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N).to(tl.int64)
        inside = columns < N
        values = tl.load(x + columns * x_strides[1], mask=inside, other=0.0).to(exact)
        centred = tl.where(inside, values - row_mean, 0.0)
        g = tl.load(dy + columns * dy_strides[1], mask=inside, other=0.0).to(exact)
        if weight is not None:
            g *= _load_vector(weight, columns, N, exact)
        centred_sum += centred
        product_sum += g * centred
        g_sum += g
    left = tl.sum(centred_sum, axis=0) / N
    g_mean = tl.sum(g_sum, axis=0) / N
    product_mean = (tl.sum(product_sum, axis=0) / N - left * g_mean) * tl.load(rstd + row)
    rows = M.to(tl.int64)
    tl.store(sums + row, left)
    tl.store(sums + rows + row, product_mean)
    tl.store(sums + 2 * rows + row, g_mean)


@triton.jit
def _normal(
    x: tl.tensor,
    mean: tl.tensor,
    rstd: tl.tensor,
    sums: tl.tensor,
    rows: tl.tensor,
    inside: tl.tensor,
    M: tl.tensor,
    N: tl.tensor,
) -> tuple[tl.tensor, tl.tensor]:
    """Return x̂ of a tile, 0 outside, and rstd of its rows."""
    row_mean = tl.load(mean + rows, mask=rows < M, other=0.0)[:, None]
    row_rstd = tl.load(rstd + rows, mask=rows < M, other=0.0)[:, None]
    if sums is None:
        centred, _ = _centre(x, row_mean, inside, N)
    else:
        left = tl.load(sums + rows, mask=rows < M, other=0.0)[:, None]
        centred = tl.where(inside, x - row_mean - left, 0.0)
    return centred * row_rstd, row_rstd


@triton.jit
def _row_means(
    g: tl.tensor, normal: tl.tensor, sums: tl.tensor, rows: tl.tensor, M: tl.tensor, N: tl.tensor
) -> tuple[tl.tensor, tl.tensor]:
    """Return mean(g·x̂) and mean(g) of each row."""
    if sums is None:
        product_mean = _row_mean(g * normal, N)
        g_mean = _row_mean(g, N)
    else:
        product_mean = tl.load(sums + M + rows, mask=rows < M, other=0.0)[:, None]
        g_mean = tl.load(sums + 2 * M + rows, mask=rows < M, other=0.0)[:, None]
    return product_mean, g_mean


@triton.jit(do_not_specialize=["M"])
def backward_tiles(
    dy: tl.tensor,
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
    x_strides: tl.tuple,
    dx_strides: tl.tuple,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
) -> None:
    """Store dx of every P-th tile of BLOCK_M rows, and the sums of dy·x̂ and dy over these tiles.

    Program (p, c) owns the c-th BLOCK_N columns, and row p of the parts, which are (P, 2N).
    Without `sums` a tile holds whole rows; with it, the means over a row come from there.
    """
    exact = mean.dtype.element_ty
    row_count = M.to(tl.int64)
    columns = tl.program_id(1).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    if weight is not None:
        gain = _load_vector(weight, columns, N, exact)[None, :]
    dw_sum = tl.zeros([BLOCK_M, BLOCK_N], exact)
    db_sum = tl.zeros([BLOCK_M, BLOCK_N], exact)
    for tile in range(tl.program_id(0), tl.cdiv(row_count, BLOCK_M), tl.num_programs(0)):
        rows = tile * BLOCK_M + tl.arange(0, BLOCK_M).to(tl.int64)
        inside = (rows < M)[:, None] & (columns < N)[None, :]
        values = _load(x, x_strides, rows, columns, inside, exact)
        g = _load(dy, dy_strides, rows, columns, inside, exact)
        normal, row_rstd = _normal(values, mean, rstd, sums, rows, inside, row_count, N)
        if dw_parts is not None:
            dw_sum += g * normal
        if db_parts is not None:
            db_sum += g
        if dx is not None:
            if weight is not None:
                g *= gain
            product_mean, g_mean = _row_means(g, normal, sums, rows, row_count, N)
            result = (g - g_mean - normal * product_mean) * row_rstd
            _store(dx, dx_strides, rows, columns, inside, result)
    part = tl.program_id(0).to(tl.int64) * 2 * N + columns
    if dw_parts is not None:
        tl.store(dw_parts + part, tl.sum(dw_sum, axis=0), mask=columns < N)
    if db_parts is not None:
        tl.store(db_parts + part, tl.sum(db_sum, axis=0), mask=columns < N)


@triton.jit
def _sum_into(
    target: tl.tensor,
    parts: tl.tensor,
    P: tl.tensor,
    N: tl.tensor,
    BLOCK_P: tl.constexpr,
    BLOCK_N: tl.constexpr,
) -> None:
    columns = tl.program_id(0).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    exact = parts.dtype.element_ty
    total = tl.zeros([BLOCK_P, BLOCK_N], exact)
    for start in range(0, P, BLOCK_P):
        rows = start + tl.arange(0, BLOCK_P).to(tl.int64)
        inside = (rows < P)[:, None] & (columns < N)[None, :]
        total += _load(parts, (2 * N, 1), rows, columns, inside, exact)
    tl.store(target + columns, tl.sum(total, axis=0).to(target.dtype.element_ty), columns < N)


@triton.jit(do_not_specialize=["P"])
def sum_parts(
    dw_parts: tl.tensor,
    db_parts: tl.tensor,
    dw: tl.tensor,
    db: tl.tensor,
    P: tl.tensor,
    N: tl.tensor,
    BLOCK_P: tl.constexpr,
    BLOCK_N: tl.constexpr,
) -> None:
    """Sum the P parts of dw and db in a fixed order, so that the same call gives the same bits."""
    if dw is not None:
        _sum_into(dw, dw_parts, P, N, BLOCK_P, BLOCK_N)
    if db is not None:
        _sum_into(db, db_parts, P, N, BLOCK_P, BLOCK_N)
