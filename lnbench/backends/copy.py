"""The speed limit: what the device's own copy, or add, takes to move the bulk of a case."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from lnbench.arrays import to_host, to_torch
from lnbench.backend import BoundRoutine, Routine
from lnbench.operation import Arrays, CopyTraffic, Operation, Truth
from lnbench.plan.case import Case
from lnbench.torch_backend import TorchBackend


class Copy(TorchBackend):
    """Moves each transfer of `Operation.bulk` into a ready buffer."""

    name = "copy"
    framework = "copy"
    summary = "the speed limit: the device's own copy of the same bytes"

    def routine(self, operation: Operation, case: Case, inputs: Arrays, threads: int) -> Routine:
        """Return a call that copies one input, or adds two, into a buffer for each transfer."""
        torch.set_num_threads(threads)
        transfers = [
            _transfer([to_torch(inputs[name], case.device) for name in names])
            for names in operation.bulk(case).read
        ]

        def run() -> tuple[Any, ...]:
            return tuple(transfer() for transfer in transfers)

        names = tuple(f"moved{i}" for i in range(len(transfers)))
        return BoundRoutine(run, names, to_host)

    def truth(self, operation: Operation, case: Case, inputs: Arrays) -> Mapping[str, Truth]:
        """Return the sums of the inputs that each transfer reads."""
        return {
            f"moved{i}": _sum([inputs[name] for name in names], case)
            for i, names in enumerate(operation.bulk(case).read)
        }

    def bulk(self, operation: Operation, case: Case) -> CopyTraffic:
        """Return what the operation asks to be moved."""
        return operation.bulk(case)


def _transfer(read: list[Any]) -> Callable[[], Any]:
    """Return a copy of one tensor, or a sum of two, into a ready buffer."""
    out = torch.empty_like(read[0], memory_format=torch.contiguous_format)
    if len(read) == 1:
        return lambda: out.copy_(read[0])
    first, second = read
    return lambda: torch.add(first, second, out=out)


def _sum(arrays: list[Any], case: Case) -> Truth:
    with np.errstate(invalid="ignore"):
        values = sum(
            (array.astype(np.float64) for array in arrays[1:]), arrays[0].astype(np.float64)
        )
    return Truth(values, (np.float64(sum(map(_size, arrays))),), case.dtype)


def _size(array: Any) -> float:
    """Return the mean magnitude of the finite elements."""
    finite = np.abs(array.astype(np.float64))[np.isfinite(array.astype(np.float64))]
    return float(finite.mean()) if finite.size else 0.0
