"""Third parties on the CPU: the textbook's expression in NumPy, and those that are installed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from third_party import ThirdPartyContract

from lnbench import registry
from lnbench.backend import UnsupportedError
from lnbench.backends.jax import Jax
from lnbench.backends.mlx import MLX
from lnbench.backends.numpy_naive import NumPyNaive
from lnbench.backends.onnxruntime import OnnxRuntime
from lnbench.backends.openvino import OpenVINO
from lnbench.measure.check import _finding
from lnbench.operation import Hostile
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.plan.case import Case, Direction, DType, Options, Output

OPERATION = LayerNorm()
NARROW = (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16)

needs_onnxruntime = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxruntime")),
    reason="onnxruntime or onnx is not installed",
)


def case_of(direction=Direction.FORWARD, dtype=DType.FLOAT32, shape=(64, 128), **options):
    return Case("layernorm", direction, shape, dtype, "cpu", Options(**options))


class TestNumPyNaive(ThirdPartyContract):
    backend = NumPyNaive


class TestJax(ThirdPartyContract):
    backend = Jax


class TestOpenVINO(ThirdPartyContract):
    backend = OpenVINO
    dtypes = NARROW


class TestMLX(ThirdPartyContract):
    backend = MLX
    dtypes = NARROW

    def test_hostile_inputs_agree_with_the_reference(self):
        pytest.skip("mx.eval 0.32.4 has hung in it, beside torch's kernels in one process")

    def test_no_call_waits(self):
        pytest.skip("MLX computes in a thread of its own, for which every call waits")


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted on Linux")
def test_jax_starts_as_many_threads_as_the_case_has_also_after_another_case(monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.delenv("PJRT_NPROC", raising=False)  # whatever an earlier test left
    case = case_of()
    for threads in (1, 3, 2):
        before = xla_threads()
        routine = Jax().routine(OPERATION, case, OPERATION.inputs(case, seed=1), threads)
        routine.run()
        assert len(xla_threads() - before) == routine.details()["threads"] == threads


def xla_threads():
    tasks = Path("/proc/self/task").iterdir()
    return {task.name for task in tasks if "XLAEigen" in (task / "comm").read_text()}


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


@pytest.mark.parametrize("backend", [NumPyNaive, OnnxRuntime, Jax, OpenVINO, MLX])
def test_another_operation_is_skipped_with_a_reason(backend):
    with pytest.raises(UnsupportedError, match="no kernels for rmsnorm"):
        backend().routine(registry.operation("rmsnorm"), case_of(), {}, threads=1)


def test_without_its_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "lnbench[onnxruntime]" in OnnxRuntime().availability("cpu").reason
    assert "CPU only" in OnnxRuntime().availability("cuda:0").reason
    for backend in (Jax, OpenVINO, MLX):
        assert f"lnbench[{backend.name}]" in backend().availability("cpu").reason


def test_jax_without_cuda_says_so(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "plugin" in name else 1)
    assert "jax[cuda13]" in Jax().availability("cuda:0").reason
    assert "CUDA devices" in Jax().availability("mps").reason


@pytest.mark.parametrize("backend", [Jax, OpenVINO])
def test_an_allocated_output_is_the_callers_and_a_ready_one_comes_back(backend):
    pytest.importorskip(backend.name)
    for output in Output:
        case = case_of(output=output)
        routine = backend().routine(OPERATION, case, OPERATION.inputs(case, seed=1), threads=1)
        first, second = (routine.host(routine.run())["y"] for _ in "ab")
        assert np.shares_memory(first, second) == (output is Output.READY)
