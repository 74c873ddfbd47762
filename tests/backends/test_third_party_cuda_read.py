"""Third parties on CUDA devices that no device has run: what they take, and how they are called.

As in test_third_party_cuda, torch's eager kernels answer in their stead. What is called is compared
with their sources where these are installed: their modules are not imported, which need a device.
"""

import ast
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from lnbench import torch_backend
from lnbench.backend import Available, Unavailable, UnsupportedError
from lnbench.backends.apex import Apex
from lnbench.backends.cutile import CuTile
from lnbench.backends.flashinfer import FlashInfer
from lnbench.backends.transformer_engine import TransformerEngine
from lnbench.measure.verify import agreement, asked_for
from lnbench.operations.layernorm import torch as eager
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.plan.case import Case, Direction, DType, Options, Output

OPERATION = LayerNorm()
THIRD_PARTIES = {each.name: each for each in (Apex, CuTile, FlashInfer, TransformerEngine)}
BLOCK = 64


def _calculate_settings(n_cols):
    return BLOCK


def _layer_norm_forward_ct(X, W, B, eps):  # noqa: N803
    y, mean, rstd = eager.forward(X, W, B, eps)
    return y, X, mean, rstd, BLOCK


def _layer_norm_backward_ct(dY, X, W, B, Mean, RSTD, BLOCK_SIZE, compute_dW=True, compute_dB=True):  # noqa: N803
    assert B is not None
    assert BLOCK_SIZE == BLOCK
    return eager.backward(dY, X, Mean, RSTD, W, True)


class Function:
    @staticmethod
    def apply(X, W, B, eps):  # noqa: N803
        return torch.nn.functional.layer_norm(X, X.shape[-1:], W, B, eps)


def layernorm(input, gemma, beta, eps=1e-6):  # noqa: A002
    assert gemma.dtype is beta.dtype is torch.float32
    assert input.dtype is torch.bfloat16
    return torch.nn.functional.layer_norm(input.float(), gemma.shape, gemma, beta, eps).bfloat16()


def layernorm_fwd(
    input, weight, bias, eps, ln_out, quantizer, otype, sm_margin, zero_centered_gamma  # noqa: A002
):  # fmt: skip
    assert (ln_out, quantizer, otype, sm_margin, zero_centered_gamma) == (
        None,
        None,
        "f32",
        0,
        False,
    )
    return list(eager.forward(input, weight, bias, eps))


def layernorm_bwd(dz, x, mu, rsigma, gamma, sm_margin, zero_centered_gamma):
    assert (sm_margin, zero_centered_gamma) == (0, False)
    return list(eager.backward(dz, x, mu, rsigma, gamma, True))


def forward_affine(input, normalized_shape, gamma, beta, epsilon):  # noqa: A002
    assert tuple(normalized_shape) == tuple(gamma.shape)
    return list(eager.forward(input, gamma, beta, epsilon))


def backward_affine(
    dout, mean, invvar, input_or_output, normalized_shape, gamma, beta, epsilon, memory_efficient
):
    assert tuple(normalized_shape) == tuple(gamma.shape) == tuple(beta.shape)
    assert not memory_efficient
    return list(eager.backward(dout, input_or_output, mean, invvar, gamma, True))


def fused_layer_norm_affine(
    input, weight, bias, normalized_shape, eps=1e-6, memory_efficient=False  # noqa: A002
):  # fmt: skip
    assert not memory_efficient
    return torch.nn.functional.layer_norm(input, normalized_shape, weight, bias, eps)


STAND_INS = {
    "tilegym.suites.liger.cutile.layer_norm": {
        "_calculate_settings": _calculate_settings,
        "_layer_norm_forward_ct": _layer_norm_forward_ct,
        "_layer_norm_backward_ct": _layer_norm_backward_ct,
        "LayerNormCuTileFunction": Function,
    },
    "flashinfer.norm": {"layernorm": layernorm},
    "transformer_engine_torch": {"layernorm_fwd": layernorm_fwd, "layernorm_bwd": layernorm_bwd},
    "transformer_engine.pytorch.constants": {"TE_DType": {torch.float32: "f32"}},
    "fused_layer_norm_cuda": {"forward_affine": forward_affine, "backward_affine": backward_affine},
    "apex.normalization.fused_layer_norm": {"fused_layer_norm_affine": fused_layer_norm_affine},
}


@pytest.fixture
def stand_ins(monkeypatch):
    for name, functions in STAND_INS.items():
        parts, outer = name.split("."), SimpleNamespace()
        for length in range(1, len(parts) + 1):
            module = sys.modules.get(".".join(parts[:length]))
            if length == len(parts) or module is None or module.__spec__ is not None:
                module = ModuleType(".".join(parts[:length]))
            monkeypatch.setitem(sys.modules, module.__name__, module)
            setattr(outer, parts[length - 1], module)
            outer = module
        vars(module).update(functions)


def case_of(direction, dtype=DType.FLOAT32, shape=(6, 40), **options):
    return Case("layernorm", direction, shape, dtype, "cpu", Options(**options))


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("name", THIRD_PARTIES)
def test_arguments_and_results_are_in_their_places(name, direction, stand_ins):
    dtype = DType.BFLOAT16 if name == "flashinfer" else DType.FLOAT32
    backend, case = THIRD_PARTIES[name](), case_of(direction, dtype)
    inputs = OPERATION.inputs(case, seed=1)
    if name == "flashinfer" and direction is not Direction.FORWARD:
        with pytest.raises(UnsupportedError, match="no backward"):
            backend.routine(OPERATION, case, inputs, threads=1)
        return
    routine = backend.routine(OPERATION, case, inputs, threads=1)
    outputs = routine.host(routine.run())
    truths = asked_for(OPERATION.reference(case, inputs), outputs, OPERATION)
    assert set(truths) == set(OPERATION.outputs(case)) - (
        {"mean", "rstd"} if name == "flashinfer" else set()
    )
    assert agreement(outputs, truths, {}).passed


def test_flashinfer_says_that_its_weights_were_converted(stand_ins):
    for weight_dtype in (DType.BFLOAT16, DType.FLOAT32):
        case = case_of(Direction.FORWARD, DType.BFLOAT16, weight_dtype=weight_dtype)
        routine = FlashInfer().routine(OPERATION, case, OPERATION.inputs(case, 1), threads=1)
        assert ("weights" in routine.details()) == (weight_dtype is DType.BFLOAT16)


@pytest.mark.parametrize("name", THIRD_PARTIES)
@pytest.mark.parametrize(
    "case",
    [
        case_of(Direction.FORWARD, DType.BFLOAT16, weight=False),
        case_of(Direction.FORWARD, DType.BFLOAT16, bias=False),
        case_of(Direction.FORWARD, DType.BFLOAT16, output=Output.READY),
        case_of(Direction.BACKWARD, DType.FLOAT64),
        case_of(Direction.FORWARD, DType.BFLOAT16, shape=(0, 8)),
        case_of(Direction.FORWARD, DType.BFLOAT16, shape=(8, 0)),
    ],
)
def test_what_a_third_party_does_not_take_is_skipped_with_a_reason(name, case):
    with pytest.raises(UnsupportedError, match=name):
        THIRD_PARTIES[name]().routine(OPERATION, case, {}, threads=1)


@pytest.mark.parametrize("name", THIRD_PARTIES)
def test_a_third_party_says_what_it_lacks(name, monkeypatch):
    backend = THIRD_PARTIES[name]()
    assert "CUDA" in backend.availability("cpu").reason
    assert isinstance(backend.availability("cuda:99"), Unavailable)
    monkeypatch.setattr(torch_backend, "device_problem", lambda device: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    reason = backend.availability("cuda").reason
    assert "pip install" in reason or "github.com" in reason
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert backend.availability("cuda") == Available()


@pytest.mark.parametrize("name", ["tilegym.suites.liger.cutile.layer_norm", "flashinfer.norm"])
def test_the_signatures_are_those_in_the_installed_source(name):
    top, *rest = name.split(".")
    if (found := importlib.util.find_spec(top)) is None:
        pytest.skip(f"{top} is not installed")
    path = Path(found.submodule_search_locations[0], *rest)
    file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    defined = {n.name: n for n in ast.parse(file.read_text()).body if hasattr(n, "name")}
    for function, stand_in in STAND_INS[name].items():
        if inspect.isfunction(stand_in):
            named = [argument.arg for argument in defined[function].args.args]
            assert named == list(inspect.signature(stand_in).parameters)
        else:
            assert function in defined
