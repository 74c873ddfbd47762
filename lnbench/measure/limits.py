"""What no kernel can be faster than, whatever its clock says."""

import os

from lnbench import registry
from lnbench.plan.case import Case, Work
from lnbench.units import format_bytes, format_time

_CORE_BYTES_A_SECOND = 128 * 6e9
"""Two loads or stores of 64 bytes a cycle at 6 GHz: twice what a core of 2026 does at most."""

_DEVICE_BYTES_A_SECOND = 4 * 8e12
"""Four times the fastest data sheet (B200: 8 TB/s): sets that fit a GPU's L2 are faster."""


def compulsory(case: Case, backend: str) -> Work:
    """Return the least work of a case, or what the speed limit moves in its stead."""
    operation = registry.operation(case.operation)
    if not registry.is_limit(backend):
        return operation.work(case)
    moved = operation.bulk(case).arrays_moved
    return Work(moved * case.rows * case.columns * case.dtype.itemsize, 0)


def impossible(time_s: float, work: Work, case: Case) -> str:
    """Return why no call can have taken so short a time, or so odd a one; empty where it can.

    Args:
        time_s: seconds a call.
        work: what it must move.
        case: on which device.
    """
    if not 0 < time_s < float("inf"):
        return f"impossible: its clock says {time_s} seconds a call"
    on_cpu = case.device_type == "cpu"
    cores = os.cpu_count() or 1
    rate = _CORE_BYTES_A_SECOND * cores if on_cpu else _DEVICE_BYTES_A_SECOND
    if time_s * rate >= work.bytes_moved:
        return ""
    who = f"{cores} core{'s' * (cores > 1)}" if on_cpu else "a GPU"
    return (
        f"impossible: {format_time(time_s)} a call, in which {who} cannot move the "
        f"{format_bytes(work.bytes_moved)} that it must read and write"
    )
