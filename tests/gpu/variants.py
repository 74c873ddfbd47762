"""Cuts worth timing on a device beside the table's own, chosen by docs/gpu-model.md.

Each compiles for compute capability 9.0 by Triton 3.6.0 and 3.7.1, spills at most 200 bytes a
thread and fits in the shared memory of a multiprocessor.
"""

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


def _rows(width, warps, height=1, **fields):
    return Configuration("rows", height, width, warps)._replace(**fields)


def _stream(width, warps, height=1, stages=3, **fields):
    return Configuration("stream", height, width, warps, stages)._replace(**fields)


def _looped(tier, step, warps, stages, **fields):
    return Configuration(tier, 1, step, warps, stages, registers=64)._replace(**fields)


def _forward(width, halves, table):
    if width == 1024:
        return {
            "a row a warp": _rows(width, 1),
            "a row of two warps": _rows(width, 2),
            "two rows": _rows(width, 4, 2),
            "two rows of eight warps": _rows(width, 8, 2),
            "eight rows": _rows(width, 8, 8),
            "stream, four rows": _stream(width, 4, 4, programs=6),
            "stream, two rows": _stream(width, 4, 2, programs=8),
        }
    if width == 2048:
        return {
            "a row a warp": _rows(width, 1),
            "two warps": _rows(width, 2),
            "eight warps": _rows(width, 8),
            "two rows of eight warps": _rows(width, 8, 2),
            "stream": _stream(width, 4, programs=8),
            "stream, eight warps": _stream(width, 8, programs=4),
        }
    if width == 4096:
        return {
            "two warps": _rows(width, 2),
            "four warps": _rows(width, 4),
            "sixteen warps": _rows(width, 16),
            "stream": _stream(width, 8, programs=4, registers=64),
            "stream, sixteen warps": _stream(width, 16, programs=2, registers=64),
        }
    if width == 8192:
        return {
            "four warps": _rows(width, 4),
            "sixteen warps": _rows(width, 16, registers=64),
            "stream": _stream(width, 16, programs=2, registers=64),
            "stream, two stages": _stream(width, 16, stages=2, programs=2, registers=64),
            "stream, eight warps": _stream(width, 8, programs=2 if halves else 1),
        }
    if width == 16384:
        return {
            "registers free": _rows(width, 16),
            "32 warps": _rows(width, 32),
            "stream, 32 warps": _stream(width, 32, stages=2),
            "stream, 32 warps, three stages": _stream(width, 32),
            "stream, sixteen warps": _stream(width, 16, stages=2),
            "looped": _looped("looped", 4096, 16, 3),
            "lanes": _looped("lanes", 4096, 16, 3),
        }
    return _forward_widest(width, halves)


def _forward_widest(width, halves):
    loops = {
        "lanes": _looped("lanes", 4096, 16, 3, programs=2),
        "lanes, four stages": _looped("lanes", 4096, 16, 4, programs=2 if halves else 1),
        "lanes, 32 warps": _looped("lanes", 8192, 32, 3, programs=1),
        "looped, 4096": _looped("looped", 4096, 16, 3, programs=2),
        "looped, 4096, four stages": _looped("looped", 4096, 16, 4, programs=2 if halves else 1),
        "looped, a program more": _looped("looped", 8192, 16, 3 if halves else 2, programs=2),
        "looped, 32 warps": _looped("looped", 8192, 32, 3, programs=1),
    }
    if width > 32768:
        return loops
    if halves:
        del loops["looped, a program more"]  # as the table has it
    return loops | {
        "whole, 32 warps": _rows(width, 32),
        "stream, 32 warps": _stream(width, 32, stages=2),
        "stream, sixteen warps": _stream(width, 16, stages=2),
    }


def _backward(width, halves, table):
    early = {
        "early": table._replace(overlap=1),
        "early, 256 parts": table._replace(overlap=1, parts=256),
    }
    if width == 1024:
        return early | {
            "256 parts": table._replace(parts=256),
            "early, 512 parts": table._replace(overlap=1, parts=512),
            "early, two programs": table._replace(overlap=1, parts=256, programs=2),
            "early, three programs": table._replace(overlap=1, parts=256, programs=3),
            "early, four rows of eight warps": _rows(
                width, 8, 4, stages=2, overlap=1, parts=256, programs=2
            ),
            "early, eight rows of sixteen warps": _rows(
                width, 16, 8, stages=2, overlap=1, parts=256, programs=1
            ),
            "early, a row, three stages": _rows(
                width, 4, stages=3, overlap=1, parts=256, programs=4
            ),
            "early, two stages": table._replace(overlap=1, parts=256, stages=2),
        }
    if width in (2048, 4096, 8192):
        warps, more = table.num_warps, {}
        if width < 8192:
            more["early, twice the warps, two rows"] = _rows(
                width, 2 * warps, 2, stages=2, overlap=1, parts=256
            )
            more["early, two programs"] = table._replace(overlap=1, parts=256, programs=2)
        else:
            more["whole, twice, ahead"] = Configuration("twice", 1, width, 16, ahead=1, overlap=1)
            more["sweeps, all kept"] = Configuration("sweeps", 1, width, 16, 3, chunk=4096)
        return (
            early
            | more
            | {
                "two stages": table._replace(stages=2),
                "three stages": table._replace(stages=3),
                "four stages": table._replace(stages=4),
                "twice the warps": table._replace(num_warps=min(32, 2 * warps)),
            }
        )
    if width == 16384:
        return early | {
            "ahead": table._replace(ahead=1),
            "ahead, early": table._replace(ahead=1, overlap=1, parts=256),
            "32 warps": table._replace(num_warps=32),
            "ahead, 32 warps": table._replace(num_warps=32, ahead=1),
            "columns": Configuration("columns", 2, 1024, 4, chunk=4096),
            **_swept(halves),
        }
    return {
        "columns, chunks of 4096": table._replace(chunk=4096),
        "columns, chunks of 8192": table._replace(chunk=8192),
        "columns, early": table._replace(chunk=4096, overlap=1),
        "columns, early, four programs": table._replace(chunk=4096, overlap=1, programs=4),
        **_swept(halves),
    }


def _swept(halves):
    def sweeps(kept, step, stages, warps=16, **fields):
        return Configuration("sweeps", 1, kept, warps, stages, chunk=step)._replace(**fields)

    found = {
        "sweeps, 8192 kept": sweeps(8192, 4096, 4),
        "sweeps, 8192 kept, ahead": sweeps(8192, 4096, 4, ahead=1),
        "sweeps, 4096 kept, two programs": sweeps(4096, 2048, 4, 8, registers=128, programs=2),
    }
    if halves:  # of 4 bytes an element, more than 200 are spilled
        found["sweeps, 16384 kept"] = sweeps(16384, 4096, 2)
        found["sweeps, 16384 kept, 32 warps"] = sweeps(16384, 8192, 2, 32)
    else:
        found["sweeps, 4096 kept"] = sweeps(4096, 4096, 4, ahead=1)
    return found
