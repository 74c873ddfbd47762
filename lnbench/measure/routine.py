"""A backend's routine, as every process makes it, and what it says of itself."""

import os

from lnbench.backend import Backend, Details, Routine
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case
from lnbench.record.outcome import Scalar


def plain(details: Details) -> dict[str, Scalar]:
    """Return what a routine says of itself with NumPy's numbers as Python's."""
    return {
        str(name): value.item() if hasattr(value, "item") else value
        for name, value in details.items()
    }


def make_routine(
    backend: Backend, operation: Operation, case: Case, inputs: Arrays, threads: int
) -> Routine:
    """Return a backend's routine, on all the CPUs that the session may use where it has threads.

    Kernels of other authors launch on the current device, which is made that of the case: it has a
    number, without which torch refuses it.
    """
    if case.device_type == "cuda":
        import torch

        torch.cuda.set_device(case.device)
    cpus = os.environ.get("LNBENCH_CPUS")
    if not backend.torch_threads and cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [int(cpu) for cpu in cpus.split(",")][:threads])
    return backend.routine(operation, case, inputs, threads)
