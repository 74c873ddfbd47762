"""The laws of RMSNorm's and add-layernorm's Triton kernels; `test_fused.py` runs this file."""

import ml_dtypes
import numpy as np
import pytest
import torch
import triton.language as tl
from triton.runtime import interpreter
from triton_interpreted import BACKWARD_TIERS, FORWARD_TIERS, unwritten_memory_is_nan

from lnbench.arrays import to_host, to_torch
from lnbench.measure.verify import agreement
from lnbench.operations.add_layernorm import triton as add_layernorm
from lnbench.operations.add_layernorm.spec import AddLayerNorm
from lnbench.operations.rmsnorm import triton as rmsnorm
from lnbench.operations.rmsnorm.spec import RMSNorm
from lnbench.plan.case import Case, Direction, DType, Options

__all__ = ["unwritten_memory_is_nan"]

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:triton")  # NaN and inf are meant

SHAPES = ((13, 300), (3, 1021), (1, 7))
OPERATIONS = {"rmsnorm": (RMSNorm(), rmsnorm), "add-layernorm": (AddLayerNorm(), add_layernorm)}


@pytest.fixture(autouse=True)
def bfloat16_is_rounded_as_a_gpu_does(monkeypatch):
    """The interpreter cuts bfloat16 off; a sum that is stored and normalized shows it."""
    convert = interpreter._convert_float

    def rounded(values, source, target, mode):
        if source == tl.float32 and target == tl.bfloat16:
            return values.view(np.float32).astype(ml_dtypes.bfloat16).view(np.uint16)
        return convert(values, source, target, mode)

    monkeypatch.setattr(interpreter, "_convert_float", rounded)


class Forced:
    """The kernels with one configuration for either direction, a function of the width."""

    def __init__(self, kernels, forward=None, backward=None):
        self._kernels, self._forward, self._backward = kernels, forward, backward
        self.step = kernels.step

    def forward(self, x, *arguments, out=None):
        chosen = self._forward and self._forward(x.shape[1])
        return self._kernels.forward(x, *arguments, out=out, configuration=chosen)

    def backward(self, dy, *arguments, out=None):
        chosen = self._backward and self._backward(dy.shape[1])
        return self._kernels.backward(dy, *arguments, out=out, configuration=chosen)


def problems(operation, case, inputs, module):
    """Return the outputs of a case that are wrong, and by how much."""
    arrays = {name: to_torch(array, "cpu") for name, array in inputs.items()}
    results = operation.bind(module, case, arrays, None)()
    named = zip(operation.outputs(case), results, strict=True)
    outputs = {name: to_host(result) for name, result in named if result is not None}
    found = agreement(outputs, operation.reference(case, inputs), {}).outputs
    return {name: output.max_relative for name, output in found.items() if not output.passed}


def hostile_problems(operation, case, module):
    found = {
        hostile.name: problems(operation, hostile.case, hostile.inputs, module)
        for hostile in operation.hostile(case, seed=1)
    }
    return {name: wrong for name, wrong in found.items() if wrong}


def case_of(name, direction, dtype=DType.FLOAT32, shape=(67, 300), **options):
    return Case(name, direction, shape, dtype, "cpu", Options(**options))


@pytest.mark.parametrize("name", OPERATIONS)
class TestBoth:
    @pytest.mark.parametrize("direction", Direction)
    @pytest.mark.parametrize("dtype", DType)
    def test_usual_and_hostile_inputs_come_out_right(self, name, dtype, direction):
        (operation, kernels), case = OPERATIONS[name], case_of(name, direction, dtype)
        assert problems(operation, case, operation.inputs(case, seed=0), kernels) == {}
        assert hostile_problems(operation, case, kernels) == {}

    @pytest.mark.parametrize("direction", Direction)
    def test_weight_may_be_absent_or_of_another_type(self, name, direction):
        operation, kernels = OPERATIONS[name]
        for options in ({"weight": False}, {"weight_dtype": DType.FLOAT32}):
            case = case_of(name, direction, DType.BFLOAT16, **options)
            assert problems(operation, case, operation.inputs(case, seed=2), kernels) == {}

    @pytest.mark.parametrize("tier", FORWARD_TIERS)
    def test_every_forward_tier_is_right(self, name, tier):
        operation, kernels = OPERATIONS[name]
        module = Forced(kernels, forward=FORWARD_TIERS[tier])
        for shape in SHAPES:
            case = case_of(name, Direction.FORWARD, shape=shape)
            assert problems(operation, case, operation.inputs(case, seed=4), module) == {}

    @pytest.mark.parametrize("tier", BACKWARD_TIERS)
    def test_every_backward_tier_is_right(self, name, tier):
        operation, kernels = OPERATIONS[name]
        module = Forced(kernels, backward=BACKWARD_TIERS[tier])
        for shape in SHAPES:
            case = case_of(name, Direction.BACKWARD, shape=shape)
            assert problems(operation, case, operation.inputs(case, seed=4), module) == {}

    @pytest.mark.parametrize("tier", BACKWARD_TIERS)
    def test_rows_beyond_the_last_program_are_not_forgotten(self, name, tier):
        operation, kernels = OPERATIONS[name]
        rows = 9 * 8 * BACKWARD_TIERS[tier](40).block_m + 3  # there are 8 programs on the CPU
        case = case_of(name, Direction.BACKWARD, DType.BFLOAT16, shape=(rows, 40))
        module = Forced(kernels, backward=BACKWARD_TIERS[tier])
        assert problems(operation, case, operation.inputs(case, seed=3), module) == {}


def test_rmsnorm_computes_only_what_is_asked_for():
    x, dy = (torch.randn(6, 40, requires_grad=r) for r in (True, False))
    weight = torch.randn(40)
    y = rmsnorm.rms_norm(x, (40,), weight, 1e-5)
    (dx,) = torch.autograd.grad(y, [x], dy)
    ready = torch.full((40,), 7.0)
    _, rstd = rmsnorm.forward(x.detach(), weight, 1e-5)
    found = rmsnorm.backward(dy, x.detach(), rstd, weight, out=(None, ready))
    assert found[0] is None
    assert (ready != 7).all()
    torch.testing.assert_close(dx, rmsnorm.backward(dy, x.detach(), rstd, weight)[0])


@pytest.mark.parametrize(
    "needed", [(1, 0, 0, 0), (0, 1, 0, 0), (1, 1, 1, 1), (0, 0, 1, 0), (0, 0, 0, 1)]
)
def test_add_layernorm_differentiates_what_needs_it(needed):
    leaves = [torch.randn(*shape).double() for shape in ((5, 12), (5, 12), (12,), (12,))]
    for leaf, needs in zip(leaves, needed, strict=True):
        leaf.requires_grad_(bool(needs))
    x, residual, weight, bias = leaves

    def both(module):
        y, z = module(x, residual, weight, bias, 1e-5)
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        # A bias alone changes y alone: z then has no gradient to give.
        return torch.autograd.grad((y * y).sum() + 3 * z.sum(), wanted)

    def eager(x, residual, weight, bias, eps):
        z = x + residual
        return torch.nn.functional.layer_norm(z, (12,), weight, bias, eps), z

    torch.testing.assert_close(both(add_layernorm.add_layer_norm), both(eager))


def test_add_layernorm_passes_the_finite_difference_check():
    leaves = [torch.randn(*s).double().requires_grad_() for s in ((3, 5), (3, 5), (5,), (5,))]
    assert torch.autograd.gradcheck(add_layernorm.add_layer_norm, leaves)


def test_a_residual_of_another_shape_or_type_is_refused():
    x = torch.randn(3, 5)
    for residual in (x[:2], x.double()):
        with pytest.raises(ValueError, match="residual has shape"):
            add_layernorm.forward(x, residual, None, None, 1e-5)


@pytest.mark.parametrize("tier", FORWARD_TIERS)
def test_the_sum_may_be_stored_where_x_was(tier):
    x, residual = torch.randn(5, 2000), torch.randn(5, 2000)
    apart = add_layernorm.forward(x, residual, None, None, 1e-5)
    ready = (torch.empty_like(x), x, torch.empty(5), torch.empty(5))
    cut = FORWARD_TIERS[tier](2000)
    together = add_layernorm.forward(x, residual, None, None, 1e-5, ready, cut)
    torch.testing.assert_close(together, apart)


@pytest.mark.parametrize("used", [0, 1])
def test_an_output_of_add_layernorm_that_nobody_uses_has_no_gradient(used):
    x, residual = torch.randn(4, 30), torch.randn(4, 30)
    given = [each.clone().double().requires_grad_() for each in (x, residual)]

    def eager(x, residual):
        z = x + residual
        return torch.nn.functional.layer_norm(z, (30,)), z

    found = torch.autograd.grad((add_layernorm.add_layer_norm(*given)[used] ** 2).sum(), given)
    expected = torch.autograd.grad((eager(*given)[used] ** 2).sum(), given)
    torch.testing.assert_close(found, expected)


def test_a_strided_buffer_for_a_vector_is_refused():
    x, gaps = torch.randn(4, 10), torch.empty(20)[::2]
    statistics = (torch.empty(4), torch.empty(8)[::2])
    for refused in (
        lambda: rmsnorm.forward(x, None, 1e-5, (x.clone(), statistics[1])),
        lambda: rmsnorm.backward(x, x, statistics[0], x[0], (x.clone(), gaps)),
        lambda: add_layernorm.forward(x, x, None, None, 1e-5, (x.clone(), x.clone(), *statistics)),
        lambda: add_layernorm.backward(
            x, x, x, statistics[0], statistics[0], x[0], True, (x.clone(), x[0].clone(), gaps)
        ),
    ):
        with pytest.raises(ValueError, match=r"has strides \(2,\)"):
            refused()
