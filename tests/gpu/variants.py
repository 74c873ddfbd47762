"""Cuts worth timing on a device beside the table's own; what won before is in the table."""

import torch
import triton

from lnbench.operations.rowwise.triton.tiers import Configuration, Rows, candidates, heuristic
from lnbench.plan.case import Direction

MOST = 12


def variants(direction: str, columns: int, dtype: torch.dtype) -> dict[str, Configuration]:
    """Return named cuts for rows of a width and type; the table's own is not among them."""
    wanted = Direction(direction)
    table = heuristic(wanted, columns, dtype, Rows.MANY)
    width, halves = triton.next_power_of_2(columns), dtype.itemsize == 2
    found = (_forward if wanted is Direction.FORWARD else _backward)(width, halves, table)
    near = list(candidates(wanted, columns, dtype, Rows.MANY))[1:]
    step = max(1, len(near) // max(1, MOST - len(found)))
    found |= {_name(cut): cut for cut in near[::step]}
    return {name: cut for name, cut in found.items() if cut != table}


def _forward(width: int, halves: bool, table: Configuration) -> dict[str, Configuration]:
    """Rows in chunks where the table holds them whole, and whole where it does not."""
    found = {}
    if width >= 8192:
        step = 8192 if halves else 4096
        found["in chunks"] = Configuration("looped", 1, step, 16)
        found["in short chunks"] = Configuration("looped", 1, step // 2, 8)
    if 8192 <= width <= 32768:
        found["whole, 32 warps"] = Configuration("rows", 1, width, 32)
        found["whole, registers free"] = table._replace(registers=0)
    return found


def _backward(width: int, halves: bool, table: Configuration) -> dict[str, Configuration]:
    """dx on its own where the table has all in one launch, and shorter steps where it has not."""
    if width < 16384:
        return {}
    found = {
        f"separate, steps of {step}": Configuration("separate", 2, 1024, 4, stages=3, chunk=step)
        for step in (2048, 4096, 8192)
    }
    return found | {"columns": Configuration("columns", 2, 1024, 4, chunk=4096)}


def _name(cut: Configuration) -> str:
    stages = f", {cut.stages} stages" if cut.stages > 1 else ""
    registers = f", {cut.registers} registers" if cut.registers else ""
    return f"{cut.tier} {cut.block_m}x{cut.block_n}, {cut.num_warps} warps{stages}{registers}"
