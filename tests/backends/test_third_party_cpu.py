"""Third parties on the CPU: the textbook's expression in NumPy, and ONNX Runtime where it is."""

import importlib.util

import numpy as np
import pytest

from lnbench import registry
from lnbench.backend import UnsupportedError
from lnbench.backends.numpy_naive import NumPyNaive
from lnbench.backends.onnxruntime import OnnxRuntime
from lnbench.measure.check import _finding
from lnbench.operation import Hostile
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.plan.case import Case, Direction, DType, Options, Output
from lnbench.testing import BackendContract

OPERATION = LayerNorm()

needs_onnxruntime = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxruntime")),
    reason="onnxruntime or onnx is not installed",
)


def case_of(direction=Direction.FORWARD, dtype=DType.FLOAT32, shape=(64, 128), **options):
    return Case("layernorm", direction, shape, dtype, "cpu", Options(**options))


class TestNumPyNaive(BackendContract):
    backend = NumPyNaive

    @pytest.mark.parametrize("direction", list(Direction))
    def test_hostile_inputs_agree_with_the_reference(self, direction):
        for dtype in self.dtypes:
            case = self._case(direction, (64, 300), dtype=dtype)
            known = NumPyNaive.known_failings
            for hostile in self.mathematics.hostile(case, seed=1):
                if hostile.name not in known:
                    self._verify(hostile.case, hostile.inputs, hostile.name)


@needs_onnxruntime
class TestOnnxRuntime:
    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize("output", list(Output))
    @pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.FLOAT64])
    @pytest.mark.parametrize("threads", [1, 2])
    def test_it_is_right_and_its_outputs_are_where_the_case_says(
        self, dtype, output, bias, threads
    ):
        case = case_of(dtype=dtype, output=output, bias=bias)
        inputs = OPERATION.inputs(case, seed=1)
        routine = OnnxRuntime().routine(OPERATION, case, inputs, threads)
        outputs = routine.host(routine.run())
        finding = _finding("onnxruntime", OPERATION, Hostile("random", case, inputs), outputs)
        # Its statistics are float32 also for float64, which is what float64 is judged by.
        assert finding.error == "" or dtype is DType.FLOAT64, finding.error
        first, second = routine.host(routine.run()), routine.host(routine.run())
        assert np.shares_memory(first["y"], second["y"]) == (output is Output.READY)

    def test_a_new_run_computes_anew_into_ready_outputs(self):
        case = case_of(output=Output.READY)
        routine = OnnxRuntime().routine(OPERATION, case, OPERATION.inputs(case, seed=1), 1)
        outputs = routine.host(routine.run())
        kept = {name: array.copy() for name, array in outputs.items()}
        for array in outputs.values():
            array.fill(0)
        for name, array in routine.host(routine.run()).items():
            np.testing.assert_array_equal(array, kept[name])


@pytest.mark.parametrize(
    "case",
    [
        case_of(Direction.BACKWARD),
        case_of(Direction.STEP),
        case_of(dtype=DType.BFLOAT16),
        case_of(weight_dtype=DType.FLOAT64),
        case_of(weight=False),
        case_of(shape=(0, 4)),
    ],
)
def test_what_the_operator_does_not_take_is_skipped_with_a_reason(case):
    with pytest.raises(UnsupportedError, match="onnxruntime"):
        OnnxRuntime().routine(OPERATION, case, {}, threads=1)


@pytest.mark.parametrize("backend", [NumPyNaive, OnnxRuntime])
def test_another_operation_is_skipped_with_a_reason(backend):
    with pytest.raises(UnsupportedError, match="no kernels for rmsnorm"):
        backend().routine(registry.operation("rmsnorm"), case_of(), {}, threads=1)


def test_without_its_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "lnbench[onnxruntime]" in OnnxRuntime().availability("cpu").reason
    assert "CPU only" in OnnxRuntime().availability("cuda:0").reason
