"""RMSNorm, add-layernorm and third parties on a CUDA device, against float64."""

import inspect

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from lnbench import registry  # noqa: E402
from lnbench.backend import Unavailable  # noqa: E402
from lnbench.measure.routine import make_routine  # noqa: E402
from lnbench.measure.truth import torch_errors  # noqa: E402
from lnbench.measure.verify import agreement, as_good_as_torch  # noqa: E402
from lnbench.plan.case import Case, Direction, DType  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

SHAPES = [(523, 64), (523, 1000), (16, 4096), (300, 8192), (64, 20001), (5, 70000)]


def verify(backend, operation, direction, dtype, shape):
    made, mathematics = registry.backend(backend), registry.operation(operation)
    if isinstance(found := made.availability("cuda"), Unavailable):
        pytest.skip(found.reason)
    case = Case(operation, direction, shape, dtype, "cuda")
    inputs = mathematics.inputs(case, seed=0)
    truths = mathematics.reference(case, inputs)
    routine = make_routine(made, mathematics, case, inputs, threads=1)
    outputs = routine.host(routine.run())
    errors = torch_errors(mathematics, case, inputs, truths)
    found = agreement(outputs, truths, errors)
    assert found.passed or (made.third_party and as_good_as_torch(found, errors)), found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.BFLOAT16, DType.FLOAT16, DType.FLOAT64])
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("operation", ["rmsnorm", "add-layernorm"])
@pytest.mark.parametrize("backend", ["triton", "torch-eager"])
def test_the_fused_operations_are_right(backend, operation, direction, dtype, shape):
    verify(backend, operation, direction, dtype, shape)


@pytest.mark.parametrize("shape", [(523, 1024), (523, 4096), (64, 16384)])
@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.BFLOAT16])
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("operation", ["layernorm", "rmsnorm"])
@pytest.mark.parametrize("backend", ["liger", "quack", "torch-compile-max"])
def test_third_parties_are_right(backend, operation, direction, dtype, shape):
    verify(backend, operation, direction, dtype, shape)


def test_ligers_functions_take_what_the_backend_gives_them():
    ops = pytest.importorskip("liger_kernel.ops.layer_norm")
    names = list(inspect.signature(ops.layer_norm_backward).parameters)
    assert names[:6] == ["dY", "X", "W", "B", "Mean", "RSTD"]
    assert list(inspect.signature(ops.layer_norm_forward).parameters) == ["X", "W", "B", "eps"]


def test_quacks_functions_take_what_the_backend_gives_them():
    ops = pytest.importorskip("quack.rmsnorm")
    names = list(inspect.signature(ops.layernorm_bwd).parameters)
    assert names == ["x", "weight", "dout", "rstd", "mean", "has_bias"]
