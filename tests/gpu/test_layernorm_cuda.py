"""Triton's LayerNorm on a CUDA device: what neither the interpreter nor the compiler can show."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
next_power_of_2 = pytest.importorskip("triton").next_power_of_2

from lnbench.arrays import to_host, to_torch  # noqa: E402
from lnbench.measure.verify import agreement  # noqa: E402
from lnbench.operations.layernorm import torch as eager  # noqa: E402
from lnbench.operations.layernorm import triton as kernels  # noqa: E402
from lnbench.operations.layernorm.spec import LayerNorm as Specification  # noqa: E402
from lnbench.operations.rowwise.triton import backward as triton_backward  # noqa: E402
from lnbench.operations.rowwise.triton import forward as triton_forward  # noqa: E402
from lnbench.operations.rowwise.triton import launch_backward as triton_launch_backward  # noqa: E402
from lnbench.operations.rowwise.triton import two_pass as triton_two_pass  # noqa: E402
from lnbench.operations.rowwise.triton.tiers import Configuration, bucket  # noqa: E402
from lnbench.plan.case import Case, Direction, DType, Options  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

OPERATION = Specification()

JITTED = {
    triton_forward: ("forward_rows", "forward_looped", "split_moments", "split_normalize"),
    triton_backward: ("backward_sums", "backward_tiles", "sum_parts"),
    triton_two_pass: ("backward_two_pass", "backward_slope"),
}


def forced(forward, backward):
    """Return the kernels with these cuts, each a function of the width."""
    return SimpleNamespace(
        forward=lambda x, *rest, out=None: kernels.forward(x, *rest, out, forward(x.shape[1])),
        backward=lambda dy, *rest, out=None: kernels.backward(
            dy, *rest, out, backward(dy.shape[1])
        ),
    )


FORCED = {
    "wide": forced(
        lambda _: Configuration("looped", 1, 128, 4),
        lambda _: Configuration("columns", 2, 128, 4),
    ),
    "split": forced(
        lambda _: Configuration("split", 1, 128, 4, chunk=256),
        lambda _: Configuration("columns", 2, 128, 4, chunk=256),
    ),
    "separate": forced(
        lambda _: Configuration("looped", 1, 2048, 8),
        lambda _: Configuration("separate", 2, 128, 4, stages=3, chunk=256),
    ),
    "twice": forced(
        lambda width: Configuration("rows", 1, next_power_of_2(width), 8),
        lambda width: Configuration("twice", 1, next_power_of_2(width), 4),
    ),
}


def problems(case, inputs, module=kernels):
    """Return what is wrong with the outputs of a case, as text; nothing where all is right."""
    arrays = {name: to_torch(array, case.device) for name, array in inputs.items()}
    results = OPERATION.bind(module, case, arrays, None)()
    named = zip(OPERATION.outputs(case), results, strict=True)
    outputs = {name: to_host(result) for name, result in named if result is not None}
    truths = OPERATION.reference(case, inputs)
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
    return Case("layernorm", direction, shape, dtype, "cuda", Options(**options))


def normal(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator("cuda").manual_seed(seed)
    return torch.randn(shape, generator=generator, device="cuda", dtype=dtype)


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("dtype", DType)
class TestAgreement:
    @pytest.mark.parametrize("columns", [1, 64, 300, 1024, 5120, 8192, 16384, 20001, 65536])
    def test_usual_inputs_come_out_right(self, dtype, direction, columns):
        case = case_of(direction, dtype, shape=(523, columns))
        assert problems(case, OPERATION.inputs(case, seed=0)) == []

    def test_hostile_inputs_come_out_right(self, dtype, direction):
        assert hostile_problems(case_of(direction, dtype)) == {}


@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.BFLOAT16])
@pytest.mark.parametrize("direction", [Direction.FORWARD, Direction.BACKWARD])
@pytest.mark.parametrize("tier", FORCED)
def test_the_tiers_of_wide_rows_are_right_on_narrow_ones(dtype, direction, tier):
    assert hostile_problems(case_of(direction, dtype), FORCED[tier]) == {}


@pytest.mark.parametrize("columns", [65537, 1 << 20])
@pytest.mark.parametrize("rows", [1, 5, 16])
def test_few_wide_rows_are_split_and_right(rows, columns):
    for direction in (Direction.FORWARD, Direction.BACKWARD):
        case = case_of(direction, DType.FLOAT32, shape=(rows, columns))
        assert problems(case, OPERATION.inputs(case, seed=0)) == []


@pytest.mark.parametrize("columns", [64, 1001, 4096, 16384, 65536])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_eager_and_triton_agree(columns, dtype):
    x, dy = normal(1000, columns, dtype=dtype), normal(1000, columns, dtype=dtype, seed=1)
    weight, bias = (normal(columns, dtype=dtype, seed=seed) for seed in (2, 3))
    ours = kernels.step(x, weight, bias, 1e-5, dy)
    theirs = eager.step(x, weight, bias, 1e-5, dy)
    near = {torch.float32: 1e-4, torch.bfloat16: 2e-2}[dtype]
    for mine, other in zip(ours, theirs, strict=True):
        # dw and db are sums over the rows.
        size = 1 if mine.ndim > 1 else 1000**0.5
        torch.testing.assert_close(mine, other, rtol=near, atol=near * size)


@pytest.mark.parametrize("columns", [1000, 4096, 16384, 32768])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_last_launch_sees_all_parts_though_it_starts_early(monkeypatch, columns, dtype):
    x, weight, dy = (
        normal(*shape, dtype=dtype) for shape in ((4000, columns), (columns,), (4000, columns))
    )
    _, mean, rstd = kernels.forward(x, weight, weight, 1e-5)
    given = (dy, x, mean, rstd, weight, True)
    early = [kernels.backward(*given) for _ in range(20)]
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = kernels.backward(*given)
    graph.replay()
    monkeypatch.setattr(triton_launch_backward, "starts_early", lambda device: False)
    late = kernels.backward(*given)
    torch.cuda.synchronize()
    for each in (*early, captured):
        assert all(torch.equal(one, other) for one, other in zip(each, late, strict=True))


@pytest.mark.parametrize("columns", [64, 1000, 4096, 65536])
def test_the_same_call_gives_the_same_bits(columns):
    x, weight, dy = normal(5000, columns), normal(columns, seed=1), normal(5000, columns, seed=2)
    first = kernels.step(x, weight, weight, 1e-5, dy)
    for _ in range(20):
        again = kernels.step(x, weight, weight, 1e-5, dy)
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize("columns", [64, 1000, 8192, 65536])
def test_a_rows_result_does_not_depend_on_its_neighbours(columns):
    x = normal(300, columns)
    together, alone = (kernels.forward(each, None, None, 1e-5) for each in (x, x[77:78]))
    for many, one in zip(together, alone, strict=True):
        assert torch.equal(many[77:78], one)


@pytest.mark.parametrize("columns", [1000, 1001, 65536])
def test_another_number_of_rows_of_one_bucket_compiles_nothing(columns):
    def variants():
        jitted = [getattr(module, name) for module, names in JITTED.items() for name in names]
        return sum(len(cache[0]) for each in jitted for cache in each.device_caches.values())

    def step(rows):
        x, weight = normal(rows, columns), normal(columns)
        kernels.step(x, weight, weight, 1e-5, x)

    processors = torch.cuda.get_device_properties(0).multi_processor_count
    for others in ((1, 2, 3, 4), (5, 15, 16, 17, 100), (processors, 1000, 1024, 4096)):
        step(others[0])
        before = variants()
        assert before > 0
        for rows in others[1:]:
            assert bucket(rows, processors) is bucket(others[0], processors)
            step(rows)
        assert variants() == before


@pytest.mark.parametrize(("rows", "columns"), [((1 << 21) + 5, 1024), ((1 << 15) + 5, 65544)])
def test_more_than_two_to_the_31_elements_are_right(rows, columns):
    needed = 4 * rows * columns * 2 + (2 << 30)
    if torch.cuda.mem_get_info()[0] < needed:
        pytest.skip(f"needs {needed >> 30} GiB of free device memory")
    x = torch.empty(rows, columns, dtype=torch.bfloat16, device="cuda").normal_()
    y, mean, rstd = kernels.forward(x, None, None, 1e-5)
    dx, _, db = kernels.backward(y, x, mean, rstd, None, True)
    # As many rows as let the choice of kernels be that for many.
    for part in (slice(0, 256), slice(-256, None)):
        few = kernels.forward(x[part].clone(), None, None, 1e-5)
        for many, one in zip((y, mean, rstd), few, strict=True):
            assert torch.equal(many[part], one)
        few = kernels.backward(y[part].clone(), x[part].clone(), *few[1:], None, False)
        assert torch.equal(dx[part], few[0])
    sums = sum(piece.sum(0, dtype=torch.float64) for piece in y.split((1 << 26) // columns))
    torch.testing.assert_close(db.double(), sums, rtol=1e-2, atol=1e-3 * rows**0.5)


def test_another_device_than_the_current_one_is_used():
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    x = normal(5, 7).to("cuda:1")
    y, _, _ = kernels.forward(x, None, None, 1e-5)
    torch.testing.assert_close(y, torch.nn.functional.layer_norm(x, (7,)))
