"""The processor's own counts of a stretch of work, by Linux's perf_event_open and nothing else.

Of user space alone, which `kernel.perf_event_paranoid` at 2, the usual value, allows everybody. A
counter of a thread counts that thread, and those that it starts later: every thread of the process
has its own (perf_event_open(2)).
"""

import ctypes
import errno
import fcntl
import os
import platform
import struct
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

_NUMBERS = {"x86_64": 298, "aarch64": 241}  # of the system call

_DISABLED, _INHERIT, _NO_KERNEL, _NO_HYPERVISOR = (1 << bit for bit in (0, 1, 5, 6))
_ATTRIBUTE = struct.Struct("IIQQQQQ16x")  # perf_event_attr as of PERF_ATTR_SIZE_VER0
_TIMES = 1 | 2  # read_format: how long it was wanted, and how long a register was free for it
_COUNT = struct.Struct("QQQ")
_ENABLE, _DISABLE = 0x2400, 0x2401  # ioctls of linux/perf_event.h

_HARDWARE, _CACHE = 0, 3
_DATA_TLB_READ_MISS = 3 | 0 << 8 | 1 << 16

LLC_MISSES = "LLC misses"
EVENTS: Mapping[str, tuple[int, int]] = {
    "instructions": (_HARDWARE, 1),
    "cycles": (_HARDWARE, 0),
    LLC_MISSES: (_HARDWARE, 3),
    "dTLB misses": (_CACHE, _DATA_TLB_READ_MISS),
}
"""Name of a count → its type and number in linux/perf_event.h."""

_PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")


class CountersError(Exception):
    """Nothing can be counted here; the text says why."""


def counted(
    work: Callable[[], object], events: Mapping[str, tuple[int, int]] = EVENTS
) -> dict[str, float]:
    """Return what a call of `work` counts, by name; what the processor lacks is left out.

    Where more is counted than it has registers for, they take turns, and counts are extrapolated.

    Raises:
        CountersError: it has none of them, or may not be asked.
    """
    with ExitStack() as stack:
        opened: list[tuple[str, int]] = []
        problems: list[OSError] = []
        for name, event in events.items():
            try:
                for thread in _threads():
                    descriptor = _open(event, thread)
                    stack.callback(os.close, descriptor)
                    opened.append((name, descriptor))
            except OSError as error:
                problems.append(error)
        if not opened:
            raise CountersError(_reason(problems[0]))
        for how in (_ENABLE, _DISABLE):
            for _, descriptor in opened:
                fcntl.ioctl(descriptor, how, 0)
            if how == _ENABLE:
                work()
        counts: dict[str, float] = {}
        for name, descriptor in opened:
            counts[name] = counts.get(name, 0.0) + _read(descriptor)
        return counts


def _threads() -> list[int]:
    return [int(path.name) for path in Path("/proc/self/task").iterdir()]


def _open(event: tuple[int, int], thread: int) -> int:
    """Return the descriptor of a counter of a thread that does not count yet; OSError where none.

    One that has ended meanwhile counts nothing.
    """
    number = _NUMBERS.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    kind, config = event
    flags = _DISABLED | _INHERIT | _NO_KERNEL | _NO_HYPERVISOR
    attribute = _ATTRIBUTE.pack(kind, _ATTRIBUTE.size, config, 0, 0, _TIMES, flags)
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.syscall(number, attribute, thread, -1, -1, 0)
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return descriptor


def _read(descriptor: int) -> float:
    count, wanted, counting = _COUNT.unpack(os.read(descriptor, _COUNT.size))
    return float(count * wanted / counting) if counting else 0.0


def _reason(error: OSError) -> str:
    """Return why nothing is counted, and what would change that."""
    if error.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV):
        return "this processor shows no counters, as in most virtual machines"
    if error.errno in (errno.EACCES, errno.EPERM):
        level = _PARANOID.read_text().strip() if _PARANOID.exists() else "?"
        return (
            f"counters are not permitted (kernel.perf_event_paranoid is {level}, a container may "
            "forbid them too): sudo sysctl kernel.perf_event_paranoid=2"
        )
    if error.errno == errno.ENOSYS:
        return "counters are read on Linux alone, on x86-64 and Arm"
    return f"counters cannot be opened: {error.strerror}"
