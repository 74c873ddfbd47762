"""lnbench's own Triton kernels."""

import importlib.util
import os
from collections.abc import Mapping

from lnbench import registry
from lnbench.arrays import device_problem, to_host, to_torch
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
from lnbench.measure.timing import device_timer
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case

_INTERPRETER = "TRITON_INTERPRET"


class Triton(Backend):
    """Kernels compiled by Triton for the device, or interpreted on the CPU."""

    name = "triton"
    framework = "triton"
    torch_threads = True
    summary = "lnbench's Triton kernels"

    def availability(self, device: str) -> Availability:
        """Return whether triton is installed and the device is one that it compiles for."""
        kind = device.partition(":")[0]
        if kind not in ("cpu", "cuda"):
            return Unavailable(f"triton compiles for CUDA devices, not for {device}")
        problem = _cpu_problem() if kind == "cpu" else device_problem(device)
        if problem is None and not _installed():
            problem = "triton is not installed: pip install 'lnbench[triton]'"
        if problem is not None:
            return Unavailable(problem)
        return Available(note="interpreted" if kind == "cpu" else "")

    def preload(self) -> None:
        """Import torch and triton; an operation's kernels come with its first case."""
        import torch  # noqa: F401

        if _installed():
            import triton  # noqa: F401

    def routine(self, operation: Operation, case: Case, inputs: Arrays, threads: int) -> Routine:
        """Return a call of the operation's kernels on tensors of torch's own allocator."""
        import torch

        kernels = registry.kernels(self, operation)
        torch.set_num_threads(threads)
        arrays = {name: to_torch(array, case.device) for name, array in inputs.items()}
        call = bound_call(operation, kernels, case, arrays, torch.empty_like)
        routine = _Routine(call, operation.outputs(case), to_host)
        routine.kernels, routine.case = kernels, case
        return routine

    def timer(self, case: Case) -> Timer:
        """Return the device's clock."""
        return device_timer(case)


class _Routine(BoundRoutine):
    kernels: object
    case: Case

    def details(self) -> Mapping[str, str | int | float | bool]:
        """Return the cut that ran, which the first call may have tuned, and what interprets it."""
        cut = getattr(self.kernels, "details", None)
        found = dict(cut(self.case)) if cut is not None else {}
        return found | {"interpreted": True} if os.environ.get(_INTERPRETER) == "1" else found


def _installed() -> bool:
    return importlib.util.find_spec("triton") is not None


def _cpu_problem() -> str | None:
    if os.environ.get(_INTERPRETER) == "1":
        return None
    return f"triton needs a CUDA device; {_INTERPRETER}=1 interprets it on the CPU, slowly"
