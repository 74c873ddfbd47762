"""OpenVINO on the CPU: a model of MVN, a product with the weight and a sum with the bias.

It is forward only, and returns y alone: mean and rstd are no outputs of MVN, and are not computed
again for lnbench. Weight and bias are constants of the model, as they are of exported ones. A call
is one synchronous inference on the case's threads; `allocated` outputs are given to each call anew,
as `CompiledModel` would, but without the copy that it makes; `ready` ones are set once.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from lnbench.arrays import own_copy
from lnbench.backend import BoundRoutine, Routine
from lnbench.host_backend import HostBackend
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case, Direction, DType, Output

_TYPES = {DType.FLOAT32: "f32", DType.FLOAT16: "f16", DType.BFLOAT16: "bf16"}


class OpenVINO(HostBackend):
    """What OpenVINO runs where an exported model has a LayerNorm."""

    name = "openvino"
    framework = "openvino"
    summary = "OpenVINO (CPU), forward"
    third_party = True
    packages = ("openvino",)
    variables = ("OV_*", "OPENVINO_*")
    modules: ClassVar = {"openvino": "openvino is not installed: pip install 'lnbench[openvino]'"}
    kernels: ClassVar = {"layernorm": "lnbench.backends.openvino"}  # this file
    known_failings: ClassVar = {
        "constant rows": "what rounding the mean left is all that there is of a row",
        "mean 1e4, spread 1e-2": "the rounding of the mean is not taken off again",
    }

    def case_problem(self, case: Case) -> str | None:
        """Return why the model does not compute a case, or None."""
        if case.direction is not Direction.FORWARD:
            return "openvino has no backward"
        if case.dtype not in _TYPES or case.weight_dtype is not case.dtype:
            return "openvino takes float32, float16 and bfloat16 on the CPU, unmixed"
        if not (case.rows and case.columns):
            return "openvino takes no empty rows"
        return None

    def routine(self, operation: Operation, case: Case, inputs: Arrays, threads: int) -> Routine:
        """Return an inference of the model; UnsupportedError for what it does not compute."""
        self.kernels_for(operation, case)
        arrays = {name: np.ascontiguousarray(own_copy(array)) for name, array in inputs.items()}
        run, details = (
            _bound(_compiled(case, arrays, threads), case, arrays["x"]),
            {"threads": threads},
        )
        return BoundRoutine(run, ("y",), np.asarray, lambda: details, arrays={"x": arrays["x"]})


def _compiled(case: Case, arrays: Arrays, threads: int) -> Any:
    """Return the model, compiled for the case's shape and type."""
    import openvino
    from openvino import opset13 as ops

    kind = _TYPES[case.dtype]

    def constant(name: str) -> Any:
        return ops.convert(ops.constant(arrays[name].astype(np.float32)), kind)

    x = ops.parameter([case.rows, case.columns], getattr(openvino.Type, kind))
    columns = ops.constant(np.array([1], np.int64))
    y = ops.mvn(x, columns, normalize_variance=True, eps=case.options.eps, eps_mode="INSIDE_SQRT")
    y = ops.multiply(y, constant("weight")) if case.options.weight else y
    y = ops.add(y, constant("bias")) if case.options.bias else y
    return openvino.Core().compile_model(
        openvino.Model([y], [x]),
        "CPU",
        {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": kind,
            "ENABLE_CPU_PINNING": False,  # the CPUs of a session are chosen by lnbench
        },
    )


def _bound(model: Any, case: Case, x: Any) -> Callable[[], tuple[Any, ...]]:
    """Return a call that infers from x in place."""
    import openvino

    request, kind = model.create_infer_request(), getattr(openvino.Type, _TYPES[case.dtype])

    def tensor(array: Any) -> Any:
        bits = array.view(np.int16) if case.dtype is DType.BFLOAT16 else array
        return openvino.Tensor(bits, array.shape, kind)

    request.set_input_tensor(tensor(x))
    infer, set_output = request.infer, request.set_output_tensor

    def into(y: Any) -> tuple[Any, ...]:
        infer()
        return (y,)

    if case.options.output is Output.READY:
        ready = np.empty_like(x)
        set_output(tensor(ready))
        return lambda: into(ready)

    def run() -> tuple[Any, ...]:
        y = np.empty_like(x)
        set_output(tensor(y))
        return into(y)

    return run
