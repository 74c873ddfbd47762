"""What a process had of the CPUs, and waited for one, as far as the system counts it."""

import math
import time
from pathlib import Path


def waited_s(pid: int) -> float:
    """Return the seconds that a process was ready and had no CPU; NaN where nobody counts them."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) * 1e-9
    except (OSError, ValueError, IndexError):
        return math.nan


def had_s(pid: int) -> float:
    """Return the seconds that all threads of a process have had of its CPUs; 0 where it is gone.

    The clock of another process is -8 · pid - 6 to Linux (include/linux/posix-timers.h), finer
    than what psutil reads there; on macOS it is as fine.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except (OSError, OverflowError):
        return _by_psutil(pid)


def _by_psutil(pid: int) -> float:
    import psutil

    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)
