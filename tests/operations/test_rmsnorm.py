"""The laws of RMSNorm: its truth, and its kernels under the contract of every backend."""

from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch

from lnbench.backend import UnsupportedError
from lnbench.backends.numpy import NumPy
from lnbench.backends.torch_eager import TorchEager
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.operations.rmsnorm import numpy as kernels
from lnbench.operations.rmsnorm import torch as torch_kernels
from lnbench.operations.rmsnorm.spec import RMSNorm
from lnbench.plan.case import Case, Direction, DType, Options, Work
from lnbench.testing import BackendContract, OperationContract

OPERATION = RMSNorm()


def case_of(direction, dtype=DType.FLOAT64, shape=(13, 40), **options):
    return Case("rmsnorm", direction, shape, dtype, "cpu", Options(**options))


class TestRMSNormContract(OperationContract):
    operation = RMSNorm


class TestNumPy(BackendContract):
    backend = NumPy
    operation = "rmsnorm"


class TestNumPyWithThreads(BackendContract):
    backend = NumPy
    operation = "rmsnorm"
    threads = 3
    dtypes: ClassVar = (DType.FLOAT32, DType.BFLOAT16)


class TestTorchEager(BackendContract):
    backend = TorchEager
    operation = "rmsnorm"
    dtypes: ClassVar = (DType.FLOAT32, DType.BFLOAT16)


@pytest.mark.parametrize("weight", [True, False])
@pytest.mark.parametrize("shape", [(13, 40), (1, 1000), (500, 3), (7, 1)])
def test_the_truth_is_what_torch_computes_in_float64(shape, weight):
    case = case_of(Direction.STEP, shape=shape, weight=weight)
    inputs = OPERATION.inputs(case, seed=1)
    leaves = {
        name: torch.from_numpy(inputs[name].copy()).requires_grad_()
        for name in ("x", "weight")
        if name in inputs
    }
    y = torch.nn.functional.rms_norm(leaves["x"], shape[1:], leaves.get("weight"), 1e-5)
    found = torch.autograd.grad(y, list(leaves.values()), torch.from_numpy(inputs["dy"]))
    truth = {name: each.values for name, each in OPERATION.reference(case, inputs).items()}
    for name, wanted in zip(("y", "dx", "dw"), (y, *found), strict=False):
        np.testing.assert_allclose(truth[name], wanted.detach().numpy(), rtol=1e-11, atol=1e-12)


def test_of_centred_rows_it_is_layer_normalization():
    """Zhang and Sennrich 2019, section 3: LayerNorm without re-centring."""
    case = case_of(Direction.FORWARD)
    inputs = dict(OPERATION.inputs(case, seed=1))
    inputs["x"] = inputs["x"] - inputs["x"].mean(axis=1, keepdims=True)
    one, other = (each.reference(case, inputs)["y"].values for each in (OPERATION, LayerNorm()))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-13)


def test_there_is_no_bias():
    case = case_of(Direction.STEP)
    assert set(OPERATION.inputs(case, seed=0)) == {"x", "weight", "dy"}
    assert OPERATION.outputs(case) == ("y", "dx", "dw")


@pytest.mark.parametrize(
    ("direction", "bytes_moved"),
    [
        (Direction.FORWARD, 2 * 8 * 16 * 2 + 16 * 4 + 8 * 4),
        (Direction.BACKWARD, 3 * 8 * 16 * 2 + 2 * 16 * 4 + 8 * 4),
        (Direction.STEP, 5 * 8 * 16 * 2 + 3 * 16 * 4 + 2 * 8 * 4),
    ],
)
def test_work_counts_each_array_once(direction, bytes_moved):
    case = case_of(direction, DType.BFLOAT16, (8, 16), weight_dtype=DType.FLOAT32)
    assert OPERATION.work(case).bytes_moved == bytes_moved
    assert isinstance(OPERATION.work(case), Work)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.ones((2, 3)), np.ones(4)), "weight has shape"),
        ((np.ones(3), None), "rows and columns are needed"),
        ((np.ones((2, 3), int), None), "convert it with astype"),
    ],
)
def test_what_it_cannot_compute_is_a_sentence(arguments, words):
    with pytest.raises((ValueError, TypeError), match=words):
        kernels.forward(*arguments, 1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("weight", [torch.float32, None])
def test_torchs_ready_outputs_hold_what_it_would_have_allocated(dtype, weight):
    x = torch.randn(7, 30).to(dtype)
    gain = None if weight is None else torch.randn(30, dtype=weight)
    expected = torch_kernels.forward(x, gain, 1e-5)
    ready = tuple(torch.full_like(each, 7) for each in expected)
    found = torch_kernels.forward(x, gain, 1e-5, ready)
    assert all(one is other for one, other in zip(found, ready, strict=True))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_an_operator_without_ready_outputs_is_not_timed_with_copies():
    x = SimpleNamespace(device=torch.device("cuda"), dtype=torch.float32, shape=(3, 4))
    for call in (
        lambda: torch_kernels.forward(x, None, 1e-5, (x, x)),
        lambda: torch_kernels.backward(x, x, x, None, (x, None)),
    ):
        with pytest.raises(UnsupportedError, match="takes no ready outputs"):
            call()
