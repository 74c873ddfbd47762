"""The peers on CUDA devices, as far as a machine without one can: what they take, and their calls.

The functions of the peers need a device; here torch's eager kernels answer in their stead, behind
the signatures that were read in the peers' sources and that tests/gpu compares with the real ones.
"""

import importlib.util
import inspect
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from lnbench.backend import Available, Unavailable, UnsupportedError
from lnbench.backends import liger, quack
from lnbench.backends.liger import Liger
from lnbench.backends.quack import Quack
from lnbench.measure.verify import agreement
from lnbench.operations.layernorm import torch as eager
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.operations.rmsnorm.spec import RMSNorm
from lnbench.plan.case import Case, Direction, DType, Options, Output

OPERATION = LayerNorm()
PEERS = {"liger": (Liger, liger), "quack": (Quack, quack)}


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


STAND_INS = {
    "liger_kernel.ops.layer_norm": {
        "layer_norm_forward": layer_norm_forward,
        "layer_norm_backward": layer_norm_backward,
        "LigerLayerNormFunction": LigerFunction,
    },
    "quack.rmsnorm": {"layernorm_fwd": layernorm_fwd, "layernorm_bwd": layernorm_bwd},
}


@pytest.fixture
def stand_ins(monkeypatch):
    for name, functions in STAND_INS.items():
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            module = ModuleType(".".join(parts[:length]))
            monkeypatch.setitem(sys.modules, module.__name__, module)
        vars(module).update(functions)


def case_of(direction, dtype=DType.FLOAT32, shape=(6, 40), **options):
    return Case("layernorm", direction, shape, dtype, "cpu", Options(**options))


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("direction", Direction)
def test_arguments_and_results_are_in_their_places(peer, direction, stand_ins):
    backend, case = PEERS[peer][0](), case_of(direction)
    inputs = OPERATION.inputs(case, seed=1)
    routine = backend.routine(OPERATION, case, inputs, threads=1)
    found = agreement(routine.host(routine.run()), OPERATION.reference(case, inputs), {})
    assert [each.name for each in found.outputs] == list(OPERATION.outputs(case))
    assert found.passed


def test_quack_gets_its_weights_in_float32_and_says_so(stand_ins):
    case = case_of(Direction.FORWARD, weight_dtype=DType.BFLOAT16)
    routine = Quack().routine(OPERATION, case, OPERATION.inputs(case, seed=1), threads=1)
    assert routine.details() == {"weights": "float32, converted beforehand"}
    assert np.isfinite(routine.host(routine.run())["y"]).all()


@pytest.mark.parametrize("peer", PEERS)
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
def test_what_a_peer_does_not_take_is_skipped_with_a_reason(peer, case):
    with pytest.raises(UnsupportedError, match=peer):
        PEERS[peer][0]().routine(OPERATION, case, {}, threads=1)


@pytest.mark.parametrize("peer", PEERS)
def test_another_operation_is_skipped_with_a_reason(peer):
    with pytest.raises(UnsupportedError, match=f"{peer} has no kernels for rmsnorm"):
        PEERS[peer][0]().routine(RMSNorm(), case_of(Direction.FORWARD), {}, threads=1)


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_says_what_it_lacks(peer, monkeypatch):
    backend, module = PEERS[peer][0](), PEERS[peer][1]
    assert "CUDA" in backend.availability("cpu").reason
    assert isinstance(backend.availability("cuda:99"), Unavailable)
    monkeypatch.setattr(module, "device_problem", lambda device: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install" in backend.availability("cuda").reason
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert backend.availability("cuda") == Available()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    assert isinstance(backend.availability("cuda"), Unavailable) == (peer == "quack")


@pytest.mark.parametrize("name", STAND_INS)
def test_the_signatures_are_those_of_the_real_functions(name):
    module = pytest.importorskip(name, reason=f"{name} is not installed")
    for function, stand_in in STAND_INS[name].items():
        if inspect.isfunction(stand_in):
            real = inspect.signature(getattr(module, function)).parameters
            assert list(real) == list(inspect.signature(stand_in).parameters)
