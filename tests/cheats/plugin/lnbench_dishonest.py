"""Plug-ins that pretend: each registers a backend under a name of its own."""

import numpy as np

from lnbench import Available, Backend, BoundRoutine, CopyTraffic, HostBackend, HostTimer, Truth
from lnbench.arrays import own_copy
from lnbench.operations.layernorm import numpy as kernels


class Dishonest(Backend):
    """An honest call of lnbench's own kernel, which the others bend."""

    framework = "dishonest"
    summary = "pretends"

    def availability(self, device):
        return Available()

    def timer(self, case):
        return HostTimer(case.options.cache)

    def routine(self, operation, case, inputs, threads):
        arrays = {name: own_copy(array) for name, array in inputs.items()}
        call = operation.bind(kernels, case, arrays, None)
        return BoundRoutine(call, operation.outputs(case), np.asarray, arrays=arrays)


class OwnClock(Dishonest):
    """Brings a clock that says a third (trust.md, point 6)."""

    name = "own-clock"

    def timer(self, case):
        honest = HostTimer(case.options.cache)
        sample = honest.sample

        def third(run, iterations):
            seconds, results = sample(run, iterations)
            return seconds / 3, results

        honest.sample = third
        return honest


class Third:
    """A clock that says a third, and is none of lnbench's."""

    resolution_s = 1e-7

    def __init__(self, case):
        self._honest = HostTimer(case.options.cache)

    def time(self, run, iterations):
        return self._honest.time(run, iterations) / 3

    def synchronize(self):
        pass


class ForeignClock(Dishonest):
    """The same with a clock that is none of lnbench's."""

    name = "foreign-clock"

    def timer(self, case):
        return Third(case)


class LazyHost(Dishonest):
    """Computes when its results are read (next.md, 0.1: 59.8 ns)."""

    name = "lazy-host"

    def routine(self, operation, case, inputs, threads):
        honest = super().routine(operation, case, inputs, threads)
        run = honest.run
        honest.run = lambda: None
        host = honest.host
        honest.host = lambda results: host(run())
        honest.rows_of = lambda results, rows, by_row, rest: {
            name: array[rows] if name in by_row else array
            for name, array in host(run()).items()
            if rest or name in by_row
        }
        return honest


class OwnTruth(Dishonest):
    """Brings a truth of its own: zeros, which is what it computes."""

    name = "own-truth"

    def routine(self, operation, case, inputs, threads):
        arrays = {name: own_copy(array) for name, array in inputs.items()}
        return BoundRoutine(
            lambda: (np.zeros_like(arrays["x"]),), ("y",), np.asarray, arrays=arrays
        )

    def truth(self, operation, case, inputs):
        return {"y": Truth(np.zeros(inputs["x"].shape), (np.float64(1),), case.dtype)}


class OwnLimit(OwnTruth):
    """Says that it is the speed limit, and moves nothing."""

    name = "own-limit"

    def bulk(self, operation, case):
        return CopyTraffic(())


class PatchedForAll(Dishonest):
    """Switches autograd off and changes the clock as it is loaded, for whoever shares a process."""

    name = "patched-for-all"

    def preload(self):
        import time

        import torch

        torch.set_grad_enabled(False)
        clock = time.perf_counter_ns
        time.perf_counter_ns = lambda: clock() // 3


class Copies(HostBackend):
    """Copies its inputs beforehand, and computes from the copy."""

    name = "copies"
    framework = "numpy"
    summary = "pretends"

    def routine(self, operation, case, inputs, threads):
        made = super().routine(operation, case, inputs, threads)
        copies = {name: own_copy(array) for name, array in inputs.items()}
        made.run = operation.bind(kernels, case, copies, None)
        return made
