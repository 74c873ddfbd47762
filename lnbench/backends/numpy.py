"""NumPy: an operation's NumPy kernels, with rows shared out to threads where there are several."""

from lnbench import registry
from lnbench.arrays import own_copy
from lnbench.backend import (
    Availability,
    Available,
    Backend,
    Routine,
    Timer,
    Unavailable,
    bound_call,
)
from lnbench.measure.timing import HostTimer
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case
from lnbench.threads import ThreadedRoutine, pool_of, with_pool


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
        arrays = {name: own_copy(array) for name, array in inputs.items()}
        pool = pool_of(threads)
        call = bound_call(operation, with_pool(kernels, pool), case, arrays, np.empty_like)
        return ThreadedRoutine(call, operation.outputs(case), threads, pool)

    def timer(self, case: Case) -> Timer:
        """Return the host's clock."""
        return HostTimer(case.options.cache)
