"""The laws of LayerNorm's truth, and of what verification makes of wrong kernels."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
import torch

from lnbench.arrays import numpy_dtype
from lnbench.measure.verify import agreement
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.plan.case import Case, Direction, DType, Options, Work
from lnbench.testing import OperationContract

OPERATION = LayerNorm()
EVERY_PRESENCE = [Options(weight=w, bias=b) for w in (True, False) for b in (True, False)]


def case_of(direction, dtype=DType.FLOAT64, shape=(13, 40), **options):
    return Case("layernorm", direction, shape, dtype, "cpu", Options(**options))


def truth_of(case, inputs):
    """Return the true values by name."""
    return {name: each.values for name, each in OPERATION.reference(case, inputs).items()}


class TestLayerNormContract(OperationContract):
    operation = LayerNorm


class TestReference:
    def test_sums_over_many_rows_are_as_close_as_float64_allows(self):
        """One after the other, the sums of 65539 rows were off by more than a kernel may be."""
        case = case_of(Direction.BACKWARD, shape=(65_539, 8))
        inputs = OPERATION.inputs(case, seed=1)
        x = inputs["x"].astype(np.longdouble)
        x -= x.mean(axis=1, keepdims=True)
        hat = x / np.sqrt(np.mean(x * x, axis=1, keepdims=True) + np.longdouble(case.options.eps))
        wide = (inputs["dy"] * hat).sum(axis=0)
        truth = OPERATION.reference(case, inputs)["dw"]
        assert np.max(np.abs(truth.values - wide) / truth.scales[0]) < 1e-15

    @pytest.mark.parametrize("options", EVERY_PRESENCE, ids=str)
    @pytest.mark.parametrize("shape", [(13, 40), (1, 1000), (500, 3), (7, 1)])
    def test_it_is_what_torch_computes_in_float64(self, shape, options):
        """y by layer_norm, the gradients by autograd, the statistics by native_layer_norm."""
        case = Case("layernorm", Direction.STEP, shape, DType.FLOAT64, "cpu", options)
        inputs = OPERATION.inputs(case, seed=1)
        leaves = {
            name: torch.from_numpy(inputs[name].copy()).requires_grad_()
            for name in ("x", "weight", "bias")
            if name in inputs
        }
        arguments = (leaves["x"], shape[1:], leaves.get("weight"), leaves.get("bias"), 1e-5)
        y, mean, rstd = torch.native_layer_norm(*arguments)
        gradients = torch.autograd.grad(y, leaves.values(), torch.from_numpy(inputs["dy"]))
        names = {"x": "dx", "weight": "dw", "bias": "db"}
        expected = {"y": y, "mean": mean[:, 0], "rstd": rstd[:, 0]} | {
            names[leaf]: each for leaf, each in zip(leaves, gradients, strict=True)
        }
        forward = replace_direction(case, Direction.FORWARD)
        found = truth_of(case, inputs) | truth_of(forward, inputs)
        assert found.keys() == expected.keys()
        for name, values in found.items():
            expect = expected[name].detach().numpy()
            np.testing.assert_allclose(values, expect, rtol=1e-12, atol=1e-12, err_msg=name)

    @pytest.mark.parametrize("options", EVERY_PRESENCE, ids=str)
    def test_its_gradients_are_the_slope_of_its_y(self, options):
        """Central differences of Σ y·dy find dx, dw and db."""
        case = Case("layernorm", Direction.STEP, (3, 5), DType.FLOAT64, "cpu", options)
        inputs = OPERATION.inputs(case, seed=2)

        def value(name, index, moved):
            array = inputs[name].copy()
            array[index] += moved
            return float((truth_of(case, {**inputs, name: array})["y"] * inputs["dy"]).sum())

        for name, gradient in (("x", "dx"), ("weight", "dw"), ("bias", "db")):
            if name not in inputs:
                assert gradient not in truth_of(case, inputs)
                continue
            slopes = np.empty(inputs[name].shape)
            for index in np.ndindex(slopes.shape):
                slopes[index] = (value(name, index, 1e-5) - value(name, index, -1e-5)) / 2e-5
            np.testing.assert_allclose(truth_of(case, inputs)[gradient], slopes, atol=1e-7)

    @pytest.mark.parametrize(("mean", "spread"), [(0.5, 2.0), (1e4, 1e-2), (1e8, 1.0)])
    def test_it_is_exact_at_any_mean(self, mean, spread):
        """Checked in fractions: rounding the mean itself must cost no digits of y, dx and dw."""
        case = case_of(Direction.STEP, shape=(1, 30))
        inputs = dict(OPERATION.inputs(case, seed=3))
        inputs["x"] = mean + spread * inputs["x"]
        normal, rstd = exact_row(inputs["x"][0], case.options.eps)
        dy = inputs["dy"][0]
        g = dy * inputs["weight"]
        found = truth_of(case, inputs)
        expected = {
            "y": normal * inputs["weight"] + inputs["bias"],
            "dx": (g - g.mean() - normal * (g * normal).mean()) * rstd,
            "dw": dy * normal,
        }
        for name, values in expected.items():
            size = np.abs(values).max()
            np.testing.assert_allclose(
                found[name].reshape(values.shape) / size, values / size, rtol=0, atol=1e-14
            )

    def test_its_blocks_of_rows_leave_no_row_out(self, monkeypatch):
        """A small block gives the values of a large one."""
        case = case_of(Direction.STEP, shape=(50, 7))
        inputs = OPERATION.inputs(case, seed=4)
        whole = truth_of(case, inputs)
        monkeypatch.setattr("lnbench.operations.rowwise.truth._BLOCK", 20)
        for name, values in truth_of(case, inputs).items():
            np.testing.assert_allclose(values, whole[name], rtol=1e-13, atol=1e-13)

    def test_it_starts_from_the_rounded_inputs(self):
        """The truth of bfloat16 inputs is not that of the numbers that they were rounded from."""
        case = case_of(Direction.FORWARD, DType.BFLOAT16)
        inputs = OPERATION.inputs(case, seed=5)
        wide = {name: each.astype(np.float64) for name, each in inputs.items()}
        assert inputs["x"].dtype == numpy_dtype(DType.BFLOAT16)
        np.testing.assert_array_equal(
            truth_of(case, inputs)["y"], truth_of(case_of(Direction.FORWARD), wide)["y"]
        )


def replace_direction(case, direction):
    return Case(case.operation, direction, case.shape, case.dtype, case.device, case.options)


def exact_row(row, eps):
    """Return x̂ and rstd of a row, rounded once at the end."""
    exact = [Fraction(float(each)) for each in row]
    mean = sum(exact) / len(exact)
    variance = sum((each - mean) ** 2 for each in exact) / len(exact)
    rstd = 1 / math.sqrt(variance + Fraction(eps))
    return np.array([float(each - mean) * rstd for each in exact]), rstd


class TestWork:
    @pytest.mark.parametrize(
        ("direction", "dtype", "options", "expected"),
        [
            # M = 100, N = 30: x and y; weight and bias; mean and rstd.
            (Direction.FORWARD, DType.FLOAT32, {}, 2 * 3000 * 4 + 2 * 30 * 4 + 8 * 100),
            (Direction.FORWARD, DType.BFLOAT16, {}, 2 * 3000 * 2 + 2 * 30 * 2 + 8 * 100),
            (Direction.FORWARD, DType.FLOAT64, {}, 2 * 3000 * 8 + 2 * 30 * 8 + 16 * 100),
            (Direction.FORWARD, DType.FLOAT32, {"weight": False, "bias": False}, 24800),
            (Direction.FORWARD, DType.BFLOAT16, {"weight_dtype": DType.FLOAT32},
             2 * 3000 * 2 + 2 * 30 * 4 + 8 * 100),
            # x, dy and dx; weight, dw and db; mean and rstd.
            (Direction.BACKWARD, DType.FLOAT32, {}, 3 * 3000 * 4 + 3 * 30 * 4 + 8 * 100),
            (Direction.BACKWARD, DType.FLOAT32, {"weight": False}, 36000 + 120 + 800),
            (Direction.BACKWARD, DType.FLOAT32, {"bias": False}, 36000 + 240 + 800),
            (Direction.STEP, DType.FLOAT32, {}, 24000 + 240 + 800 + 36000 + 360 + 800),
        ],
    )  # fmt: skip
    def test_bytes_are_those_of_every_operand_once(self, direction, dtype, options, expected):
        """2MNe + 2N·ew + 8M forward, 3MNe + 3N·ew + 8M backward, without what is absent."""
        case = case_of(direction, dtype, (100, 30), **options)
        assert OPERATION.work(case).bytes_moved == expected

    def test_operations_are_counted_an_element(self):
        """The count of the field: 8 forward, 14 backward, the sum for both."""
        flops = [OPERATION.work(case_of(each, shape=(4, 5))).flops for each in Direction]
        assert flops == [160, 280, 440]

    def test_only_the_rows_and_columns_count(self):
        """How the dimensions are grouped moves no byte."""
        flat = OPERATION.work(case_of(Direction.STEP, shape=(6, 20)))
        deep = OPERATION.work(case_of(Direction.STEP, shape=(2, 3, 4, 5), normalized_dims=2))
        assert flat == deep
        assert OPERATION.work(case_of(Direction.FORWARD, shape=(0, 5))) == Work(2 * 5 * 8, 0)

    def test_the_copys_bulk_is_the_works(self):
        """The speed limit moves the large operands, as often as the work counts them."""
        for direction in Direction:
            case = case_of(direction, DType.FLOAT32, (100, 30), weight=False, bias=False)
            moved = OPERATION.bulk(case).arrays_moved * 3000 * 4
            statistics = {Direction.STEP: 1600}.get(direction, 800)
            assert OPERATION.work(case).bytes_moved == moved + statistics


@dataclass
class Naive:
    """A LayerNorm of whole-array expressions in float32, right or wrong in one point."""

    eps: Callable[[float], float] = lambda eps: eps
    variance: Callable[..., object] = lambda x, mean: ((x - mean) ** 2).mean(1, keepdims=True)
    gradients: Callable[..., object] = lambda dx, dw, db: (dx, dw, db)
    results: Callable[..., object] = lambda y, mean, rstd: (y, mean, rstd)
    level: float = 1.0

    def forward(self, x, weight, bias, eps, out=None):
        wide, mean, rstd = self._statistics(x, eps)
        y = (wide - mean) * rstd
        y = y if weight is None else y * weight.astype(np.float32)
        y = y if bias is None else y + bias.astype(np.float32)
        return self.results(y.astype(x.dtype), mean[:, 0], rstd[:, 0])

    def backward(self, dy, x, mean, rstd, weight, has_bias, out=None):
        wide, dy, rstd = x.astype(np.float32), dy.astype(np.float32), rstd[:, None]
        normal = (wide - mean[:, None]) * rstd
        g = dy if weight is None else dy * weight.astype(np.float32)
        c1, c2 = (g * normal).mean(1, keepdims=True), g.mean(1, keepdims=True)
        dx = ((g - self.level * c2 - normal * c1) * rstd).astype(x.dtype)
        kind = x.dtype if weight is None else weight.dtype
        dw, db = ((dy * normal).sum(0).astype(kind), dy.sum(0).astype(kind))
        return self.gradients(dx, None if weight is None else dw, db if has_bias else None)

    def step(self, x, weight, bias, eps, dy):
        y, mean, rstd = self.forward(x, weight, bias, eps)
        return y, *self.backward(dy, x, mean, rstd, weight, bias is not None)

    def _statistics(self, x, eps):
        wide = x.astype(np.float32)
        mean = wide.mean(1, keepdims=True)
        return wide, mean, 1 / np.sqrt(self.variance(wide, mean) + self.eps(eps))


RIGHT = Naive()
UNBIASED = Naive(variance=lambda x, mean: x.var(1, ddof=1, keepdims=True))
SQUARES = Naive(variance=lambda x, mean: (x * x).mean(1, keepdims=True) - mean * mean)
LARGER_EPS = Naive(eps=lambda eps: 10 * eps)
NO_EPS = Naive(eps=lambda eps: 0.0)
EPS_OUTSIDE = Naive(
    variance=lambda x, mean: (np.sqrt(x.var(1, keepdims=True)) + np.float32(1e-5)) ** 2,
    eps=lambda eps: 0.0,
)
SWAPPED = Naive(gradients=lambda dx, dw, db: (dx, db, dw))
HALVED = Naive(gradients=lambda dx, dw, db: (dx, dw / 2, db))
UNLEVELLED = Naive(level=0.0)
SWAPPED_STATISTICS = Naive(results=lambda y, mean, rstd: (y, rstd, mean))
SHORT_STATISTICS = Naive(results=lambda y, mean, rstd: (y, mean[:-1], rstd))
COLUMN_STATISTICS = Naive(results=lambda y, mean, rstd: (y, mean[:, None], rstd))
LOST_ROW = Naive(results=lambda y, mean, rstd: (np.vstack([y[:-1], 0 * y[:1]]), mean, rstd))
LOST_COLUMN = Naive(gradients=lambda dx, dw, db: (dx, np.append(dw[:-1], dw[:1] * 0), db))
COARSE = Naive(
    results=lambda y, mean, rstd: (y.astype(np.float16).astype(y.dtype), mean, rstd),
)


def wrong_outputs(kernels, case, inputs):
    """Return the names of the outputs that verification refuses."""
    with np.errstate(all="ignore"):
        results = OPERATION.bind(kernels, case, inputs, None)()
    named = zip(OPERATION.outputs(case), results, strict=True)
    outputs = {name: each for name, each in named if each is not None}
    found = agreement(outputs, OPERATION.reference(case, inputs), {})
    return {name for name, output in found.outputs.items() if not output.passed}


class TestVerification:
    @pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16])
    @pytest.mark.parametrize("direction", Direction)
    @pytest.mark.parametrize("options", EVERY_PRESENCE, ids=str)
    def test_a_right_kernel_passes(self, dtype, direction, options):
        """Plain float32 expressions are near enough: what fails below fails for its fault."""
        case = Case("layernorm", direction, (67, 300), dtype, "cpu", options)
        assert wrong_outputs(RIGHT, case, OPERATION.inputs(case, seed=6)) == set()

    @pytest.mark.parametrize(
        ("kernels", "direction", "wrong"),
        [
            (UNBIASED, Direction.FORWARD, {"y", "rstd"}),
            (UNBIASED, Direction.BACKWARD, {"dx", "dw"}),
            (LARGER_EPS, Direction.FORWARD, {"y", "rstd"}),
            (SWAPPED, Direction.BACKWARD, {"dw", "db"}),
            (SWAPPED, Direction.STEP, {"dw", "db"}),
            (HALVED, Direction.STEP, {"dw"}),
            (UNLEVELLED, Direction.BACKWARD, {"dx"}),
            (LOST_COLUMN, Direction.BACKWARD, {"dw"}),
            (LOST_ROW, Direction.FORWARD, {"y"}),
            (COARSE, Direction.FORWARD, {"y"}),
            (SWAPPED_STATISTICS, Direction.FORWARD, {"mean", "rstd"}),
            (SHORT_STATISTICS, Direction.FORWARD, {"mean"}),
            (COLUMN_STATISTICS, Direction.FORWARD, {"mean"}),
        ],
    )  # fmt: skip
    def test_a_wrong_kernel_fails_where_it_is_wrong(self, kernels, direction, wrong):
        """On harmless input of usual size, and nothing else is blamed."""
        case = case_of(direction, DType.FLOAT32, (67, 300))
        assert wrong_outputs(kernels, case, OPERATION.inputs(case, seed=6)) == wrong

    @pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16])
    @pytest.mark.parametrize("direction", [Direction.FORWARD, Direction.BACKWARD])
    def test_a_wrong_variance_is_seen_through_half_precision(self, dtype, direction):
        """Statistics are judged by their own type; a short row shows the rest."""
        case = case_of(direction, dtype, (67, 30))
        found = wrong_outputs(UNBIASED, case, OPERATION.inputs(case, seed=6))
        assert found >= ({"y", "rstd"} if direction is Direction.FORWARD else {"dx", "dw"})

    @pytest.mark.parametrize(
        ("kernels", "name"),
        [
            (SQUARES, "mean 100"),
            (SQUARES, "mean 1e4, spread 1e-2"),
            (NO_EPS, "tiny values"),
            (NO_EPS, "constant rows"),
            (NO_EPS, "one column"),
            (EPS_OUTSIDE, "tiny values"),
        ],
    )
    @pytest.mark.parametrize("direction", Direction)
    def test_hostile_input_finds_what_usual_input_hides(self, kernels, name, direction):
        """E[x²] - E[x]² and a forgotten eps agree with the truth until the input is nasty."""
        case = case_of(direction, DType.FLOAT32, (67, 300))
        if kernels is SQUARES:
            assert wrong_outputs(kernels, case, OPERATION.inputs(case, seed=6)) == set()
        hostile = {each.name: each for each in OPERATION.hostile(case, seed=6)}[name]
        assert wrong_outputs(kernels, hostile.case, hostile.inputs)
