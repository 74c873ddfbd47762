"""Threads of a backend's own, one on each CPU that the session may use."""

import inspect
import itertools
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

from lnbench.arrays import own_copy
from lnbench.backend import BoundRoutine, Routine, bound_call
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case


class ThreadedRoutine(BoundRoutine):
    """A call on host arrays that may have threads of its own."""

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


def threaded_routine(
    kernels: Any, operation: Operation, case: Case, inputs: Arrays, threads: int
) -> Routine:
    """Return a call of kernels for NumPy's arrays, on arrays in memory of their own.

    Kernels that share nothing out have one thread, and say so.
    """
    import numpy as np

    arrays = {name: own_copy(array) for name, array in inputs.items()}
    threads = threads if pooled(kernels) else 1
    pool = pool_of(threads)
    call = bound_call(operation, with_pool(kernels, pool), case, arrays, np.empty_like)
    return ThreadedRoutine(call, operation.outputs(case), threads, pool)


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


def with_pool(kernels: Any, pool: Executor | None) -> Any:
    """Return the kernels with the pool handed to each function that has a parameter for it."""
    if pool is None:
        return kernels
    functions = {name: partial(each, pool=pool) for name, each in pooled(kernels).items()}
    return SimpleNamespace(**(vars(kernels) | functions))


def pooled(kernels: Any) -> dict[str, Callable[..., Any]]:
    """Return the functions of a module that share their rows out to threads, by name."""
    return {
        name: function
        for name, function in inspect.getmembers(kernels, inspect.isfunction)
        if "pool" in inspect.signature(function).parameters
    }
