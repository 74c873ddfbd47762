"""The clocks: the host's, that of a device by `cuda_timing`, and the flush for a cold cache."""

import itertools
import math
import statistics
import sys
import time
from collections.abc import Callable
from functools import cache

from lnbench.backend import Timer
from lnbench.plan.case import Cache, Case
from lnbench.record.machine import last_level_cache_bytes

_MOST_ITERATIONS = 100_000_000  # a call of a nanosecond would take a tenth of a second
_clock_ns = time.perf_counter_ns  # as it is before any plug-in is there
_FLUSH_FACTOR = 2  # a stream of twice the cache leaves nothing of what was there


class HostTimer:
    """Times calls that have ended when they return, by the host's monotonic clock."""

    def __init__(
        self,
        cache_state: Cache = Cache.HOT,
        synchronize: Callable[[], object] | None = None,
        clock_ns: Callable[[], int] = _clock_ns,
    ) -> None:
        self._clock_ns = clock_ns
        self.resolution_s = _host_resolution()
        self._synchronize = synchronize or _nothing
        self._flush = _host_flush() if cache_state is Cache.COLD else None

    def time(self, run: Callable[[], object], iterations: int) -> float:
        """Return the seconds of `iterations` calls; a flush before each is outside the time."""
        return self.sample(run, iterations)[0]

    def sample(self, run: Callable[[], object], iterations: int) -> tuple[float, object]:
        """Return the seconds of `iterations` calls, and what the last of them returned."""
        if self._flush is None:
            return self._stretch(run, iterations)
        total, results = 0.0, None
        for _ in itertools.repeat(None, iterations):
            results = None  # or its memory would be missing in the next call
            self._flush()
            seconds, results = self._stretch(run, 1)
            total += seconds
        return total, results

    def synchronize(self) -> None:
        """Wait until the device has done all that it was asked."""
        self._synchronize()

    def details(self) -> dict[str, str | float]:
        """Return what the report says of this clock."""
        return {"clock": "host", "clock resolution_s": self.resolution_s}

    def _stretch(self, run: Callable[[], object], iterations: int) -> tuple[float, object]:
        if not iterations:
            return 0.0, None
        clock, synchronize = self._clock_ns, self._synchronize
        rounds = itertools.repeat(None, iterations - 1)
        hooks = _hooks()
        start = clock()
        for _ in rounds:
            run()  # only of the last call is anything held: memory comes round as a user's does
        results = run()
        synchronize()
        end, hooks_now = clock(), _hooks()  # in one line, before the next that is traced
        if hooks_now != hooks:
            raise RuntimeError("it set a profiler or tracer while it was timed")
        return (end - start) * 1e-9, results


def _hooks() -> tuple[object, object]:
    """Return what Python calls beside a function's own lines, such as when it returns."""
    return sys.gettrace(), sys.getprofile()


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


def iterations_for(
    timer: Timer,
    run: Callable[[], object],
    error: float = 1e-3,
    renew: Callable[[], object] | None = None,
) -> int:
    """Return how many calls make the clock's resolution at most `error` of a sample.

    `renew` gives the inputs new values before calls are timed: what is kept of them is no help.
    """
    renew = renew or _nothing
    needed = timer.resolution_s / error
    iterations = 1
    while True:
        # The shortest of a few: one interrupted call must not pass for a long one.
        taken = min(_after(renew, timer, run, iterations) for _ in range(5))
        if taken >= needed:
            return iterations
        if taken <= 0 and iterations >= _MOST_ITERATIONS:
            raise RuntimeError(f"the clock shows no time for {iterations} calls")
        # A first guess may rest on a handful of ticks: grow at most tenfold, then look again.
        growth = needed / taken * 1.1 if taken > 0 else 10.0
        iterations = math.ceil(iterations * min(max(growth, 1.1), 10.0))


def _after(
    renew: Callable[[], object], timer: Timer, run: Callable[[], object], iterations: int
) -> float:
    renew()
    return timer.time(run, iterations)


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
