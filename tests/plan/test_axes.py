"""Laws of what a message says of a wrong value of an axis."""

import pytest

from lnbench.errors import ConfigError, LnbenchError
from lnbench.plan.axes import axis_values


@pytest.mark.parametrize(
    ("axis", "value", "message"),
    [
        ("eps", None, "x: expected a number, got nothing"),
        ("eps", {"a": 1}, "x: expected a number, got a mapping"),
        ("bias", "no", "x: expected true or false, got 'no'"),
        ("normalized_dims", 1.5, "x: expected a whole number, got 1.5"),
        ("operation", 3, "x: expected text, got 3"),
        ("dtype", 3, "x: expected a name, got 3"),
        ("shape", 3, "x: expected a shape such as [128, 768] or 128x768, got 3"),
        ("shape", [[]], "x[0]: shape [] needs sizes, and none below 0"),
        ("shape", [[-1]], "x[0]: shape [-1] needs sizes, and none below 0"),
        ("dtype", ["float32", 3], "x[1]: expected a name, got 3"),
        ("dtype", [], "x: the axis is empty"),
    ],
)
def test_a_wrong_value_is_shown_with_what_was_expected(axis, value, message):
    with pytest.raises(LnbenchError) as caught:
        axis_values(axis, value, "x")
    assert caught.value.message == message


@pytest.mark.parametrize("axis", ["backend", "dtype"])
def test_only_backends_may_be_left_out_for_all(axis):
    with pytest.raises(ConfigError) as caught:
        axis_values(axis, [], "x")
    assert (caught.value.hint == "leave it out for every installed backend") == (axis == "backend")


@pytest.mark.parametrize("length", [58, 59])
def test_a_long_value_is_cut_so_that_a_sentence_stays_a_line(length):
    with pytest.raises(ConfigError) as caught:
        axis_values("eps", "v" * length, "x")
    shown = caught.value.message.partition("got ")[2]
    whole = repr("v" * length)
    assert shown == (whole if len(whole) == 60 else whole[:57] + "…")


@pytest.mark.parametrize("size", [2**63 - 1, 2**63])
def test_elements_are_as_many_as_64_bits_can_count(size):
    shape = [[size, 0, 1]]
    if size < 2**63:
        assert axis_values("shape", shape, "x") == ((size, 0, 1),)
    else:
        with pytest.raises(ConfigError, match="more elements than 64 bits can count"):
            axis_values("shape", shape, "x")
