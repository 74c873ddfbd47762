"""Laws of cases, benchmark ids and grids."""

import contextlib
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.errors import ConfigError, LnbenchError, UnknownNameError
from lnbench.plan.case import (
    Benchmark,
    Cache,
    Case,
    Direction,
    DType,
    Options,
    Output,
    parse_device,
    parse_shape,
    shape_text,
)
from lnbench.plan.grid import Grid

names = st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", fullmatch=True)
shapes = st.lists(st.integers(0, 2**40), min_size=1, max_size=4).map(tuple)


@st.composite
def cases(draw, devices=("cpu", "cuda", "mps")):
    shape = draw(shapes)
    direction = draw(st.sampled_from(Direction))
    outputs = [Output.ALLOCATED] if direction is Direction.STEP else list(Output)
    options = Options(
        draw(st.sampled_from(Cache)),
        draw(st.sampled_from(outputs)),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.none() | st.sampled_from(DType)),
        draw(st.floats(0, 1e300)),
        draw(st.integers(1, len(shape))),
    )
    return Case(
        draw(names),
        direction,
        shape,
        draw(st.sampled_from(DType)),
        draw(st.sampled_from(devices)),
        options,
    )


@given(cases(), names)
def test_an_id_parses_back_to_its_benchmark(case, backend):
    benchmark = Benchmark(case, backend)
    assert Benchmark.parse(benchmark.id) == benchmark


@given(cases(), cases(), names)
def test_different_benchmarks_have_different_ids(one, other, backend):
    same = Benchmark(one, backend).id == Benchmark(other, backend).id
    assert same == (one == other)


@given(cases(devices=("cuda:0", "cuda:3")), names)
def test_the_index_of_a_device_is_not_part_of_the_identity(case, backend):
    assert Benchmark.parse(Benchmark(case, backend).id).case.device == "cuda:0"


@pytest.mark.parametrize(
    ("text", "device"),
    [("cpu", "cpu"), ("mps", "mps"), ("cuda", "cuda:0"), ("xpu", "xpu:0"), ("cuda:1", "cuda:1")],
)
def test_a_device_of_which_there_may_be_more_always_has_its_number(text, device):
    case = Case("layernorm", Direction.FORWARD, (4, 5), DType.FLOAT32, text)
    assert case.device == device
    assert msgspec.convert(msgspec.to_builtins(case), Case) == case


def test_an_id_names_only_the_options_that_differ():
    case = Case("layernorm", Direction.FORWARD, (4096, 1024), DType.BFLOAT16, "cuda:1")
    assert Benchmark(case, "triton").id == "layernorm/forward/4096x1024/bfloat16/cuda/triton"
    cold = Options(cache=Cache.COLD, bias=False, eps=1e-6)
    case = Case("layernorm", Direction.STEP, (8,), DType.FLOAT32, "cpu", cold)
    assert (
        Benchmark(case, "numpy").id
        == "layernorm/step/8/float32/cpu/numpy;cache=cold;bias=false;eps=1e-06"
    )


@given(
    st.text()
    | st.lists(
        st.sampled_from(
            ["layernorm", "forward", "2x3", "float32", "cpu", "numpy", "", "x", "9" * 5000]
        ),
        min_size=6,
        max_size=6,
    ).map("/".join)
    | st.from_regex(
        r"a/forward/2x3/float32/cpu/b(;[a-z_]{0,6}=?[a-z0-9.-]{0,6}){1,3}", fullmatch=True
    )
)
def test_any_other_text_is_a_config_error(text):
    with contextlib.suppress(LnbenchError):
        Benchmark.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "layernorm/forward/2x3/float32/cpu",
        "layernorm/sideways/2x3/float32/cpu/numpy",
        "layernorm/forward/2y3/float32/cpu/numpy",
        "layernorm/forward/2x3/float31/cpu/numpy",
        "layernorm/forward/2x3/float32/cpu/numpy;cache=warm",
        "layernorm/forward/2x3/float32/cpu/numpy;eps",
        "layernorm/forward/2x3/float32/cpu/numpy;speed=high",
        "layernorm/forward/2x3/float32/cpu/numpy;normalized_dims=3",
    ],
)
def test_a_wrong_part_of_an_id_is_named(text):
    with pytest.raises(ConfigError, match=r"layernorm|shape"):
        Benchmark.parse(text)


@given(cases())
def test_rows_times_columns_are_all_elements(case):
    assert case.rows * case.columns == math.prod(case.shape)


def test_a_row_spans_the_trailing_dimensions():
    case = Case("o", Direction.FORWARD, (2, 3, 5), DType.FLOAT32, "cpu", Options(normalized_dims=2))
    assert (case.rows, case.columns) == (2, 15)


@pytest.mark.parametrize("eps", [-1e-9, math.inf, math.nan])
def test_eps_is_finite_and_not_negative(eps):
    with pytest.raises(ValueError, match="eps"):
        Options(eps=eps)


@pytest.mark.parametrize("shape", [(), (2, -1)])
def test_a_shape_has_sizes_and_none_below_zero(shape):
    with pytest.raises(ValueError, match="shape"):
        Case("o", Direction.FORWARD, shape, DType.FLOAT32, "cpu")
    with pytest.raises(ValueError, match="shape"):
        Grid(("o",), (shape,))


def test_no_more_dimensions_are_normalized_than_there_are():
    with pytest.raises(ValueError, match="normalized_dims 2"):
        Case("o", Direction.FORWARD, (8,), DType.FLOAT32, "cpu", Options(normalized_dims=2))


def test_a_step_allocates_its_results():
    with pytest.raises(ValueError, match="step"):
        Case("o", Direction.STEP, (8,), DType.FLOAT32, "cpu", Options(output=Output.READY))


@given(
    st.sets(st.sampled_from(Direction), min_size=1),
    st.sets(st.sampled_from(DType), min_size=1),
    st.sets(shapes, min_size=1, max_size=3),
    st.sets(st.booleans(), min_size=1),
    st.lists(names, max_size=3, unique=True),
)
def test_a_grid_yields_every_combination_once(directions, dtypes, sizes, biases, backends):
    grid = Grid(
        ("o",),
        tuple(sizes),
        tuple(directions),
        tuple(dtypes),
        ("cpu",),
        tuple(backends),
        bias=tuple(biases),
    )
    found = list(grid.benchmarks())
    assert len(found) == len(set(found))
    assert len(found) == math.prod(map(len, (directions, dtypes, sizes, biases, backends)))


def test_the_backends_of_a_case_come_side_by_side():
    grid = Grid(("o",), ((2,), (3,)), (Direction.FORWARD,), backend=("a", "b"), device=("cpu",))
    found = [(row.case.shape, row.backend) for row in grid.benchmarks()]
    assert found == [((2,), "a"), ((2,), "b"), ((3,), "a"), ((3,), "b")]


@pytest.mark.parametrize("axis", ["operation", "shape", "direction", "eps", "device"])
def test_an_axis_without_values_is_refused(axis):
    axes = {"operation": ("o",), "shape": ((2,),)} | {axis: ()}
    with pytest.raises(ValueError, match=f"'{axis}' is empty"):
        Grid(**axes)


@given(shapes)
def test_a_shape_reads_as_it_is_written(shape):
    assert parse_shape(shape_text(shape)) == shape


@pytest.mark.parametrize("text", ["", "x", "2x", "2*3", "-2x3", "2.0x3", "२x3"])
def test_what_is_no_shape_is_refused(text):
    with pytest.raises(ConfigError, match="not a shape"):
        parse_shape(text)


def test_a_device_has_a_known_type_and_a_number():
    assert [parse_device(text) for text in ("auto", "cpu", "cuda:1")] == ["auto", "cpu", "cuda:1"]
    for text in ("gpu", "cuda:", "cuda:x", "cuda:01", "cuda:\u00b2", "cuda:\u0663", ""):
        with pytest.raises(UnknownNameError, match="device"):
            parse_device(text)


def test_sums_are_kept_in_float32_or_wider():
    assert {dtype: dtype.accumulator.itemsize for dtype in DType} == {
        DType.FLOAT64: 8,
        DType.FLOAT32: 4,
        DType.FLOAT16: 4,
        DType.BFLOAT16: 4,
    }
