"""dw and db: each program's part of them, and the sum of all parts in a fixed order.

Where a pointer is None, what would be done with it is not compiled.
"""
# ruff: noqa: N803  (Triton's constants are upper case everywhere, and so are P and N)

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

from lnbench.operations.layernorm.triton_tiles import load_tile


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
