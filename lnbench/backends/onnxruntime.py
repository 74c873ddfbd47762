"""ONNX Runtime on the CPU: its LayerNormalization operator, in a model of that one node.

The operator is forward only, and takes float32 and float64 there. `allocated` outputs are made by
each run, as a user's are; `ready` ones are bound once.
"""

import importlib.util
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from lnbench.arrays import own_copy
from lnbench.backend import BoundRoutine, Routine
from lnbench.host_backend import HostBackend
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case, Direction, DType, Output

_OPSET = 17  # the first that has LayerNormalization
_IR = 8  # the first format of files that has this opset
_TYPES = (DType.FLOAT32, DType.FLOAT64)
_OUTPUTS = ("y", "mean", "rstd")


class OnnxRuntime(HostBackend):
    """The operator that exported models run."""

    name = "onnxruntime"
    framework = "onnxruntime"
    summary = "ONNX Runtime (CPU), forward"
    third_party = True
    packages = ("onnxruntime", "onnx")
    kernels: ClassVar = {"layernorm": "lnbench.backends.onnxruntime"}  # this file
    known_failings: ClassVar = {
        "mean 1e4, spread 1e-2": "the variance is E[x²] - E[x]² (onnxruntime#21935, #28463)",
        "mean 100": "the variance is E[x²] - E[x]² (onnxruntime#21935, #28463)",
        "constant rows": "the variance is E[x²] - E[x]² (onnxruntime#21935, #28463)",
        "huge values": "squares overflow",
    }

    def preload(self) -> None:
        """Import onnx; onnxruntime starts a thread as it is imported."""
        super().preload()
        if importlib.util.find_spec("onnx") is not None:
            import onnx.helper  # noqa: F401

    def device_problem(self, device: str) -> str | None:
        """Return why not: another device, or a package is missing; onnx builds the model."""
        if device.partition(":")[0] != "cpu":
            return "lnbench runs ONNX Runtime on the CPU only"
        missing = [name for name in self.packages if importlib.util.find_spec(name) is None]
        words = f"{' and '.join(missing)} not installed: pip install 'lnbench[onnxruntime]'"
        return words if missing else None

    def case_problem(self, case: Case) -> str | None:
        """Return why the operator does not take a case, or None."""
        if case.direction is not Direction.FORWARD:
            return "onnxruntime has no backward"
        if case.dtype not in _TYPES or case.weight_dtype is not case.dtype:
            return "onnxruntime's LayerNormalization takes float32 and float64 on the CPU, unmixed"
        if not case.options.weight:
            return "onnxruntime's LayerNormalization needs a weight"
        if not (case.rows and case.columns):
            return "onnxruntime takes no empty rows"
        return None

    def routine(self, operation: Operation, case: Case, inputs: Arrays, threads: int) -> Routine:
        """Return a run of the model; UnsupportedError for what the operator does not take."""
        self.kernels_for(operation, case)
        arrays = {name: np.ascontiguousarray(own_copy(array)) for name, array in inputs.items()}
        run, details = _bound(_session(case, threads), case, arrays), {"threads": threads}
        return BoundRoutine(run, _OUTPUTS, np.asarray, lambda: details, arrays=arrays)


def _session(case: Case, threads: int) -> Any:
    """Return a session of a model of one node."""
    import onnxruntime
    from onnx import TensorProto, helper

    kind = TensorProto.FLOAT if case.dtype is DType.FLOAT32 else TensorProto.DOUBLE
    rows, columns = case.rows, case.columns
    names = ["x", "weight", *(["bias"] if case.options.bias else [])]
    shapes = {"x": [rows, columns], "weight": [columns], "bias": [columns]}
    node = helper.make_node(
        "LayerNormalization", names, list(_OUTPUTS), axis=-1, epsilon=case.options.eps
    )
    # Statistics are float32 by `stash_type`, and their shape has a 1 in place of the columns.
    takes = [helper.make_tensor_value_info(name, kind, shapes[name]) for name in names]
    results = [
        helper.make_tensor_value_info("y", kind, [rows, columns]),
        *(helper.make_tensor_value_info(n, TensorProto.FLOAT, [rows, 1]) for n in _OUTPUTS[1:]),
    ]
    graph = helper.make_graph([node], "layernorm", takes, results)
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _bound(session: Any, case: Case, arrays: dict[str, Any]) -> Callable[[], tuple[Any, ...]]:
    """Return a call that runs the session on arrays in place."""
    names = [entry.name for entry in session.get_inputs()]
    feeds = {name: arrays[name] for name in names}
    if case.options.output is Output.ALLOCATED:
        outputs = list(_OUTPUTS)

        def run() -> tuple[Any, ...]:
            y, mean, rstd = session.run(outputs, feeds)
            return y, mean.reshape(-1), rstd.reshape(-1)

        return run
    shape = (case.rows, case.columns)
    ready = [np.empty(shape, feeds["x"].dtype), *(np.empty(shape[0], np.float32) for _ in "mr")]
    binding = session.io_binding()
    for name, array in feeds.items():
        binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
    for name, array in zip(_OUTPUTS, ready, strict=True):
        full = shape if name == "y" else (case.rows, 1)
        binding.bind_output(name, "cpu", 0, array.dtype, full, array.ctypes.data)

    def run_bound() -> tuple[Any, ...]:
        assert feeds  # noqa: S101  (the binding has addresses only: this keeps what lies there)
        session.run_with_iobinding(binding)
        return tuple(ready)

    return run_bound
