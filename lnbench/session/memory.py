"""How much memory is free, and whether a case fits in it."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from lnbench import registry
from lnbench.plan.case import Case
from lnbench.units import format_bytes

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_CGROUP_USED = Path("/sys/fs/cgroup/memory.current")

FREE_SHARE = 0.5
"""A case may take this share of the free memory: page cache and others need the rest."""

KEPT_SHARE = 0.25
"""Inputs that are kept for the next pass may take this share of what is free at a session's start:
of the memory, and of the disk where they lie on one."""

WORKER_SHARE = 0.8
"""One process may take this share before its allocations fail."""

_MAKER_COPIES = 3
"""Inputs and float64 truth, in the process that makes them and in the files, in units of what one
backend needs."""

DEVICE_SHARE = 0.9
"""Workers may take this share of an accelerator's free memory: its pages are large, some idle."""

CONTEXT_BYTES = 1 << 30
"""What a worker needs on an accelerator beside its case: context, kernels, the flush, inputs that
take turns."""


_ATTEMPTS = 4
_PAUSE_S = 0.25
"""Free memory is looked at again before a case is skipped: a worker that has just ended gives its
memory back a moment later, and a small virtual machine gets more of it as it asks."""


class MemoryFit(NamedTuple):
    """How much of a case fits in memory at a time."""

    concurrent: int
    """How many of its backends fit beside each other."""
    reason: str
    """Why not even one does; empty where one does."""


def fit(case: Case, backends: int, device_bytes: Mapping[str, int]) -> MemoryFit:
    """Return how many backends of a case fit beside each other, on the host and on its device.

    Args:
        case: what each computes.
        backends: how many there are.
        device_bytes: the memory that is free on each accelerator, where that is known.
    """
    size = registry.operation(case.operation).memory_bytes(case)
    for attempt in range(_ATTEMPTS):
        time.sleep(_PAUSE_S * (attempt > 0))
        free = free_bytes()
        concurrent = fitting(backends, size, free)
        if concurrent:
            break
    else:
        return MemoryFit(0, _reason(needed_bytes(size), f"half of the free {format_bytes(free)}"))
    device_free = device_bytes.get(case.device)
    if device_free is None:
        return MemoryFit(concurrent, "")
    concurrent = min(concurrent, fitting_on_device(backends, size, device_free))
    there = f"{DEVICE_SHARE:.0%} of the {format_bytes(device_free)} free on {case.device}"
    return MemoryFit(concurrent, "" if concurrent else _reason(size + CONTEXT_BYTES, there))


def free_bytes() -> int:
    """Return the memory that new processes can have, within the cgroup's limit."""
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        limit, used = _CGROUP_LIMIT.read_text().strip(), int(_CGROUP_USED.read_text())
    except (OSError, ValueError):
        return free
    return free if limit == "max" else min(free, max(0, int(limit) - used))


def worker_bytes() -> int:
    """Return the most that one worker on the CPU may take."""
    return int(free_bytes() * WORKER_SHARE)


def kept_bytes(folder: Path) -> int:
    """Return the most that the inputs of all cases may take in a folder between their passes."""
    return int(KEPT_SHARE * min(free_bytes(), shutil.disk_usage(folder).free))


def fitting(backends: int, backend_bytes: int, free: int) -> int:
    """Return how many backends of a case fit beside each other in the free memory's share."""
    usable = free * FREE_SHARE - _MAKER_COPIES * backend_bytes
    return backends if backend_bytes == 0 else max(0, min(backends, int(usable // backend_bytes)))


def fitting_on_device(backends: int, backend_bytes: int, free: int) -> int:
    """Return how many backends of a case fit beside each other in an accelerator's memory."""
    return min(backends, int(free * DEVICE_SHARE // (backend_bytes + CONTEXT_BYTES)))


def needed_bytes(backend_bytes: int) -> int:
    """Return what a case needs with one backend at a time."""
    return (1 + _MAKER_COPIES) * backend_bytes


def _reason(needed: int, share: str) -> str:
    """Return why a case is skipped, and what it would need."""
    return f"needs about {format_bytes(needed)} of memory, of which {share} may be used: take less"
