"""Backends that are each wrong in one way, under the contract: most of these tests must fail.

`test_testing.py` runs this file in a process of its own and looks at which ones do.
"""

import select
import threading
import time
from collections import deque
from time import sleep
from types import SimpleNamespace

import numpy as np
from lnbench_faulty import Kernels, Plain, Stale

from lnbench.measure.timing import HostTimer
from lnbench.plan.case import DType
from lnbench.testing import BackendContract


class Contract(BackendContract):
    """One element type is enough where the mistake is in all of them."""

    dtypes = (DType.FLOAT32,)


class TestPlain(BackendContract):
    backend = Plain


def kernels(forward=Kernels.forward, backward=Kernels.backward):
    def step(x, weight, bias, eps, dy):
        y, mean, rstd = forward(x, weight, bias, eps)
        return y, *backward(dy, x, mean, rstd, weight, bias is not None)

    return SimpleNamespace(forward=forward, backward=backward, step=step)


def with_variance(variance):
    """Return a forward kernel with another idea of the variance."""

    def forward(x, weight, bias, eps, out=None):
        y, mean, rstd = Kernels.forward(x, None, None, eps)
        if x.shape[1]:
            wide = x.astype(np.float64)
            with np.errstate(all="ignore"):
                rstd = (1 / np.sqrt(variance(x) + eps)).astype(rstd.dtype)
                y = (wide - wide.mean(axis=1, keepdims=True)) * rstd[:, None]
                y = y * (1 if weight is None else weight.astype(np.float64))
                y = (y + (0 if bias is None else bias.astype(np.float64))).astype(x.dtype)
        return Kernels.into(out, (y, mean, rstd))

    return forward


# Mistakes of kernels


def _with_its_own_eps(x, weight, bias, eps, out=None):
    return Kernels.forward(x, weight, bias, 1e-5, out)


def _swapped(dy, x, mean, rstd, weight, has_bias, out=None):
    dx, dw, db = Kernels.backward(dy, x, mean, rstd, weight, has_bias)
    both = dw is not None and db is not None
    return Kernels.into(out, (dx, db, dw) if both else (dx, dw, db))


def _moments(x):
    kind = np.result_type(x.dtype, np.float32)
    return (x.astype(kind) ** 2).mean(axis=1) - x.astype(kind).mean(axis=1) ** 2


class WrongEps(Plain):
    module = kernels(_with_its_own_eps)


class Unbiased(Plain):
    module = kernels(with_variance(lambda x: x.astype(np.float64).var(axis=1, ddof=1)))


class Moments(Plain):
    module = kernels(with_variance(_moments))


class Swapped(Plain):
    module = kernels(backward=_swapped)


class Forgets(Plain):
    """Computes the first rows only."""

    rows = 4096

    def spoil(self, call):
        def run():
            results = call()
            results[0][self.rows :] = 0
            return results

        return run


class ForgetsLater(Forgets):
    rows = 65536


# Mistakes of backends


class After(Plain):
    """Changes what some calls return."""

    def is_bad(self, number):
        return number > 100

    def spoil(self, call):
        calls = 0

        def run():
            nonlocal calls
            calls += 1
            off = 0.1 if self.is_bad(calls) else 0
            return tuple(None if each is None else each + each.dtype.type(off) for each in call())

        return run


class OnceWrong(After):
    def is_bad(self, number):
        return number == 50


class FirstSleeps(Plain):
    """Sleeps in its first call."""

    def nap(self):
        time.sleep(1e-3)

    def spoil(self, call):
        rested = False

        def run():
            nonlocal rested
            if not rested:
                self.nap()
            rested = True
            return call()

        return run


class FirstSleepsByAnotherName(FirstSleeps):
    def nap(self):
        sleep(1e-3)


class FirstWaits(FirstSleeps):
    def nap(self):
        threading.Event().wait(1e-3)


class FirstPolls(FirstSleeps):
    def nap(self):
        select.select([], [], [], 1e-3)


class LaterSleeps(Plain):
    """Sleeps in every call but its first."""

    def spoil(self, call):
        calls = 0

        def run():
            nonlocal calls
            calls += 1
            if calls > 1:
                sleep(1e-3)
            return call()

        return run


class TwoBuffers(Plain):
    """Hands out buffers in turn."""

    buffers = 2

    def spoil(self, call):
        kept = deque(call() for _ in range(self.buffers))

        def run():
            kept.rotate()
            return Kernels.into(kept[0], call())

        return run


class ManyBuffers(TwoBuffers):
    buffers = 100


class IgnoresReady(Plain):
    """Allocates where it was given buffers."""

    def spoil(self, call):
        return lambda: tuple(None if each is None else each.copy() for each in call())


class WritesOnce(Plain):
    """Computes in its first call only."""

    def spoil(self, call):
        kept = call()
        return lambda: kept


class Wide(Plain):
    """Returns its largest result in float64, whatever it was given."""

    kind = np.float64

    def spoil(self, call):
        def run():
            first, *others = call()
            return first.astype(self.kind), *others

        return run


class NoClock(Plain):
    """Cannot be timed."""

    def timer(self, case):
        return None


class WithOtherClock(Plain):
    """Is timed by a clock that is wrong in one way."""

    clock = None

    def timer(self, case):
        return self.clock(case.options.cache)


class PerCall(HostTimer):
    def time(self, run, iterations):
        return super().time(run, iterations) / iterations


class Milliseconds(HostTimer):
    def time(self, run, iterations):
        return super().time(run, iterations) * 1e3


class OneCall(HostTimer):
    def time(self, run, iterations):
        return super().time(run, 1) * iterations


class OfTheProcessor(HostTimer):
    def time(self, run, iterations):
        start = time.process_time()
        super().time(run, iterations)
        return time.process_time() - start


class ClockPerCall(WithOtherClock):
    clock = PerCall


class ClockInMilliseconds(WithOtherClock):
    clock = Milliseconds


class ClockOfOneCall(WithOtherClock):
    clock = OneCall


class ClockOfTheProcessor(WithOtherClock):
    clock = OfTheProcessor


class TestWrongEps(Contract):
    backend = WrongEps


class TestUnbiased(Contract):
    backend = Unbiased


class TestMoments(Contract):
    backend = Moments


class TestSwapped(Contract):
    backend = Swapped


class TestForgets(Contract):
    backend = Forgets


class TestForgetsLater(Contract):
    backend = ForgetsLater


class TestStale(Contract):
    backend = Stale


class TestAfter(Contract):
    backend = After


class TestOnceWrong(Contract):
    backend = OnceWrong


class TestFirstSleeps(Contract):
    backend = FirstSleeps


class TestFirstSleepsByAnotherName(Contract):
    backend = FirstSleepsByAnotherName


class TestTwoBuffers(Contract):
    backend = TwoBuffers


class TestIgnoresReady(Contract):
    backend = IgnoresReady


class TestWide(Contract):
    backend = Wide


class TestNoClock(Contract):
    backend = NoClock


class TestFirstWaits(Contract):
    backend = FirstWaits


class TestFirstPolls(Contract):
    backend = FirstPolls


class TestLaterSleeps(Contract):
    backend = LaterSleeps


class TestManyBuffers(Contract):
    backend = ManyBuffers


class TestWritesOnce(Contract):
    backend = WritesOnce


class TestClockPerCall(Contract):
    backend = ClockPerCall


class TestClockInMilliseconds(Contract):
    backend = ClockInMilliseconds


class TestClockOfOneCall(Contract):
    backend = ClockOfOneCall


class TestClockOfTheProcessor(Contract):
    backend = ClockOfTheProcessor
