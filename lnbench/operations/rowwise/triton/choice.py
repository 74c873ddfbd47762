"""The launch configuration of a call: the table's or what `--autotune` found; and what ran."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch

from lnbench.arrays import torch_dtype
from lnbench.operations.rowwise.triton import tuning
from lnbench.operations.rowwise.triton.tiers import (
    Configuration,
    bucket,
    candidates,
    heuristic,
)
from lnbench.plan.case import Case, Direction

PROCESSORS_OF_CPU = 8
"""As many programs as keep the interpreter's tests honest and quick."""

CACHE_OF_CPU = 2**40
"""The interpreter has no cache to speak of."""

SHARED_OF_CPU = 227 << 10
"""As if a program of the interpreter had the shared memory of an H200."""

EARLY_ON_CPU = False
"""The interpreter knows no instructions of one architecture."""

_FIRST_EARLY = 9
"""The first major number of compute capability that has griddepcontrol."""

_LEAST_SHARED_BYTES = 99 << 10
"""What a program may have on any device from compute capability 8.0 on."""

_used: dict[tuple[Direction, int, torch.dtype, str], Configuration] = {}
"""The configurations that this process has run with, for the report."""


def chosen(
    direction: Direction, x: Any, flags: tuple[Any, ...], launch: Callable[[Configuration], None]
) -> Configuration:
    """Return the configuration for x and whatever else is there, and remember it for the report."""
    columns, dtype, rows = x.shape[1], x.dtype, bucket(x.shape[0], processor_count(x.device))
    configuration = heuristic(direction, columns, dtype, rows)
    if tuning.wanted():
        there = "".join(str(int(flag is not None)) for flag in flags)
        key = (_device_name(x.device), direction, str(columns), str(dtype), there, rows)
        configuration = tuning.tuned(key, candidates(direction, columns, dtype, rows), launch)
    _used[direction, columns, dtype, rows] = configuration
    return configuration


def processor_count(device: Any) -> int:
    """Return how many multiprocessors a device has."""
    return PROCESSORS_OF_CPU if device.type != "cuda" else _properties(device).multi_processor_count


def cache_bytes(device: Any) -> int:
    """Return the size of a device's last-level cache."""
    return CACHE_OF_CPU if device.type != "cuda" else _properties(device).L2_cache_size


def shared_bytes(device: Any) -> int:
    """Return how much shared memory a program may have."""
    if device.type != "cuda":
        return SHARED_OF_CPU
    return int(getattr(_properties(device), "shared_memory_per_block_optin", _LEAST_SHARED_BYTES))


def starts_early(device: Any) -> bool:
    """Return whether a device has what came with compute capability 9.0: early launches."""
    if device.type != "cuda":
        return EARLY_ON_CPU
    return torch.version.hip is None and _properties(device).major >= _FIRST_EARLY


@cache
def _properties(device: Any) -> Any:
    """Return what torch knows of a device, which every launch asks for."""
    return torch.cuda.get_device_properties(device)


def _device_name(device: Any) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def details(case: Case) -> Mapping[str, str | int | bool]:
    """Return the configurations of a case, run with in this process or to be, for the report."""
    shown: dict[str, str | int | bool] = {}
    dtype = torch_dtype(case.dtype)
    rows = bucket(case.rows, processor_count(torch.device(case.device)))
    for direction in (Direction.FORWARD, Direction.BACKWARD):
        if case.direction not in (direction, Direction.STEP):
            continue
        key = (direction, case.columns, dtype, rows)
        configuration = _used[key] if key in _used else heuristic(*key)
        shown[f"{direction} tier"] = configuration.tier
        shown[f"{direction} tile"] = f"{configuration.block_m}x{configuration.block_n}"
        shown[f"{direction} warps"] = configuration.num_warps
        if configuration.stages > 1:
            shown[f"{direction} stages"] = configuration.stages
        if configuration.chunk:
            shown[f"{direction} chunk"] = configuration.chunk
        if configuration.registers:
            shown[f"{direction} registers"] = configuration.registers
    return shown | {"autotuned": True} if tuning.wanted() else shown
