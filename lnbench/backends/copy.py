"""The speed limit: what the device's own copy, or add, takes to move the bulk of a case."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from lnbench.arrays import to_host, to_torch, write
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
        reads = [
            {name: to_torch(inputs[name], case.device) for name in names}
            for names in operation.bulk(case).read
        ]
        return _Transfers(reads)

    def truth(self, operation: Operation, case: Case, inputs: Arrays) -> Mapping[str, Truth]:
        """Return the sums of the inputs that each transfer reads."""
        return {
            f"moved{i}": _sum([inputs[name] for name in names], case)
            for i, names in enumerate(operation.bulk(case).read)
        }

    def bulk(self, operation: Operation, case: Case) -> CopyTraffic:
        """Return what the operation asks to be moved."""
        return operation.bulk(case)


class _Transfers(BoundRoutine):
    """Transfers one after the other; what two of them read lies in memory of its own for each."""

    def __init__(self, reads: list[dict[str, Any]]) -> None:
        transfers = [_transfer(list(tensors.values())) for tensors in reads]

        def run() -> tuple[Any, ...]:
            return tuple(transfer() for transfer in transfers)

        super().__init__(run, tuple(f"moved{i}" for i in range(len(reads))), to_host)
        self._reads = reads

    def write(self, name: str, rows: slice, values: Any) -> None:
        """Put new values into rows of an input, wherever it is read."""
        for tensors in self._reads:
            if name in tensors:
                write(tensors[name], rows, values)


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
