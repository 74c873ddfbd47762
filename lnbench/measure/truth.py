"""The inputs of a case, their float64 truth, and how far torch itself is from it."""

import importlib
from collections.abc import Mapping
from pathlib import Path

from lnbench import registry
from lnbench.arrays import to_host, to_torch
from lnbench.backend import UnsupportedError
from lnbench.measure import messages, shared
from lnbench.measure.verify import agreement
from lnbench.operation import Arrays, Operation, Truth
from lnbench.plan.case import Case


def make_inputs(request: messages.MakeInputs) -> messages.InputsMade:
    """Write the inputs of a case, if they are not there, and its truth, where workers read them."""
    operation = registry.operation(request.case.operation)
    folder = Path(request.folder)
    if not shared.written(folder / "inputs"):
        shared.write(folder / "inputs", operation.inputs(request.case, request.seed))
    inputs = shared.read(folder / "inputs")
    if not request.truth:
        return messages.InputsMade()
    truths = operation.reference(request.case, inputs)
    shared.write_truths(folder / "truth", truths)
    return messages.InputsMade(torch_errors(operation, request.case, inputs, truths))


def torch_errors(
    operation: Operation, case: Case, inputs: Arrays, truths: Mapping[str, Truth]
) -> dict[str, float]:
    """Return the error of torch's own kernels by output; empty where they have none to show."""
    module = operation.kernels.get("torch")
    if module is None:
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
