"""The laws of the Triton kernels, interpreted on the CPU.

`test_layernorm_triton.py` runs this file by pytest in processes of their own with
TRITON_INTERPRET=1, which must be set before triton is imported.
"""

import itertools
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lnbench import registry
from lnbench.arrays import to_host, to_torch
from lnbench.backend import Available
from lnbench.measure.verify import agreement
from lnbench.operations.layernorm import triton as kernels
from lnbench.operations.layernorm.spec import LayerNorm as Specification
from lnbench.operations.rowwise.triton import backward as triton_backward
from lnbench.operations.rowwise.triton import choice as triton_choice
from lnbench.operations.rowwise.triton import launch_backward as triton_launch_backward
from lnbench.operations.rowwise.triton import tiles as triton_tiles
from lnbench.operations.rowwise.triton.tiers import Configuration
from lnbench.plan.case import Case, Direction, DType, Options, Output

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:triton")  # NaN and inf are meant

OPERATION = Specification()

LARGE = 1 << 30  # elements between neighbours: the fourth lies beyond 2³¹


@pytest.fixture(autouse=True)
def unwritten_memory_is_nan():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def ladder(forward=None, backward=None):
    """Return the kernels with forced configurations, each given as a function of the width."""

    def forced_forward(x, *args, out=None):
        chosen = forward and forward(x.shape[1])
        return kernels.forward(x, *args, out=out, configuration=chosen)

    def forced_backward(dy, *args, out=None):
        chosen = backward and backward(dy.shape[1])
        return kernels.backward(dy, *args, out=out, configuration=chosen)

    return SimpleNamespace(forward=forced_forward, backward=forced_backward)


def problems(case, inputs, module=kernels):
    """Return what is wrong with the outputs of a case, as text; nothing where all is right."""
    arrays = {name: to_torch(array, "cpu") for name, array in inputs.items()}
    results = OPERATION.bind(module, case, arrays, None)()
    named = zip(OPERATION.outputs(case), results, strict=True)
    outputs = {name: to_host(result) for name, result in named if result is not None}
    truths = OPERATION.reference(case, inputs)
    assert set(truths) <= set(outputs)
    return [
        f"{name} is {output.max_relative:.1e} off, allowed are {output.allowed:.1e}"
        for name, output in agreement(outputs, truths, {}).outputs.items()
        if not output.passed
    ]


def hostile_problems(case, module=kernels):
    """Return what is wrong on hostile inputs, by their names."""
    found = {
        hostile.name: problems(hostile.case, hostile.inputs, module)
        for hostile in OPERATION.hostile(case, seed=1)
    }
    return {name: wrong for name, wrong in found.items() if wrong}


def case_of(direction, dtype, shape=(67, 300), **options):
    return Case("layernorm", direction, shape, dtype, "cpu", Options(**options))


def normal(*shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def wide_normal(x):
    """Return x̂ and rstd of rows in more digits than float64 has."""
    centred = x.numpy().astype(np.longdouble)
    for _ in range(2):  # the first mean is rounded too
        centred -= centred.mean(axis=1, keepdims=True)
    rstd = 1 / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + np.longdouble(1e-5))
    return centred * rstd, rstd


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("dtype", DType)
class TestAgreement:
    def test_usual_inputs_come_out_right(self, dtype, direction):
        case = case_of(direction, dtype)
        assert problems(case, OPERATION.inputs(case, seed=0)) == []

    def test_hostile_inputs_come_out_right(self, dtype, direction):
        assert hostile_problems(case_of(direction, dtype)) == {}

    def test_weight_and_bias_may_be_absent_or_of_another_type(self, dtype, direction):
        other = DType.FLOAT64 if dtype is DType.FLOAT32 else DType.FLOAT32
        for weight, bias, weight_dtype in itertools.product(
            (True, False), (True, False), (None, other)
        ):
            options = {"weight": weight, "bias": bias, "weight_dtype": weight_dtype}
            case = case_of(direction, dtype, **options)
            assert problems(case, OPERATION.inputs(case, seed=2)) == [], options


FORWARD_TIERS = {
    "one row a program": lambda width: rows_of(1, width),
    "four rows a program": lambda width: rows_of(4, width),
    "64 rows a program": lambda width: rows_of(64, width),
    "chunks of 256": lambda _: Configuration("looped", 1, 256, 4),
    "chunks of 1024": lambda _: Configuration("looped", 1, 1024, 4),
    "split in 256": lambda _: Configuration("split", 1, 64, 4, chunk=256),
    "split in 1024": lambda _: Configuration("split", 1, 256, 4, chunk=1024),
}

BACKWARD_TIERS = {
    "one row a tile": lambda width: rows_of(1, width),
    "four rows a tile": lambda width: rows_of(4, width),
    "64 rows a tile": lambda width: rows_of(64, width),
    "whole rows, twice": lambda width: rows_of(1, width)._replace(tier="twice"),
    "separate, steps of 256": lambda _: Configuration("separate", 2, 256, 4, stages=2, chunk=256),
    "separate, steps of 1024": lambda _: Configuration("separate", 4, 256, 4, chunk=1024),
    "columns of 256": lambda _: Configuration("columns", 2, 256, 16),
    "columns of 1024": lambda _: Configuration("columns", 4, 1024, 16),
    "columns, sums of 256": lambda _: Configuration("columns", 2, 128, 16, chunk=256),
    "three tiles under way": lambda width: rows_of(2, width)._replace(stages=3),
}


def rows_of(height, width):
    return Configuration("rows", height, 1 << (max(1, width) - 1).bit_length(), 16)


class TestTiers:
    @pytest.mark.parametrize("tier", FORWARD_TIERS)
    def test_every_forward_tier_is_right_on_hostile_inputs(self, tier):
        module = ladder(forward=FORWARD_TIERS[tier])
        assert hostile_problems(case_of(Direction.FORWARD, DType.FLOAT32), module) == {}

    @pytest.mark.parametrize("tier", BACKWARD_TIERS)
    def test_every_backward_tier_is_right_on_hostile_inputs(self, tier):
        module = ladder(backward=BACKWARD_TIERS[tier])
        assert hostile_problems(case_of(Direction.BACKWARD, DType.FLOAT32), module) == {}

    @pytest.mark.parametrize("tier", BACKWARD_TIERS)
    def test_rows_beyond_the_last_program_are_not_forgotten(self, tier):
        configuration = BACKWARD_TIERS[tier](40)
        rows = 9 * 8 * configuration.block_m + 3  # there are 8 programs on the CPU
        case = case_of(Direction.BACKWARD, DType.BFLOAT16, shape=(rows, 40))
        module = ladder(backward=BACKWARD_TIERS[tier])
        assert problems(case, OPERATION.inputs(case, seed=3), module) == []

    def test_parts_beyond_one_step_of_their_sum_are_not_forgotten(self, monkeypatch):
        monkeypatch.setattr(
            triton_choice, "PROCESSORS_OF_CPU", 3 * triton_launch_backward.SUM_PARTS + 1
        )
        case = case_of(Direction.BACKWARD, DType.FLOAT32, shape=(203, 100))
        module = ladder(backward=BACKWARD_TIERS["one row a tile"])
        assert problems(case, OPERATION.inputs(case, seed=7), module) == []

    @pytest.mark.parametrize("tier", BACKWARD_TIERS)
    def test_dx_may_lie_where_dy_or_x_did_or_not_be_wanted(self, tier):
        x, dy, weight = normal(19, 40), normal(19, 40, seed=1), normal(40, seed=2)
        _, mean, rstd = kernels.forward(x, weight, weight, 1e-5)
        configuration, expected = BACKWARD_TIERS[tier](40), None
        for place in ("apart", "dy", "x", "none"):
            given = {"dy": dy.clone(), "x": x.clone()}
            dx = {"apart": torch.empty_like(x), "none": None}.get(place, given.get(place))
            out = (dx, torch.empty_like(weight), torch.empty_like(weight))
            args = (given["dy"], given["x"], mean, rstd, weight, True)
            results = kernels.backward(*args, out=out, configuration=configuration)
            expected = expected or results
            for result, right in zip(results, expected, strict=True):
                assert result is None or torch.allclose(result, right, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32, DType.BFLOAT16])
    def test_all_steps_of_the_first_of_two_sweeps_count(self, dtype):
        columns = 5001 if dtype is DType.FLOAT64 else 9001  # the table takes such rows twice
        case = case_of(Direction.BACKWARD, dtype, shape=(19, columns))
        assert problems(case, OPERATION.inputs(case, seed=8)) == []

    @pytest.mark.parametrize("rows_at_once", [1, 16, 40, 96])
    def test_rows_in_groups_that_fit_the_cache_are_all_taken(self, monkeypatch, rows_at_once):
        monkeypatch.setattr(triton_choice, "CACHE_OF_CPU", rows_at_once * 2 * 2 * 100 * 4)
        kernel, added = triton_backward.backward_tiles, []

        class Seen:
            def __getitem__(self, grid):
                def run(*arguments, **options):
                    added.append(arguments[17])
                    return kernel[grid](*arguments, **options)

                return run

        monkeypatch.setattr(triton_backward, "backward_tiles", Seen())
        case = case_of(Direction.BACKWARD, DType.FLOAT32, shape=(203, 100))
        for tier in ("columns of 256", "columns, sums of 256"):
            module, height = ladder(backward=BACKWARD_TIERS[tier]), max(16, rows_at_once // 16 * 16)
            added.clear()
            assert problems(case, OPERATION.inputs(case, seed=5), module) == []
            assert added == [0] + [1] * ((203 - 1) // height)

    @pytest.mark.parametrize(
        ("direction", "tier"),
        [
            *((Direction.FORWARD, tier) for tier in FORWARD_TIERS),
            *((Direction.BACKWARD, tier) for tier in BACKWARD_TIERS),
        ],
    )
    def test_widths_that_blocks_divide_need_no_mask(self, direction, tier):
        forward = direction is Direction.FORWARD
        chosen = (FORWARD_TIERS if forward else BACKWARD_TIERS)[tier]
        module = ladder(**{str(direction): chosen})
        case = case_of(direction, DType.FLOAT32, shape=(9, 512))
        assert problems(case, OPERATION.inputs(case, seed=11), module) == []

    @pytest.mark.parametrize(("rows", "launches"), [(1, 0), (4, 0), (65, 1)])
    def test_few_rows_are_added_up_in_the_same_launch(self, rows, launches, monkeypatch):
        kernel, asked = triton_backward.sum_parts, []

        class Counted:
            def __getitem__(self, grid):
                asked.append(grid)
                return kernel[grid]

        monkeypatch.setattr(triton_backward, "sum_parts", Counted())
        case = case_of(Direction.BACKWARD, DType.BFLOAT16, shape=(rows, 40))
        assert problems(case, OPERATION.inputs(case, seed=6)) == []
        assert len(asked) == launches

    @pytest.mark.parametrize(
        ("direction", "columns"),
        [
            (Direction.FORWARD, 16385),
            (Direction.FORWARD, 65537),
            (Direction.BACKWARD, 8193),
            (Direction.BACKWARD, 16385),
        ],
    )
    @pytest.mark.parametrize("dtype", DType)
    def test_the_default_tiers_of_wide_rows_are_right(self, dtype, direction, columns):
        case = case_of(direction, dtype, shape=(3, columns))
        assert problems(case, OPERATION.inputs(case, seed=4)) == []

    @pytest.mark.parametrize("tier", ["four rows a tile", "whole rows, twice"])
    def test_three_sums_by_one_reduction_are_three_sums(self, monkeypatch, tier):
        monkeypatch.setattr(triton_tiles, "ONE_BY_ONE", False)
        case = case_of(Direction.BACKWARD, DType.FLOAT32, shape=(3, 20))
        module = ladder(backward=BACKWARD_TIERS[tier])
        assert problems(case, OPERATION.inputs(case, seed=9), module) == []


class TestNumbers:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("tier", FORWARD_TIERS)
    def test_a_large_mean_costs_no_digits(self, tier, dtype):
        x = (1e4 + 1e-2 * normal(4, 500)).to(dtype)
        y, _, _ = kernels.forward(x, None, None, 1e-5, configuration=FORWARD_TIERS[tier](500))
        expected, _ = wide_normal(x)
        assert np.abs(y.numpy() - expected).max() < 10 * torch.finfo(dtype).eps

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("tier", BACKWARD_TIERS)
    def test_a_large_mean_costs_backward_no_digits(self, tier, dtype):
        x, g = (1e4 + 1e-2 * normal(4, 500)).to(dtype), normal(4, 500, seed=1).to(dtype)
        _, mean, rstd = kernels.forward(x, None, None, 1e-5)
        weight = torch.ones(500, dtype=dtype)
        configuration = BACKWARD_TIERS[tier](500)
        dx, dw, _ = kernels.backward(g, x, mean, rstd, weight, False, configuration=configuration)
        hat, factor = wide_normal(x)
        g = g.numpy().astype(np.longdouble)
        expected = g - g.mean(1, keepdims=True) - hat * (g * hat).mean(1, keepdims=True)
        assert np.abs(dx.numpy() / factor - expected).max() < 20 * torch.finfo(dtype).eps
        assert np.abs(dw.numpy() - (g * hat).sum(0)).max() < 40 * torch.finfo(dtype).eps

    @pytest.mark.parametrize("eps", [0.0, 1e-12, 1e-5, 0.1, 1])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_eps_has_the_precision_of_the_sums(self, dtype, eps):
        x = 1e-3 * normal(8, 64, dtype=dtype)
        _, _, rstd = kernels.forward(x, None, None, eps)
        expected = (x.double().var(1, correction=0) + eps).rsqrt()
        torch.testing.assert_close(
            rstd, expected.to(dtype), rtol=4 * torch.finfo(dtype).eps, atol=0
        )

    @pytest.mark.parametrize("tier", FORWARD_TIERS)
    def test_a_rows_result_does_not_depend_on_its_neighbours(self, tier):
        x = normal(131, 300, dtype=torch.float32)
        configuration = FORWARD_TIERS[tier](300)
        together = kernels.forward(x, None, None, 1e-5, configuration=configuration)
        alone = kernels.forward(x[77:78], None, None, 1e-5, configuration=configuration)
        for many, one in zip(together, alone, strict=True):
            assert torch.equal(many[77:78], one)

    def test_the_same_call_gives_the_same_bits(self):
        x, weight, dy = (
            normal(*shape, dtype=torch.float32) for shape in ((203, 77), (77,), (203, 77))
        )
        first, second = (kernels.step(x, weight, weight, 1e-5, dy) for _ in range(2))
        for one, other in zip(first, second, strict=True):
            assert torch.equal(one, other)

    def test_a_sum_over_many_rows_is_kept_in_float32(self):
        x = normal(4099, 3, dtype=torch.bfloat16)
        _, mean, rstd = kernels.forward(x, None, None, 1e-5)
        _, _, db = kernels.backward(torch.ones_like(x), x, mean, rstd, None, True)
        assert db.float().tolist() == [4096.0] * 3  # 4099, rounded; bfloat16 would stop at 256


class TestInterface:
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
    def test_statistics_are_float32_or_float64_and_gradients_have_the_weights_type(self, dtype):
        x, weight = normal(5, 8, dtype=dtype), normal(8, dtype=torch.float16)
        y, mean, rstd = kernels.forward(x, weight, None, 1e-5)
        wide = torch.float64 if dtype is torch.float64 else torch.float32
        assert (y.dtype, mean.dtype, rstd.dtype) == (dtype, wide, wide)
        dx, dw, db = kernels.backward(y, x, mean, rstd, weight, True)
        assert (dx.dtype, dw.dtype, db.dtype) == (dtype, torch.float16, torch.float16)
        _, dw, db = kernels.backward(y, x, mean, rstd, None, True)
        assert (dw, db.dtype) == (None, dtype)

    @pytest.mark.parametrize("forward", FORWARD_TIERS)
    @pytest.mark.parametrize("backward", BACKWARD_TIERS)
    def test_ready_buffers_of_any_strides_are_filled(self, forward, backward):
        x, dy, weight = normal(9, 65), normal(9, 65, seed=1), normal(65, seed=2)
        chosen = (FORWARD_TIERS[forward](65), BACKWARD_TIERS[backward](65))
        expected = kernels.forward(x, weight, weight, 1e-5)
        ready = (x.new_empty(65, 9).T, *(x.new_empty(9) for _ in range(2)))
        got = kernels.forward(x, weight, weight, 1e-5, out=ready, configuration=chosen[0])
        assert all(one is other for one, other in zip(got, ready, strict=True))
        torch.testing.assert_close(got, expected)
        arguments = (dy, x, *expected[1:], weight, True)
        ready = (x.new_empty(65, 18).T[::2], *(x.new_empty(65) for _ in range(2)))
        got = kernels.backward(*arguments, out=ready, configuration=chosen[1])
        assert all(one is other for one, other in zip(got, ready, strict=True))
        torch.testing.assert_close(got, kernels.backward(*arguments))

    def test_a_strided_weight_is_read_by_its_strides(self):
        x, weight = normal(4, 10), normal(20)[::2]
        straight = kernels.forward(x, weight.clone(), weight.clone(), 1e-5)
        assert torch.equal(kernels.forward(x, weight, weight, 1e-5)[0], straight[0])

    def test_a_strided_buffer_for_a_vector_is_refused(self):
        x = normal(4, 10)
        ready = (torch.empty_like(x), x.new_empty(8)[::2], x.new_empty(4))
        with pytest.raises(
            ValueError, match=r"strides \(2,\); mean, rstd, dw and db must be contig"
        ):
            kernels.forward(x, None, None, 1e-5, out=ready)

    @pytest.mark.parametrize("strides", [(LARGE, 1), (1, LARGE)])
    @pytest.mark.parametrize("tier", ["rows", "wide", "split"])
    def test_offsets_may_pass_two_to_the_31(self, strides, tier):
        sparse = partial(torch.empty, 4 * LARGE, dtype=torch.bfloat16)
        torch.use_deterministic_algorithms(False)  # unwritten pages of these take no memory
        x, dy, y, dx = (sparse().as_strided((4, 4), strides) for _ in range(4))
        for each, seed in ((x, 0), (dy, 1)):
            each.copy_(normal(4, 4, seed=seed))
        wide = {
            "forward": Configuration("looped", 1, 2, 4),
            "backward": Configuration("columns", 2, 2, 4),
        }
        split = {
            "forward": Configuration("split", 1, 2, 4, chunk=2),
            "backward": Configuration("columns", 2, 2, 4, chunk=2),
        }
        none = {"forward": None, "backward": None}
        chosen = {"rows": none, "wide": wide, "split": split}[tier]
        ready = (y, torch.empty(4), torch.empty(4))
        _, mean, rstd = kernels.forward(x, None, None, 1e-5, ready, chosen["forward"])
        assert torch.equal(y.contiguous(), kernels.forward(x.contiguous(), None, None, 1e-5)[0])
        kernels.backward(dy, x, mean, rstd, None, False, (dx, None, None), chosen["backward"])
        straight = kernels.backward(dy.contiguous(), x.contiguous(), mean, rstd, None, False)
        torch.testing.assert_close(dx.contiguous(), straight[0], rtol=1e-2, atol=1e-2)

    def test_the_report_names_the_configuration(self):
        found = kernels.details(case_of(Direction.STEP, DType.FLOAT32, shape=(4, 1 << 20)))
        assert found["forward tier"] == "split"
        assert found["backward tier"] == "columns"
        found = kernels.details(case_of(Direction.FORWARD, DType.BFLOAT16, shape=(4, 3, 100)))
        assert found == {"forward tier": "rows", "forward tile": "32x128", "forward warps": 4}


class TestBackend:
    def test_a_routine_tells_its_configuration_and_that_it_is_interpreted(self):
        backend = registry.backend("triton")
        assert backend.availability("cpu") == Available(note="interpreted")
        case = case_of(Direction.FORWARD, DType.FLOAT32, output=Output.READY)
        inputs = OPERATION.inputs(case, seed=8)
        routine = backend.routine(OPERATION, case, inputs, threads=1)
        assert dict(routine.details()) == {**kernels.details(case), "interpreted": True}
        outputs = routine.host(routine.run())
        truths = OPERATION.reference(case, inputs)
        assert agreement(outputs, truths, {}).passed

    def test_absent_outputs_have_no_host_array(self):
        case = case_of(Direction.STEP, DType.BFLOAT16, shape=(5, 6), weight=False, bias=False)
        inputs = OPERATION.inputs(case, seed=8)
        routine = registry.backend("triton").routine(OPERATION, case, inputs, threads=1)
        assert set(routine.host(routine.run())) == {"y", "dx"}


def test_random_shapes_agree_with_the_reference():
    rng = np.random.default_rng(5)
    for _ in range(20):
        shape = tuple(int(each) for each in rng.integers(1, 200, 2))
        direction = Direction.BACKWARD if rng.integers(2) else Direction.FORWARD
        case = case_of(direction, DType.FLOAT32, shape=shape)
        assert problems(case, OPERATION.inputs(case, seed=6)) == [], shape
