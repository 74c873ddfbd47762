"""How much memory is free, and whether a case fits in it."""

import os
from pathlib import Path

from lnbench.units import format_bytes

_MEMINFO = Path("/proc/meminfo")
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_CGROUP_USED = Path("/sys/fs/cgroup/memory.current")

FREE_SHARE = 0.5
"""A case may take this share of the free memory: page cache and others need the rest."""

WORKER_SHARE = 0.8
"""One process may take this share before its allocations fail."""

_MAKER_COPIES = 3
"""Inputs and float64 truth, in the process that makes them and in the files, in units of what one
backend needs."""


def free_bytes() -> int:
    """Return the memory that new processes can have, within the cgroup's limit."""
    free = _available()
    try:
        limit, used = _CGROUP_LIMIT.read_text().strip(), int(_CGROUP_USED.read_text())
    except (OSError, ValueError):
        return free
    return free if limit == "max" else min(free, max(0, int(limit) - used))


def fitting(backends: int, backend_bytes: int, free: int) -> int:
    """Return how many backends of a case fit beside each other in the free memory's share."""
    room = free * FREE_SHARE - _MAKER_COPIES * backend_bytes
    return backends if backend_bytes == 0 else max(0, min(backends, int(room // backend_bytes)))


def needed_bytes(backend_bytes: int) -> int:
    """Return what a case needs with one backend at a time."""
    return (1 + _MAKER_COPIES) * backend_bytes


def _available() -> int:
    try:
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def refusal(backend_bytes: int) -> str:
    """Return why a case is skipped, and what it would need."""
    needed, free = format_bytes(needed_bytes(backend_bytes)), format_bytes(free_bytes())
    return f"needs about {needed} of memory, half of the free {free} may be used: take less"
