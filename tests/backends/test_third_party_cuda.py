"""Third parties on CUDA devices, as far as a machine without one can: what they take and call.

Their functions need a device; here torch's eager kernels answer in their stead, behind the
signatures that were read in their sources and that tests/gpu compares with the real ones.
"""

import importlib.util
import inspect
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from lnbench import torch_backend
from lnbench.backend import Available, Unavailable, UnsupportedError
from lnbench.backends.liger import Liger
from lnbench.backends.quack import Quack
from lnbench.measure.verify import agreement
from lnbench.operations.add_layernorm.spec import AddLayerNorm
from lnbench.operations.layernorm import torch as eager
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.operations.rmsnorm import torch as eager_rms
from lnbench.operations.rmsnorm.spec import RMSNorm
from lnbench.plan.case import Case, Direction, DType, Options, Output

OPERATION = LayerNorm()
OPERATIONS = {"layernorm": OPERATION, "rmsnorm": RMSNorm()}
THIRD_PARTIES = {"liger": Liger, "quack": Quack}


def layer_norm_forward(X, W, B, eps):  # noqa: N803
    y, mean, rstd = eager.forward(X, W, B, eps)
    return y, X, mean, rstd, 1024, 4


def layer_norm_backward(dY, X, W, B, Mean, RSTD, needs_dw=None, needs_db=None):  # noqa: N803
    assert B is not None
    return eager.backward(dY, X, Mean, RSTD, W, True)


def layernorm_fwd(x, weight, bias=None, eps=1e-6, return_rstd=False, return_mean=False):
    assert weight.dtype is torch.float32
    y, mean, rstd = eager.forward(x, weight, bias, eps)
    assert return_rstd
    assert return_mean
    return y, rstd, mean


def layernorm_bwd(x, weight, dout, rstd, mean, has_bias=True):
    return eager.backward(dout, x, mean, rstd, weight, has_bias)


class LigerFunction:
    @staticmethod
    def apply(x, weight, bias, eps):
        return torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias, eps)


def calculate_settings(n):
    return 1 << (n - 1).bit_length(), 4


def rms_norm_forward(X, W, eps, offset, casting_mode, row_mode):  # noqa: N803
    assert (offset, casting_mode, row_mode) == (0, 0, None)
    y, rstd = eager_rms.forward(X, W, eps)
    return y, X, rstd, *calculate_settings(X.shape[1]), casting_mode


def rms_norm_backward(
    dY, X, W, RSTD, offset, casting_mode, BLOCK_SIZE, num_warps, in_place, row_mode, needs_dw=None  # noqa: N803
):  # fmt: skip
    assert (offset, casting_mode, in_place) == (0, 0, False)
    assert (BLOCK_SIZE, num_warps) == calculate_settings(X.shape[1])
    return eager_rms.backward(dY, X, RSTD, W)


class LigerRMSFunction:
    @staticmethod
    def apply(x, weight, eps, offset, casting_mode, in_place, row_mode):
        assert (offset, casting_mode, in_place) == (0, "llama", False)
        return torch.nn.functional.rms_norm(x, x.shape[-1:], weight, eps)


def rmsnorm_fwd(
    x, weight=None, bias=None, residual=None, out_dtype=None, residual_dtype=None, eps=1e-6,
    store_rstd=False, weight_offset=0.0,
):  # fmt: skip
    assert store_rstd
    y, rstd = eager_rms.forward(x, weight, eps)
    return y, x, rstd


def rmsnorm_bwd(
    x, weight, dout, rstd, dresidual_out=None, has_bias=False, has_residual=False,
    weight_offset=0.0,
):  # fmt: skip
    return (*eager_rms.backward(dout, x, rstd, weight), None, None)


def rmsnorm(
    x, weight=None, bias=None, residual=None, out_dtype=None, residual_dtype=None, eps=1e-6,
    prenorm=False, weight_offset=0.0,
):  # fmt: skip
    return torch.nn.functional.rms_norm(x, x.shape[-1:], weight, eps)


STAND_INS = {
    "liger_kernel.ops.layer_norm": {
        "layer_norm_forward": layer_norm_forward,
        "layer_norm_backward": layer_norm_backward,
        "LigerLayerNormFunction": LigerFunction,
    },
    "liger_kernel.ops.rms_norm": {
        "rms_norm_forward": rms_norm_forward,
        "rms_norm_backward": rms_norm_backward,
        "LigerRMSNormFunction": LigerRMSFunction,
    },
    "liger_kernel.ops.utils": {"calculate_settings": calculate_settings},
    "quack.rmsnorm": {
        "layernorm_fwd": layernorm_fwd,
        "layernorm_bwd": layernorm_bwd,
        "rmsnorm_fwd": rmsnorm_fwd,
        "rmsnorm_bwd": rmsnorm_bwd,
        "rmsnorm": rmsnorm,
    },
}


@pytest.fixture
def stand_ins(monkeypatch):
    for name, functions in STAND_INS.items():
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            module = ModuleType(".".join(parts[:length]))
            monkeypatch.setitem(sys.modules, module.__name__, module)
        vars(module).update(functions)


def case_of(direction, dtype=DType.FLOAT32, shape=(6, 40), operation="layernorm", **options):
    return Case(operation, direction, shape, dtype, "cpu", Options(**options))


@pytest.mark.parametrize("name", THIRD_PARTIES)
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_arguments_and_results_are_in_their_places(name, direction, operation, stand_ins):
    backend, case = THIRD_PARTIES[name](), case_of(direction, operation=operation.name)
    inputs = operation.inputs(case, seed=1)
    routine = backend.routine(operation, case, inputs, threads=1)
    found = agreement(routine.host(routine.run()), operation.reference(case, inputs), {})
    assert list(found.outputs) == list(operation.outputs(case))
    assert found.passed


@pytest.mark.parametrize("name", THIRD_PARTIES)
@pytest.mark.parametrize("direction", [Direction.FORWARD, Direction.BACKWARD])
def test_rmsnorm_needs_no_weight_and_keeps_its_type(name, direction, stand_ins):
    backend, operation = THIRD_PARTIES[name](), OPERATIONS["rmsnorm"]
    for options in ({"weight": False}, {"dtype": DType.BFLOAT16}):
        case = case_of(direction, operation="rmsnorm", **options)
        inputs = operation.inputs(case, seed=1)
        routine = backend.routine(operation, case, inputs, threads=1)
        found = agreement(routine.host(routine.run()), operation.reference(case, inputs), {})
        assert found.passed
        assert "weights" not in routine.details()


def test_liger_says_that_it_leaves_dy_as_it_was(stand_ins):
    for direction in Direction:
        case = case_of(direction, operation="rmsnorm")
        operation = OPERATIONS["rmsnorm"]
        routine = Liger().routine(operation, case, operation.inputs(case, seed=1), threads=1)
        assert ("dx" in routine.details()) == (direction is not Direction.FORWARD)


def test_quack_gets_its_weights_in_float32_and_says_so(stand_ins):
    case = case_of(Direction.FORWARD, weight_dtype=DType.BFLOAT16)
    routine = Quack().routine(OPERATION, case, OPERATION.inputs(case, seed=1), threads=1)
    assert routine.details() == {"weights": "float32, converted beforehand"}
    assert np.isfinite(routine.host(routine.run())["y"]).all()


@pytest.mark.parametrize("name", THIRD_PARTIES)
@pytest.mark.parametrize(
    "case",
    [
        case_of(Direction.FORWARD, weight=False),
        case_of(Direction.FORWARD, output=Output.READY),
        case_of(Direction.FORWARD, DType.FLOAT64),
        case_of(Direction.FORWARD, shape=(0, 8)),
        case_of(Direction.FORWARD, shape=(8, 0)),
        case_of(Direction.BACKWARD, shape=(2, 300_000)),
    ],
)
def test_what_a_third_party_does_not_take_is_skipped_with_a_reason(name, case):
    with pytest.raises(UnsupportedError, match=name):
        THIRD_PARTIES[name]().routine(OPERATION, case, {}, threads=1)


@pytest.mark.parametrize("name", THIRD_PARTIES)
def test_another_operation_is_skipped_with_a_reason(name):
    with pytest.raises(UnsupportedError, match=f"{name} has no kernels for add-layernorm"):
        THIRD_PARTIES[name]().routine(AddLayerNorm(), case_of(Direction.FORWARD), {}, threads=1)


@pytest.mark.parametrize("name", THIRD_PARTIES)
def test_a_third_party_says_what_it_lacks(name, monkeypatch):
    backend = THIRD_PARTIES[name]()
    assert "CUDA" in backend.availability("cpu").reason
    assert isinstance(backend.availability("cuda:99"), Unavailable)
    monkeypatch.setattr(torch_backend, "device_problem", lambda device: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install" in backend.availability("cuda").reason
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert backend.availability("cuda") == Available()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    assert isinstance(backend.availability("cuda"), Unavailable) == (name == "quack")


@pytest.mark.parametrize("name", STAND_INS)
def test_the_signatures_are_those_of_the_real_functions(name):
    module = pytest.importorskip(name, reason=f"{name} is not installed")
    for function, stand_in in STAND_INS[name].items():
        if inspect.isfunction(stand_in):
            real = inspect.signature(getattr(module, function)).parameters
            assert list(real) == list(inspect.signature(stand_in).parameters)
