"""Laws of what a message says of a wrong value of an axis."""

import pytest

from lnbench.errors import ConfigError, LnbenchError
from lnbench.plan import suite as suites
from lnbench.plan.axes import axis_values
from lnbench.plan.budget import Budget
from lnbench.plan.case import Direction, DType
from lnbench.plan.grid import Grid
from lnbench.plan.overrides import Overrides
from lnbench.plan.suite import load


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


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("3", "b.yaml: expected a mapping with keys such as 'budget'", ""),
        ("suites: 3", "b.yaml: suites: expected a mapping", ""),
        ("suites: {}", "b.yaml holds no suite", "write suites: and a name with a list of grids"),
        ("suites: {a: 3}", "b.yaml: suites.a: expected a list of grids",
         "begin each grid with a dash"),
        ("suites: {a: []}", "b.yaml: suites.a: expected a list of grids",
         "begin each grid with a dash"),
        ("suiets: {}", "b.yaml: suiets: unknown key", "did you mean 'suites'?"),
        ("budget: {tmie: 1}", "b.yaml: budget.tmie: unknown key", "did you mean 'time'?"),
        ("suites: {a: [{operation: layernorm}]}",
         "b.yaml: suites.a[0]: the key 'shape' is missing", ""),
        ("suites: {a: [{operation: o, shape: 2x3, when: [cpu, 'cuda:1']}]}",
         "b.yaml: suites.a[0].when: unknown device type 'cuda:1'", "did you mean 'cuda'?"),
    ],
)  # fmt: skip
def test_a_wrong_suite_file_says_where_and_what_to_write(
    tmp_path, monkeypatch, text, message, hint
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.yaml").write_text(text)
    with pytest.raises(LnbenchError) as caught:
        load(tmp_path / "b.yaml")
    assert caught.value.message == message
    if hint:
        assert caught.value.hint == hint


@pytest.mark.parametrize("more", [0, 1])
def test_a_suite_spans_the_most_cases_and_not_one_more(monkeypatch, more):
    monkeypatch.setattr(suites, "MOST_CASES", 4)
    shapes = tuple((size,) for size in range(1, 5 + more))
    entry = suites.GridEntry(Grid(("layernorm",), shapes, (Direction.FORWARD,), (DType.FLOAT32,)))
    suite = suites.Suite("wide", (entry,), Budget())
    if more:
        with pytest.raises(ConfigError) as caught:
            list(suite.benchmarks("cpu", ("numpy",)))
        assert caught.value.message == "suite 'wide' spans 5 cases; at most 4 make sense"
        assert caught.value.hint == "shorten an axis, or split the suite"
    else:
        assert len({row.case for row in suite.benchmarks("cpu", ("numpy",))}) == 4


def test_two_devices_of_a_type_are_told_to_take_turns():
    grid = Grid(("layernorm",), ((2, 3),), device=("cuda:0", "cuda:1"))
    suite = suites.Suite("two", (suites.GridEntry(grid),), Budget())
    with pytest.raises(ConfigError) as caught:
        list(suite.benchmarks("cpu", ("numpy",)))
    assert caught.value.hint == "measure one device of a type at a time"
    assert "both 'cuda:0' and 'cuda:1' in one run" in caught.value.message


@pytest.mark.parametrize(
    ("in_file", "flags", "timed"),
    [
        (False, Overrides(), False),
        (True, Overrides(), True),
        (True, Overrides(preset="rigorous"), False),
        (False, Overrides(preset="fast"), True),
        (False, Overrides(budget=(("time", 1.0),)), True),
        (False, Overrides(budget=(("max_time", 1.0),)), True),
        (False, Overrides(budget=(("passes", 3),)), False),
    ],
)
def test_rows_stop_early_where_the_file_or_a_flag_says_how_long(in_file, flags, timed):
    entry = suites.GridEntry(Grid(("layernorm",), ((2, 3),)))
    suite = suites.Suite("one", (entry,), timed=in_file)
    assert suite.override(flags).timed is timed
