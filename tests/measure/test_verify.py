"""Outputs against the truth: what is found, wherever it is, and what it is called."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.arrays import numpy_dtype
from lnbench.measure import verify
from lnbench.measure.verify import agreement, checksum, tolerance_of
from lnbench.operation import TOLERANCES, Truth
from lnbench.plan.case import DType

FLOAT32 = TOLERANCES[DType.FLOAT32]
NAN, INF = np.nan, np.inf


def truth(values, *scales, dtype=None):
    return Truth(np.array(values, np.float64), tuple(map(np.asarray, scales)), dtype)


def compared(output, true, peer=0.0, dtype=np.float32):
    """Return the agreement of one output; a list of values is a truth without scales."""
    true = true if isinstance(true, Truth) else truth(true)
    output = None if output is None else np.asarray(output, dtype)
    (found,) = agreement({"y": output}, {"y": true}, {"y": peer}).outputs.values()
    return found


def test_the_truth_agrees_with_itself():
    found = compared([1.0, -2.0, 0.0], [1.0, -2.0, 0.0])

    assert found.passed
    assert (found.max_error, found.max_relative, found.max_ulp) == (0, 0, 0)


# What must not pass


@pytest.mark.parametrize(
    ("output", "true"),
    [
        ([1.0, NAN], [1.0, 2.0]),
        ([1.0, INF], [1.0, 2.0]),
        ([1.0, 2.0], [1.0, NAN]),
        ([1.0, 2.0], [1.0, INF]),
        ([NAN, 2.0], [1.0, NAN]),
        ([NAN, NAN], [NAN, 2.0]),
    ],
)
def test_what_is_not_finite_in_the_wrong_place_is_infinitely_off(output, true):
    found = compared(output, true)

    assert not found.passed
    assert found.max_error == found.max_relative == found.max_ulp == INF


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_what_is_not_finite_in_the_right_place_passes(bad):
    found = compared([1.0, bad, 2.0], [1.0, bad, 2.0])

    assert found.passed
    assert found.max_error == 0


@pytest.mark.parametrize(("output", "true"), [(-INF, INF), (INF, -INF), (-INF, 1e39), (INF, -1e39)])
def test_the_other_infinity_is_wrong(output, true):
    assert not compared([output], [true]).passed


def test_nan_is_wrong_for_what_overflows_and_warns_of_what_is_infinite():
    assert not compared([NAN], [1e39]).passed
    assert compared([NAN], [INF]).passed


@pytest.mark.parametrize(
    ("dtype", "largest", "beyond"),
    [
        (np.float16, 65504.0, 65520.0),
        (np.float16, 65519.0, 7e4),
        (np.float32, 3.4028234e38, 3.5e38),
        (ml_dtypes.bfloat16, 3.3895e38, 3.4e38),
    ],
)
def test_what_overflows_the_type_is_infinite_and_what_fits_is_not(dtype, largest, beyond):
    with np.errstate(over="ignore"):
        assert compared([largest], [largest], dtype=dtype).passed
        assert compared([beyond], [beyond], dtype=dtype).passed
        assert not compared([INF], [largest], dtype=dtype).passed


@pytest.mark.parametrize("output", [None, [[1.0, 2.0]], [1.0], [1.0, 2.0, 3.0], 1.0])
def test_a_missing_output_or_one_of_another_shape_is_infinitely_off(output):
    found = compared(output, [1.0, 2.0])

    assert not found.passed
    assert found.max_relative == INF
    assert found.allowed == FLOAT32.absolute


def test_every_output_of_the_truth_must_be_there_and_others_do_not_matter():
    found = agreement({"y": np.ones(2), "z": np.ones(3)}, {"x": truth([1]), "y": truth([1, 1])}, {})

    passed = [(name, output.passed) for name, output in found.outputs.items()]
    assert passed == [("x", False), ("y", True)]
    assert not found.passed


def test_an_error_that_is_no_number_does_not_pass():
    scale = np.array([1.0, NAN])

    assert not compared([1.0, 2.5], truth([1.0, 2.0], scale)).passed


def test_nothing_agrees_with_nothing():
    assert compared(np.empty((0, 4)), np.empty((0, 4))).passed
    assert compared(np.empty((4, 0)), np.empty((4, 0))).passed
    assert not compared(np.empty((4, 0)), np.empty((0, 4))).passed


# In which units


def test_an_error_counts_in_units_of_the_larger_of_value_and_scale():
    assert compared([1.0, 8.5], truth([1.0, 8.0], 1.0)).max_relative == 0.5 / 8
    assert compared([1.0, 8.5], truth([1.0, 8.0], 100.0)).max_relative == 0.5 / 100
    assert compared([0.25], truth([0.0], 1e-3)).max_relative == 0.25 / 1e-3


def test_without_scales_a_small_value_counts_as_1():
    assert compared([0.5], [0.25]).max_relative == 0.25


def test_rounding_below_the_smallest_normal_number_is_no_error():
    """A weight near 0 in float16: y is subnormal, and its digits are those that the type has."""
    values = np.array([1.03e-5, -3.3e-6, 2.1e-7])
    tiny = truth(values, np.full(3, 1e-6))

    assert compared(values, tiny, dtype=np.float16).passed
    assert not compared(np.zeros(3), tiny, dtype=np.float16).passed
    assert not compared(values.astype(np.float16), tiny, dtype=np.float32).passed


def test_scales_are_multiplied_and_broadcast():
    rows, columns = np.array([[1.0], [10.0]]), np.array([[2.0, 3.0, 4.0]])
    true = truth(np.zeros((2, 3)), rows, columns)
    output = np.zeros((2, 3))
    output[1, 2] = 1.0

    assert compared(output, true).max_relative == 1 / (10 * 4)


@pytest.mark.parametrize("scale", [np.float64(4.0), np.array([4.0, 4.0]), np.array([[4.0, 4.0]])])
def test_a_scale_may_have_fewer_dimensions_or_a_single_row(scale, monkeypatch):
    monkeypatch.setattr(verify, "_BLOCK", 2)  # one row a block

    found = compared([[0, 0], [0, 0], [0, 2]], truth(np.zeros((3, 2)), scale))

    assert found.max_relative == 0.5


def test_a_scale_that_is_not_finite_excuses_only_its_own_row():
    scale = np.array([[1.0], [NAN]])

    assert compared([[1.0], [NAN]], truth([[1.0], [NAN]], scale)).passed
    assert not compared([[9.0], [NAN]], truth([[1.0], [NAN]], scale)).passed


ULPS = {
    DType.FLOAT64: 2.0**-52,
    DType.FLOAT32: 2.0**-23,
    DType.FLOAT16: 2.0**-10,
    DType.BFLOAT16: 2.0**-7,
}


@pytest.mark.parametrize("dtype", list(DType))
@pytest.mark.parametrize(("value", "units"), [(1.0, 1), (1.5, 1), (2.0, 2), (3.5, 2), (96.0, 64)])
def test_an_ulp_is_the_step_to_the_next_number_of_the_type(dtype, value, units):
    step = ULPS[dtype] * units
    kind = numpy_dtype(dtype)
    assert float(np.array(value + step, kind)) == value + step  # it is the next one indeed
    assert float(np.array(value + step / 4, kind)) == value

    assert compared([value + 3 * step], [value], dtype=kind).max_ulp == 3
    assert compared([value - step], truth([value], value), dtype=kind).max_ulp == 1


@pytest.mark.parametrize(
    ("dtype", "least"), [(np.float16, 2.0**-24), (np.float32, 2.0**-149), (np.float64, 2.0**-1074)]
)
def test_below_the_normal_numbers_an_ulp_is_the_least_of_the_type(dtype, least):
    tiny = np.array([0.0], np.float64)

    found = compared([3 * least], truth(tiny, np.array([least])), dtype=dtype)

    assert found.max_ulp == 3


# What is allowed


@pytest.mark.parametrize("dtype", list(DType))
def test_twice_the_peers_error_and_a_little_is_allowed_up_to_the_ceiling(dtype):
    rule = TOLERANCES[dtype]
    kind = numpy_dtype(dtype)

    assert compared([1.0], [1.0], 0.0, kind).allowed == rule.absolute
    half = (rule.ceiling - rule.absolute) / 4
    assert compared([1.0], [1.0], half, kind).allowed == 2 * half + rule.absolute
    assert compared([1.0], [1.0], 1e9, kind).allowed == rule.ceiling


def test_a_peer_that_is_not_known_allows_nothing():
    (found,) = agreement({"y": np.ones(1)}, {"y": truth([1.0])}, {"x": 1.0}).outputs.values()

    assert found.allowed == TOLERANCES[DType.FLOAT64].absolute


@pytest.mark.parametrize("dtype", list(DType))
@pytest.mark.parametrize("through", [None, *DType])
def test_an_output_is_judged_by_the_coarsest_type_on_its_way(dtype, through):
    found = tolerance_of(dtype, truth([1.0], dtype=through))

    ceilings = [TOLERANCES[each].ceiling for each in (dtype, through) if each is not None]
    assert found.ceiling == max(ceilings)


@pytest.mark.parametrize("bad", [1, -1])
def test_the_bound_is_where_it_is_said_to_be(bad):
    for factor, passes in ((0.9, True), (1.1, False)):
        found = compared([bad * factor * FLOAT32.absolute], [0.0])
        assert found.passed is passes


# Wherever it is


@given(data=st.data())
def test_an_error_beyond_the_bound_is_found_wherever_it_is(data):
    rows = data.draw(st.integers(1, 12), "rows")
    columns = data.draw(st.integers(1, 5), "columns")
    row = data.draw(st.integers(0, rows - 1), "row")
    column = data.draw(st.integers(0, columns - 1), "column")
    dtype = data.draw(st.sampled_from(DType), "dtype")
    rng = np.random.default_rng(data.draw(st.integers(0, 99), "seed"))
    values = rng.standard_normal((rows, columns))
    scales = (rng.uniform(0.1, 10, (rows, 1)), rng.uniform(0.1, 10, (1, columns)))
    kind = numpy_dtype(dtype)
    values = values.astype(kind).astype(np.float64)
    true = truth(values, *scales)
    unit = np.maximum(np.abs(values), scales[0] * scales[1])
    beyond = data.draw(st.sampled_from([-1, 1])) * 3 * TOLERANCES[dtype].ceiling
    output = values.astype(kind)
    output[row, column] = values[row, column] + beyond * unit[row, column]
    smaller = values + 0.1 * TOLERANCES[dtype].absolute * unit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "_BLOCK", data.draw(st.integers(1, 40), "block"))
        found = compared(output, true, peer=1e9, dtype=kind)
        right = compared(values.astype(kind), true, dtype=kind)
        close = compared(smaller, true, dtype=np.float64 if dtype is DType.FLOAT64 else kind)

    assert not found.passed
    assert found.max_relative == pytest.approx(abs(beyond), rel=0.6)
    assert right.passed
    assert right.max_error == 0
    assert close.passed


@given(row=st.integers(0, 9), bad=st.sampled_from([NAN, INF]), block=st.integers(1, 12))
def test_a_bad_number_is_found_in_any_block(row, bad, block):
    output = np.ones((10, 3))
    output[row, 1] = bad
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "_BLOCK", block)
        assert compared(output, np.ones((10, 3))).max_error == INF


def test_a_block_is_what_fits_in_a_few_megabytes_and_at_least_a_row(monkeypatch):
    monkeypatch.setattr(verify, "_BLOCK", 8)
    heights = [
        len(values) for values, _, _ in verify._blocks(np.ones((7, 3)), truth(np.ones((7, 3))))
    ]
    assert heights == [2, 2, 2, 1]

    wide = [
        len(values) for values, _, _ in verify._blocks(np.ones((2, 99)), truth(np.ones((2, 99))))
    ]
    assert wide == [1, 1]


# Checksums


def test_a_checksum_sees_every_bit_and_name_and_shape_and_type():
    y = np.arange(6, dtype=np.float32).reshape(2, 3)
    other = y.copy()
    other[1, 2] = np.nextafter(other[1, 2], 9, dtype=np.float32)
    variants = [
        {"y": y},
        {"z": y},
        {"y": y.reshape(3, 2)},
        {"y": y.view(np.int32)},
        {"y": other},
        {"y": -y},
        {"y": y, "z": y},
        {"y": y[:0]},
        {},
    ]

    assert len({checksum(each) for each in variants}) == len(variants)
    assert checksum({"y": np.zeros(1)}) != checksum({"y": -np.zeros(1)})


def test_a_checksum_does_not_mind_order_memory_and_strides():
    y = np.arange(6, dtype=np.float32).reshape(2, 3)

    assert checksum({"a": y, "b": y[0]}) == checksum({"b": y[0], "a": y.copy(order="F")})


@pytest.mark.parametrize(
    "array", [np.float64(3), np.ones((0, 3)), np.ones(3, ml_dtypes.bfloat16), np.ones((2, 2)).T]
)
def test_a_checksum_takes_any_array(array):
    assert checksum({"y": np.asarray(array)}) == checksum({"y": np.asarray(array)})
