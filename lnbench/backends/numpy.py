"""NumPy: an operation's NumPy kernels, with rows shared out to threads where there are several."""

import inspect
import itertools
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

from lnbench import registry
from lnbench.arrays import own_copy
from lnbench.backend import (
    Availability,
    Available,
    Backend,
    BoundRoutine,
    Routine,
    Timer,
    Unavailable,
    bound_call,
)
from lnbench.measure.timing import HostTimer
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case


class NumPy(Backend):
    """lnbench's own kernels in plain NumPy."""

    name = "numpy"
    framework = "numpy"
    summary = "lnbench's NumPy kernels, in blocks of rows that fit the cache"

    def availability(self, device: str) -> Availability:
        """Return that the CPU is there, and nothing else."""
        if device.partition(":")[0] == "cpu":
            return Available()
        return Unavailable("numpy runs on the CPU only")

    def preload(self) -> None:
        """Import NumPy and bfloat16; an operation's kernels come with its first case."""
        import ml_dtypes  # noqa: F401
        import numpy as np  # noqa: F401

    def routine(self, operation: Operation, case: Case, inputs: Arrays, threads: int) -> Routine:
        """Return a call of the operation's kernels on arrays in memory of their own."""
        import numpy as np

        kernels = registry.kernels(self, operation)
        if kernels is None:
            raise LookupError(f"{operation.name} has no numpy kernels")
        arrays = {name: own_copy(array) for name, array in inputs.items()}
        pool = _pool(threads) if threads > 1 else None
        call = bound_call(operation, _with_pool(kernels, pool), case, arrays, np.empty_like)
        return _ThreadedRoutine(call, operation.outputs(case), threads, pool)

    def timer(self, case: Case) -> Timer:
        """Return the host's clock."""
        return HostTimer(case.options.cache)


class _ThreadedRoutine(BoundRoutine):
    """A call that may have threads of its own."""

    def __init__(
        self,
        call: Callable[[], tuple[Any, ...]],
        names: tuple[str, ...],
        threads: int,
        pool: Executor | None,
    ) -> None:
        super().__init__(call, names, lambda array: array, {"threads": threads})
        self._pool = pool

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()


def _pool(threads: int) -> Executor:
    """Return threads that stay on one CPU each, of those that the session may use.

    The process itself may be bound to a single one: torch's OpenMP does that on import.
    """
    listed = os.environ.get("LNBENCH_CPUS", "")
    if not hasattr(os, "sched_setaffinity"):
        return ThreadPoolExecutor(threads)
    cpus = [int(cpu) for cpu in listed.split(",")] if listed else sorted(os.sched_getaffinity(0))
    turns = itertools.cycle(cpus)
    return ThreadPoolExecutor(threads, initializer=lambda: os.sched_setaffinity(0, {next(turns)}))


def _with_pool(kernels: Any, pool: Executor | None) -> Any:
    """Return the kernels with the pool handed to each function that has a parameter for it."""
    functions = {
        name: partial(function, pool=pool)
        for name, function in inspect.getmembers(kernels, inspect.isfunction)
        if "pool" in inspect.signature(function).parameters
    }
    return SimpleNamespace(**(vars(kernels) | functions)) if pool is not None else kernels
