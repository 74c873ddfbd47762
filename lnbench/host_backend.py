"""What backends on NumPy's arrays share: the CPU, the host's clock, and rows shared to threads."""

import inspect
import itertools
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

from lnbench.arrays import own_copy
from lnbench.backend import BoundRoutine, Routine, Timer, bound_call
from lnbench.kernel_backend import KernelBackend
from lnbench.measure.timing import HostTimer
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case


class HostBackend(KernelBackend):
    """Calls an operation's kernels on NumPy's arrays, on the CPU.

    A kernel with a parameter `pool` gets the threads of a case and shares its rows out to them.
    """

    def device_problem(self, device: str) -> str | None:
        """Return why the backend does not run on a device, or None where it does."""
        if device.partition(":")[0] != "cpu":
            return f"{self.name} runs on the CPU only"
        return super().device_problem(device)

    def preload(self) -> None:
        """Import NumPy and bfloat16; an operation's kernels come with its first case."""
        import ml_dtypes  # noqa: F401
        import numpy as np  # noqa: F401

    def routine(self, operation: Operation, case: Case, inputs: Arrays, threads: int) -> Routine:
        """Return a call of the kernels on arrays in memory of their own.

        Kernels that share nothing out have one thread, and say so.
        """
        import numpy as np

        kernels = self.kernels_for(operation, case)
        arrays = {name: own_copy(array) for name, array in inputs.items()}
        threads = threads if _pooled(kernels) else 1
        pool = pool_of(threads)
        call = bound_call(operation, _with_pool(kernels, pool), case, arrays, np.empty_like)
        return _ThreadedRoutine(call, operation.outputs(case), threads, pool, arrays)

    def timer(self, case: Case) -> Timer:
        """Return the host's clock."""
        return HostTimer(case.options.cache)


class _ThreadedRoutine(BoundRoutine):
    def __init__(
        self,
        call: Callable[[], tuple[Any, ...]],
        names: tuple[str, ...],
        threads: int,
        pool: Executor | None,
        arrays: Arrays,
    ) -> None:
        details = {"threads": threads}
        super().__init__(call, names, lambda array: array, lambda: details, arrays=arrays)
        self._pool = pool

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()


def pool_of(threads: int) -> Executor | None:
    """Return threads that stay on one CPU each, of those that the session may use; None for one.

    The process itself may be bound to a single one: torch's OpenMP does that on import. In a worker
    the caller is bound to the first of as many CPUs as threads.
    """
    if threads <= 1:
        return None
    listed = os.environ.get("LNBENCH_CPUS", "")
    if not hasattr(os, "sched_setaffinity"):
        return ThreadPoolExecutor(threads)
    cpus = [int(cpu) for cpu in listed.split(",")] if listed else sorted(os.sched_getaffinity(0))
    first, *others = cpus[:threads]
    if listed:
        # It computes too, or waits: it must not share a helper's CPU.
        os.sched_setaffinity(0, {first})
    turns = itertools.cycle((*others, first))
    return ThreadPoolExecutor(threads, initializer=lambda: os.sched_setaffinity(0, {next(turns)}))


def _with_pool(kernels: Any, pool: Executor | None) -> Any:
    """Return the kernels with the pool handed to every function that has a parameter for it."""
    if pool is None:
        return kernels
    functions = {name: partial(function, pool=pool) for name, function in _pooled(kernels).items()}
    return SimpleNamespace(**(vars(kernels) | functions))


def _pooled(kernels: Any) -> dict[str, Callable[..., Any]]:
    """Return the functions of a module that share their rows out to threads, by name."""
    return {
        name: function
        for name, function in inspect.getmembers(kernels, inspect.isfunction)
        if "pool" in inspect.signature(function).parameters
    }
