"""A planted slowdown, so that what a comparison can detect is known and not believed."""

import time
from collections.abc import Callable
from typing import Any, TypeAlias

from lnbench.backend import Timer

Call: TypeAlias = Callable[[], Any]

_CALLS = 10  # to know the device's time of a call
_WAKE_NS = 60  # what the two readings of the clock and the loop's last turn add


def slowing(run: Call, share: float, timer: Timer, device: str) -> Callable[[Call], Call]:
    """Return what turns a call into one that does its work and then the given share more.

    On a GPU the device waits for that share of its own time; elsewhere the caller does.

    Args:
        run: one iteration, by which the device's own time is known.
        share: above 0; 0.1 makes a call take 10 % longer.
        timer: the clock of the device.
        device: where the work is done.
    """
    return _on_cuda(run, share, timer) if device.startswith("cuda") else _on_host(share)


def _on_host(share: float) -> Callable[[Call], Call]:
    clock = time.perf_counter_ns

    def slower(run: Call) -> Call:
        def longer() -> Any:
            start = clock()
            results = run()
            now = clock()
            end = now + int((now - start) * share) - _WAKE_NS
            while now < end:
                now = clock()
            return results

        return longer

    return slower


def _on_cuda(run: Call, share: float, timer: Timer) -> Callable[[Call], Call]:
    import torch

    run()
    timer.synchronize()
    seconds = timer.time(run, _CALLS) / _CALLS
    cycles = 1_000_000
    cycle_s = timer.time(lambda: torch.cuda._sleep(cycles), 1) / cycles  # noqa: SLF001
    wait = round(seconds * share / cycle_s)

    def slower(run: Call) -> Call:
        def longer() -> Any:
            results = run()
            torch.cuda._sleep(wait)  # noqa: SLF001
            return results

        return longer

    return slower
