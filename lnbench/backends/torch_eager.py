"""PyTorch eager: ATen's kernels, called one by one."""

import torch

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


class TorchEager(Backend):
    """ATen's own operators, as `torch.nn.functional` calls them."""

    name = "torch-eager"
    framework = "torch"
    torch_threads = True
    summary = "PyTorch eager (ATen)"
    peer = True

    def availability(self, device: str) -> Availability:
        """Return whether torch can use the device."""
        problem = device_problem(device)
        return Available() if problem is None else Unavailable(problem)

    def routine(self, operation: Operation, case: Case, inputs: Arrays, threads: int) -> Routine:
        """Return a call of ATen's operators on tensors of torch's own allocator."""
        kernels = registry.kernels(self, operation)
        torch.set_num_threads(threads)
        arrays = {name: to_torch(array, case.device) for name, array in inputs.items()}
        call = bound_call(operation, kernels, case, arrays, torch.empty_like)
        return BoundRoutine(call, operation.outputs(case), to_host)

    def timer(self, case: Case) -> Timer:
        """Return the device's clock."""
        return device_timer(case)
