"""The laws of add-layernorm: its truth, and its kernels under the contract of every backend."""

from typing import ClassVar

import numpy as np
import pytest
import torch

from lnbench.backends.numpy import NumPy
from lnbench.backends.torch_eager import TorchEager
from lnbench.operations.add_layernorm import numpy as kernels
from lnbench.operations.add_layernorm.spec import AddLayerNorm
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.plan.case import Case, Direction, DType, Options
from lnbench.testing import BackendContract, OperationContract

OPERATION = AddLayerNorm()


def case_of(direction, dtype=DType.FLOAT64, shape=(13, 40), **options):
    return Case("add-layernorm", direction, shape, dtype, "cpu", Options(**options))


class TestAddLayerNormContract(OperationContract):
    operation = AddLayerNorm


class TestNumPy(BackendContract):
    backend = NumPy
    operation = "add-layernorm"


class TestNumPyWithThreads(BackendContract):
    backend = NumPy
    operation = "add-layernorm"
    threads = 3
    dtypes: ClassVar = (DType.FLOAT32, DType.BFLOAT16)


class TestTorchEager(BackendContract):
    backend = TorchEager
    operation = "add-layernorm"
    dtypes: ClassVar = (DType.FLOAT32, DType.BFLOAT16)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("weight", [True, False])
def test_the_truth_is_what_torch_computes_in_float64(weight, bias):
    case = case_of(Direction.STEP, weight=weight, bias=bias)
    inputs = OPERATION.inputs(case, seed=1)
    leaves = {
        name: torch.from_numpy(array.copy()).requires_grad_()
        for name, array in inputs.items()
        if name not in ("dy", "dz")
    }
    z = leaves["x"] + leaves["residual"]
    y = torch.nn.functional.layer_norm(z, (40,), leaves.get("weight"), leaves.get("bias"), 1e-5)
    given = [torch.from_numpy(inputs[name]) for name in ("dy", "dz")]
    found = dict(zip(leaves, torch.autograd.grad((y, z), [*leaves.values()], given), strict=True))
    wanted = {"y": y, "z": z, "dx": found["x"]}
    wanted |= {f"d{name[0]}": found[name] for name in ("weight", "bias") if name in found}
    truth = OPERATION.reference(case, inputs)
    assert set(truth) == set(wanted)
    for name, each in wanted.items():
        expected = each.detach().numpy()
        np.testing.assert_allclose(truth[name].values, expected, rtol=1e-11, atol=1e-12)
    assert torch.equal(found["x"], found["residual"])


def test_what_is_normalized_is_the_sum_as_it_is_stored():
    case = case_of(Direction.FORWARD, DType.BFLOAT16)
    inputs = OPERATION.inputs(case, seed=1)
    y, z, mean, rstd = kernels.forward(
        *(inputs[n] for n in ("x", "residual", "weight", "bias")), 1e-5
    )
    alone = {**inputs, "x": z}
    truth = LayerNorm().reference(case, alone)
    ours = OPERATION.reference(case, inputs)
    for name in ("y", "mean", "rstd"):
        np.testing.assert_array_equal(ours[name].values, truth[name].values)
    assert (y.dtype, z.dtype, mean.dtype, rstd.dtype) == (z.dtype, y.dtype, *[np.float32] * 2)


@pytest.mark.parametrize(
    ("direction", "matrices"),
    [(Direction.FORWARD, 4), (Direction.BACKWARD, 4), (Direction.STEP, 8)],
)
def test_work_counts_each_array_once(direction, matrices):
    case = case_of(direction, DType.BFLOAT16, (512, 1024))
    bulk = 512 * 1024 * 2
    vectors = OPERATION.work(case).bytes_moved - matrices * bulk
    assert 0 < vectors < bulk / 10


def test_matrices_that_do_not_match_are_refused():
    x = np.ones((2, 3), np.float32)
    for residual in (x[:1], x.astype(np.float64)):
        with pytest.raises(ValueError, match="make them equal"):
            kernels.forward(x, residual, None, None, 1e-5)
