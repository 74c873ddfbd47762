"""Laws of flags that replace axes and budget."""

import pytest

from lnbench.errors import ConfigError, LnbenchError, UnknownNameError
from lnbench.plan.budget import PRESETS, Budget
from lnbench.plan.case import Direction, DType
from lnbench.plan.grid import Grid
from lnbench.plan.overrides import FLAG_AXES, Overrides, parse_overrides

KNOWN = {"operation": ("layernorm",), "backend": ("copy", "numpy", "torch-eager", "triton")}
GRID = Grid(("layernorm",), ((2, 3),), dtype=(DType.FLOAT16,), bias=(True, False))


def test_what_is_not_said_stays():
    said = parse_overrides({axis: [] for axis in FLAG_AXES}, KNOWN, budget={"time": None})
    assert said == Overrides()
    assert said.grid(GRID) == GRID
    assert said.budget_over(Budget(passes=3)) == Budget(passes=3)


def test_an_axis_that_is_said_replaces_that_axis_only():
    said = parse_overrides({"dtype": ["float32,bfloat16"], "direction": ["forward"]}, KNOWN)
    assert said.grid(GRID) == Grid(
        ("layernorm",),
        ((2, 3),),
        (Direction.FORWARD,),
        (DType.FLOAT32, DType.BFLOAT16),
        bias=(True, False),
    )


def test_commas_and_repeated_flags_mean_the_same():
    one = parse_overrides({"shape": ["4096x1024, 8×8"], "backend": ["numpy,triton"]}, KNOWN)
    other = parse_overrides({"shape": ["4096x1024", "8x8"], "backend": ["numpy", "triton"]}, KNOWN)
    assert one == other
    assert one.shape == ((4096, 1024), (8, 8))


@pytest.mark.parametrize(
    ("axes", "message", "hint"),
    [
        ({"backend": ["trtion"]}, "--backend: unknown backend 'trtion'", "'triton'"),
        ({"operation": ["layernrom"]}, "--operation: unknown operation 'layernrom'", "'layernorm'"),
        ({"dtype": ["float31"]}, "--dtype: unknown dtype 'float31'", "'float32'"),
        ({"output": ["redy"]}, "--outputs: unknown output 'redy'", "'ready'"),
        ({"device": ["gpu"]}, "--device: unknown device 'gpu'", ""),
        ({"shape": ["4096"], "direction": [""]}, "--direction: a value is empty", ""),
        ({"shape": ["2x,3"]}, "--shape: shape '2x' is not a shape", "4096x1024"),
        ({"shape": ["9" * 5000]}, "--shape: ", ""),
        ({"shape": ["99999999999x99999999999"]}, "--shape: shape", ""),
    ],
)
def test_a_wrong_value_names_its_flag(axes, message, hint):
    with pytest.raises(LnbenchError) as caught:
        parse_overrides(axes, KNOWN)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_numbers_go_over_the_preset_and_the_preset_over_the_file():
    said = parse_overrides({}, KNOWN, budget={"precision": "3%", "max_time": 60}, preset="fast")
    fast = PRESETS["fast"]
    assert said.budget_over(Budget(passes=99)) == Budget(
        0.03, fast.time_s, fast.passes, fast.rounds, 60.0, fast.timeout_s
    )
    with pytest.raises(UnknownNameError, match="slow"):
        Overrides(preset="slow").budget_over(Budget())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("time", 0, "--time: time must be above 0"),
        ("max_time", -1, "--max-time: max_time must be above 0"),
        ("passes", 1.5, "--passes: expected a whole number, got 1.5"),
        ("precision", "a lot", "--precision: 'a lot' is not a share"),
        ("precision", "0%", "--precision: precision must be above 0"),
        ("time", float("nan"), "--time: time must be above 0"),
    ],
)
def test_a_wrong_number_names_its_flag(key, value, message):
    with pytest.raises(ConfigError) as caught:
        parse_overrides({}, KNOWN, budget={key: value})
    assert message in caught.value.message


def test_an_empty_value_says_how_several_are_written():
    with pytest.raises(ConfigError) as caught:
        parse_overrides({"dtype": ["float32,"]}, KNOWN)
    assert caught.value.hint == "write values with commas between: a,b"


def test_filters_are_split_at_commas_and_an_empty_one_names_its_flag():
    assert parse_overrides({}, KNOWN, filters=["*a*, b", "c"]).filters == ("*a*", "*b*", "*c*")
    with pytest.raises(ConfigError, match="--filter: a value is empty"):
        parse_overrides({}, KNOWN, filters=[""])
