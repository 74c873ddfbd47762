"""Numba: an operation's loops compiled for this CPU, with rows shared out to threads."""

import importlib.util

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


class Numba(Backend):
    """lnbench's own loops: each row read once and written once."""

    name = "numba"
    framework = "numba"
    summary = "lnbench's loops, compiled by Numba: what this CPU can do"

    def availability(self, device: str) -> Availability:
        """Return whether numba is installed; it is for the CPU here."""
        if device.partition(":")[0] != "cpu":
            return Unavailable("numba runs on the CPU only")
        if importlib.util.find_spec("numba") is None:
            return Unavailable("numba is not installed: pip install 'lnbench[numba]'")
        return Available()

    def preload(self) -> None:
        """Import numba, which starts no thread by itself."""
        if importlib.util.find_spec("numba") is not None:
            import numba  # noqa: F401

    def routine(self, operation: Operation, case: Case, inputs: Arrays, threads: int) -> Routine:
        """Return a call of the operation's loops; the first call compiles or loads them."""
        kernels = registry.kernels(self, operation)
        return threaded_routine(kernels, operation, case, inputs, threads)

    def timer(self, case: Case) -> Timer:
        """Return the host's clock."""
        return HostTimer(case.options.cache)
