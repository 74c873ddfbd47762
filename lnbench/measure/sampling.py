"""One sample, taken so that nothing but the routine is in it, and what it cost in memory."""

import ctypes
import gc
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lnbench.backend import Timer
from lnbench.measure.cuda_timing import CudaTimer
from lnbench.measure.timing import HostTimer

WARM_UP_S = 5e-4
"""How long a hot sample is preceded by untimed calls, of which there is at least one."""

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


def take_sample(
    run: Callable[[], object],
    timer: Timer,
    iterations: int,
    *,
    warm: bool,
    renew: Callable[[], None] = lambda: None,
) -> tuple[float, float, Any]:
    """Return seconds and page faults per iteration of one sample, and the last call's results.

    Where it is to be `warm`, untimed calls come first: while the process was stopped, others used
    the caches. `renew` comes after them.
    """
    with no_collection():
        if warm:
            warm_up(run, timer)
        renew()
        before = _faults()
        seconds, results = timed(timer, run, iterations)
        faults = _faults() - before
    return seconds / iterations, faults / iterations, results


def timed(timer: Timer, run: Callable[[], object], iterations: int) -> tuple[float, Any]:
    """Return the seconds of calls, and the last one's results, which a plug-in's clock drops."""
    if isinstance(timer, HostTimer | CudaTimer):
        return timer.sample(run, iterations)
    held: list[Any] = [None]

    def holding() -> Any:
        held[0] = None
        held[0] = run()
        return held[0]

    return timer.time(holding, iterations), held[0]


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def warm_up(run: Callable[[], object], timer: Timer) -> None:
    """Call until calls are as fast as they get: once, or for half a millisecond.

    After a single call of 40 µs the next one still takes 2 to 10 % longer than those behind it,
    and a sample of one would not compare with a sample of two (docs/decisions/0016).
    """
    end = time.perf_counter() + WARM_UP_S
    while True:
        run()
        timer.synchronize()
        if time.perf_counter() >= end:
            return


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector out of a timed stretch."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def peak_extra_bytes(run: Callable[[], object], device: str) -> int | None:
    """Return the peak memory of one call beyond what was there before it, or None if unreadable.

    On the CPU that is the peak resident size of the process, on CUDA torch's own count.
    """
    if device.startswith("cuda"):
        import torch

        before: int = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        return int(torch.cuda.max_memory_allocated(device)) - before
    if device != "cpu" or not sys.platform.startswith("linux"):
        run()
        return None
    try:
        _release_free_memory()
        _CLEAR_REFS.write_text("5")  # resets the peak (proc(5))
        before = _status_bytes("VmRSS")
        run()
        return max(0, _status_bytes("VmHWM") - before)
    except (OSError, KeyError):
        return None


def kernel_count(run: Callable[[], object], device: str) -> int | None:
    """Return how many kernels one call launches on a CUDA device; None where none can be seen.

    Equal work shows in it: a call of five kernels moves its operands several times.
    """
    if not device.startswith("cuda"):
        return None
    import torch

    try:
        # The one within torch.profiler's, which imports inductor first: seconds in each worker.
        kinds = {"use_cpu": False, "use_device": "cuda", "use_kineto": True}
        with torch.autograd.profiler.profile(**kinds) as seen:
            run()
            torch.cuda.synchronize(device)
    # No CUPTI here, or another profiler at work: a count that is wanted, not needed.
    except Exception:  # noqa: BLE001
        return None
    kind = torch.autograd.DeviceType.CUDA
    return sum(event.device_type == kind for event in seen.function_events) or None


def _release_free_memory() -> None:
    """Give back what earlier calls left in glibc's heap: reused pages would hide in the peak."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _status_bytes(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise KeyError(field)


def stopwatch(run: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a call returns and the host seconds that it took."""
    start = time.perf_counter()
    result = run()
    return result, time.perf_counter() - start
