"""NumPy: an operation's NumPy kernels, with rows shared out to threads where there are several."""

from lnbench import registry
from lnbench.backend import (
    Availability,
    Available,
    Backend,
    Routine,
    Timer,
    Unavailable,
)
from lnbench.measure.timing import HostTimer
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case
from lnbench.threads import threaded_routine


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
        kernels = registry.kernels(self, operation)
        return threaded_routine(kernels, operation, case, inputs, threads)

    def timer(self, case: Case) -> Timer:
        """Return the host's clock."""
        return HostTimer(case.options.cache)
