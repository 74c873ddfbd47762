"""The clocks: the host's, that of a device by `cuda_timing`, and the flush for a cold cache."""

import itertools
import math
import statistics
import time
from collections.abc import Callable
from functools import cache

from lnbench.backend import Timer
from lnbench.plan.case import Cache, Case
from lnbench.record.machine import last_level_cache_bytes

_MOST_ITERATIONS = 100_000_000  # a call of a nanosecond would take a tenth of a second
_FLUSH_FACTOR = 2  # a stream of twice the cache leaves nothing of what was there


class HostTimer:
    """Times calls that have ended when they return, by the host's monotonic clock."""

    def __init__(
        self, cache_state: Cache = Cache.HOT, synchronize: Callable[[], object] | None = None
    ) -> None:
        self.resolution_s = _host_resolution()
        self._synchronize = synchronize or _nothing
        self._flush = _host_flush() if cache_state is Cache.COLD else None

    def time(self, run: Callable[[], object], iterations: int) -> float:
        """Return the seconds of `iterations` calls; a flush before each is outside the time."""
        if self._flush is None:
            return self._stretch(run, iterations)
        total = 0.0
        for _ in itertools.repeat(None, iterations):
            self._flush()
            total += self._stretch(run, 1)
        return total

    def synchronize(self) -> None:
        """Wait until the device has done all that it was asked."""
        self._synchronize()

    def details(self) -> dict[str, str | float]:
        """Return what the report says of this clock."""
        return {"clock": "host", "clock resolution_s": self.resolution_s}

    def _stretch(self, run: Callable[[], object], iterations: int) -> float:
        synchronize = self._synchronize
        rounds = itertools.repeat(None, iterations)
        start = time.perf_counter_ns()
        for _ in rounds:
            run()
        synchronize()
        return (time.perf_counter_ns() - start) * 1e-9


def device_timer(case: Case) -> Timer:
    """Return the clock for a case's device and cache state, for frameworks on torch's streams."""
    cache_state = case.options.cache
    if case.device_type == "cpu":
        return HostTimer(cache_state)
    if case.device_type == "cuda":
        from lnbench.measure.cuda_timing import CudaTimer
        from lnbench.measure.stream import CudaStream

        return CudaTimer(CudaStream(case.device), cold=cache_state is Cache.COLD)
    import torch

    if cache_state is Cache.COLD:
        raise ValueError(f"a cold cache cannot be made on {case.device_type}")
    return HostTimer(cache_state, lambda: torch.accelerator.synchronize(case.device))


def iterations_for(timer: Timer, run: Callable[[], object], error: float = 1e-3) -> int:
    """Return how many calls make the clock's resolution at most `error` of a sample."""
    needed = timer.resolution_s / error
    iterations = 1
    while True:
        # The shortest of a few: one interrupted call must not pass for a long one.
        taken = min(timer.time(run, iterations) for _ in range(5))
        if taken >= needed:
            return iterations
        if taken <= 0 and iterations >= _MOST_ITERATIONS:
            raise RuntimeError(f"the clock shows no time for {iterations} calls")
        # A first guess may rest on a handful of ticks: grow at most tenfold, then look again.
        growth = needed / taken * 1.1 if taken > 0 else 10.0
        iterations = math.ceil(iterations * min(max(growth, 1.1), 10.0))


def _nothing() -> None:
    """Wait for nothing: the call has ended when it returns."""


@cache
def _host_resolution() -> float:
    """Return the median cost and step of the clock, from two hundred back-to-back readings."""
    clock = time.perf_counter_ns
    steps = []
    for _ in range(200):
        start = clock()
        end = clock()
        while end == start:
            end = clock()
        steps.append(end - start)
    return statistics.median(steps) * 1e-9


@cache
def _host_flush() -> Callable[[], object]:
    """Return a call that streams through memory until the last-level cache holds nothing else."""
    import numpy as np

    stream = np.ones(_FLUSH_FACTOR * last_level_cache_bytes() // 8, dtype=np.int64)
    return stream.sum
