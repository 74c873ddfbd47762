"""How far torch itself is from the float64 truth."""

import importlib
from collections.abc import Mapping

from lnbench.arrays import to_host, to_torch
from lnbench.backend import UnsupportedError
from lnbench.measure.devices import torch_problem
from lnbench.measure.verify import agreement
from lnbench.operation import Arrays, Operation, Truth
from lnbench.plan.case import Case


def torch_errors(
    operation: Operation, case: Case, inputs: Arrays, truths: Mapping[str, Truth]
) -> dict[str, float]:
    """Return the error of torch's own kernels by output; empty where they have none to show."""
    module = operation.kernels.get("torch")
    if module is None or torch_problem():
        return {}
    kernels = importlib.import_module(module)
    arrays = {name: to_torch(array, case.device) for name, array in inputs.items()}
    try:
        results = operation.bind(kernels, case, arrays, None)()
    # What torch has no kernel for, or refuses (float64 rows with float32 weights, batch norm's step
    # of one row), it gives no allowance for. Any other error is one of ours.
    except (UnsupportedError, RuntimeError, ValueError):
        return {}
    named = zip(operation.outputs(case), results, strict=True)
    outputs = {name: to_host(result) for name, result in named if result is not None}
    errors = agreement(outputs, truths, {}).outputs
    return {name: output.max_relative for name, output in errors.items()}
