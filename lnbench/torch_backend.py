"""What backends on torch's tensors share: torch's devices, its threads and its streams' clock."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch

from lnbench.arrays import to_host, to_torch
from lnbench.backend import BoundRoutine, Details, Routine, Timer, bound_call
from lnbench.kernel_backend import KernelBackend
from lnbench.measure.timing import device_timer
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case


class TorchBackend(KernelBackend):
    """Calls an operation's kernels on tensors, on every device that torch can use."""

    torch_threads = True

    def device_problem(self, device: str) -> str | None:
        """Return why the backend does not run on a device, or None where it does."""
        return device_problem(device) or super().device_problem(device)

    def tensors(self, case: Case, inputs: Arrays) -> dict[str, Any]:
        """Return the inputs on the case's device, in memory of torch's own allocator."""
        return {name: to_torch(array, case.device) for name, array in inputs.items()}

    def details(self, kernels: Any, case: Case) -> Details:
        """Return scalars worth recording; asked for after the first call."""
        return {}

    def routine(self, operation: Operation, case: Case, inputs: Arrays, threads: int) -> Routine:
        """Return a call of the kernels on tensors."""
        kernels = self.kernels_for(operation, case)
        torch.set_num_threads(threads)
        arrays = self.tensors(case, inputs)
        call = bound_call(operation, kernels, case, arrays, torch.empty_like)
        details = partial(self.details, kernels, case)
        return BoundRoutine(call, operation.outputs(case), to_host, details, arrays=arrays)

    def timer(self, case: Case) -> Timer:
        """Return the device's clock."""
        return device_timer(case)


class CudaThirdParty(TorchBackend):
    """What other projects' kernels have in common that launch on CUDA devices alone."""

    third_party = True
    torch_threads = False
    known_failings: ClassVar[Mapping[str, str]] = {
        "mean 1e4, spread 1e-2": "the mean is rounded to float32 before it is taken off",
        "constant rows": "what rounding the mean left is all that there is of a row",
    }

    def device_problem(self, device: str) -> str | None:
        """Return that the device is not CUDA's, or what is missing."""
        if device.partition(":")[0] != "cuda":
            return f"{self.name} runs on CUDA devices"
        return super().device_problem(device)


def device_problem(device: str) -> str | None:
    """Return why torch cannot use a device, or None where it can."""
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return None
    if kind == "cuda":
        if torch.version.cuda is None and torch.version.hip is None:
            return "this torch is built for the CPU only: install torch with CUDA"
        count = torch.cuda.device_count()
    else:
        accelerator = torch.accelerator.current_accelerator()
        is_there = accelerator is not None and accelerator.type == kind
        count = torch.accelerator.device_count() if is_there else 0
    if count == 0:
        return f"no {kind} device was found"
    return f"there is no {device}, only {count} device(s)" if int(index or 0) >= count else None
