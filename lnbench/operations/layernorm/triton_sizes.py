"""How many rows and programs are under way at once, by the device's cache and multiprocessors."""

from typing import Any

import triton

from lnbench.operations.layernorm.triton_choice import cache_bytes, processor_count
from lnbench.operations.layernorm.triton_tiers import SINGLE_ROWS, Configuration

_CACHE_SHARE = 2  # half of the cache for x and dy, the other half for what is written beside them
_REGISTERS = 65536  # of a multiprocessor, compute capability 7.0 to 10.0
_LEAST_SHARED_BYTES = 99 << 10  # that a program may have on any device from compute capability 8.0
_WARPS_PER_PROCESSOR = 16  # at 128 registers a thread
_ROWS_PER_PROGRAM = 16  # fewer, and the parts of dw and db cost as much traffic as x
_ALIGNED_ROWS = 16  # of one byte an element and more, they end where 16 bytes do


def rows_under_way(x: Any, cut: Configuration) -> int:
    """Return how many rows are taken at once, so that a second reading finds them cached.

    No more than programs are resident: the last to start would have the device to themselves.
    """
    rows, columns = x.shape
    processors = processor_count(x.device)
    fitting = cache_bytes(x.device) // _CACHE_SHARE // (columns * x.element_size())
    resident = _REGISTERS // (32 * cut.num_warps * (cut.registers or 128))
    each = cut.programs or min(fitting // processors, resident)
    return min(rows, max(1, each) * processors)


def looped_stages(x: Any, vectors: tuple[Any, ...], cut: Configuration) -> int:
    """Return how many chunks are under way: fewer where wider weights take the shared memory."""
    sizes = [each.element_size() for each in vectors if each is not None]
    if max(sizes, default=0) <= x.element_size():
        return cut.stages
    chunk_bytes = cut.block_n * (x.element_size() + sum(sizes))
    return min(cut.stages, 1 + _LEAST_SHARED_BYTES // chunk_bytes)


def group_height(x: Any, cut: Configuration) -> int:
    """Return how many rows are taken at once: all, or where they are read twice what stays cached.

    A multiple of 16, so that every group is aligned as the first is, and none compiles anew.
    """
    rows, columns = x.shape
    if cut.tier != "columns":
        return rows
    row_bytes = 2 * columns * x.element_size()
    fitting = cache_bytes(x.device) // _CACHE_SHARE // row_bytes
    return max(_ALIGNED_ROWS, cut.block_m, fitting // _ALIGNED_ROWS * _ALIGNED_ROWS)


def program_count(rows: int, slabs: int, cut: Configuration, device: Any) -> int:
    """Return how many programs share the tiles of rows: enough to fill the device, few parts."""
    if rows <= SINGLE_ROWS:
        return 1
    processors = processor_count(device)
    tiles = triton.cdiv(rows, cut.block_m)
    if cut.programs:
        return max(1, min(tiles, triton.cdiv(processors * cut.programs, slabs)))
    resident = processors * max(1, _WARPS_PER_PROCESSOR // cut.num_warps)
    wanted = max(triton.cdiv(processors, slabs), triton.cdiv(rows, _ROWS_PER_PROGRAM))
    return max(1, min(tiles, wanted, triton.cdiv(resident, slabs)))
