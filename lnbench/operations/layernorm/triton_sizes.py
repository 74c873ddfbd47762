"""How many rows and programs are under way at once, by the device's cache and multiprocessors."""

from typing import Any

import triton

from lnbench.operations.layernorm.triton_choice import (
    cache_bytes,
    processor_count,
    shared_bytes,
)
from lnbench.operations.layernorm.triton_tiers import SINGLE_ROWS, Configuration

REGISTERS = 128
"""Most of a thread where programs share the rows: one more, and one program fewer is resident than
were launched, so that the last ones have the device to themselves."""

_CACHE_SHARE = 2  # half of the cache for x and dy, the other half for what is written beside them
_WARPS_PER_PROCESSOR = 16  # at REGISTERS a thread
_ROWS_PER_PROGRAM = 16  # fewer, and the parts of dw and db cost as much traffic as x
_SPARE_BYTES = 2048  # of shared memory, for what the warps of a program tell each other
_ALIGNED_ROWS = 16  # of one byte an element and more, they end where 16 bytes do


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
    resident = processors * max(1, _WARPS_PER_PROCESSOR // cut.num_warps)
    wanted = max(triton.cdiv(processors, slabs), triton.cdiv(rows, _ROWS_PER_PROGRAM))
    return max(1, min(tiles, wanted, resident // slabs))


def fitting_stages(cut: Configuration, *loaded: Any) -> int:
    """Return how many tiles may be under way, of which all but one are in shared memory."""
    row_bytes = sum(each.element_size() for each in loaded if each is not None)
    ahead = (shared_bytes(loaded[0].device) - _SPARE_BYTES) // (
        cut.block_m * cut.block_n * row_bytes
    )
    return max(1, min(cut.stages, 1 + ahead))
