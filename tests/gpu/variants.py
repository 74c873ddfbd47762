"""Cuts worth timing on a device beside the table's own, chosen by docs/gpu-model.md."""

import torch
import triton

from lnbench.operations.layernorm.triton_tiers import Configuration, Rows, heuristic
from lnbench.plan.case import Direction


def variants(direction: str, columns: int, dtype: torch.dtype) -> dict[str, Configuration]:
    """Return named cuts for rows of a width and type; the table's own is not among them."""
    table = heuristic(Direction(direction), columns, dtype, Rows.MANY)
    family = _forward if Direction(direction) is Direction.FORWARD else _backward
    width = triton.next_power_of_2(columns)
    found = family(width, dtype is torch.bfloat16, table)
    return {name: cut for name, cut in found.items() if cut != table}


def _forward(width, halves, table):
    found = {}
    if width >= 8192:
        for tier in ("looped", "lanes"):
            for step, warps in (
                (2048, 4),
                (2048, 8),
                (4096, 8),
                (4096, 16),
                (8192, 16),
                (8192, 32),
                (2048, 16),
                (4096, 32),
            ):
                name = f"{tier} {step}, {warps} warps"
                found[name] = Configuration(tier, 1, step, warps, programs=64)
        for step, warps, programs in (
            (8192, 32, 1),
            (8192, 16, 2),
            (4096, 16, 2),
            (4096, 8, 3),
            (4096, 8, 4),
        ):
            name = f"lanes {step}, {warps} warps, {programs} stay"
            found[name] = Configuration("lanes", 1, step, warps, programs=programs)
    if width in (16384, 32768):
        found["whole, 32 warps"] = Configuration("rows", 1, width, 32)
    if width <= 4096:
        found["one row, four warps"] = Configuration("rows", 1, width, 4)
        found["one row, two warps"] = Configuration("rows", 1, width, 2)
    if width <= 1024:
        found["two rows, eight warps"] = Configuration("rows", 2, width, 8)
        found["two rows, four warps"] = Configuration("rows", 2, width, 4)
        found["four rows, eight warps"] = Configuration("rows", 4, width, 8)
    return found


def _backward(width, halves, table):
    early = table._replace(overlap=1)
    if width <= 8192:
        found = {"early": early}
        for stages in (2, 3, 4):
            found[f"early, {stages} stages"] = early._replace(stages=stages)
        found["early, 4 programs"] = early._replace(programs=4)
        if width <= 1024:
            found["early, a row, 3 stages"] = Configuration(
                "rows", 1, width, 4, stages=3, overlap=1, programs=4
            )
            found["early, a row, 4 stages"] = Configuration(
                "rows", 1, width, 4, stages=4, overlap=1, programs=4
            )
            found["early, a row of two warps"] = Configuration(
                "rows", 1, width, 2, stages=3, overlap=1, programs=8
            )
        if width <= 2048:
            found["early, a row of eight warps"] = Configuration(
                "rows", 1, width, 8, stages=3, overlap=1, programs=2
            )
        return found
    found = {}
    if width == 16384:
        found["early"] = early
        found["early, by thread"] = early._replace(ahead=1)
        for warps, stages in ((16, 2), (32, 2), (16, 3), (32, 3)):
            found[f"whole, {warps} warps, {stages} stages"] = Configuration(
                "rows", 1, width, warps, stages=stages, overlap=1
            )
    for step in (2048, 4096, 8192):
        found[f"separate, {step}"] = Configuration(
            "separate", 2, 1024, 4, stages=3, chunk=step, overlap=1
        )
    for height, block, warps, stages in (
        (1, 2048, 4, 4),
        (4, 1024, 8, 3),
        (4, 512, 4, 4),
        (8, 512, 8, 3),
    ):
        found[f"separate, tiles {height}x{block}, {stages} stages"] = Configuration(
            "separate", height, block, warps, stages=stages, chunk=4096, overlap=1
        )
    return found
