"""Laws of the table engine: what a column says once, where it is known, and in which form."""

import io
import json
import math
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from lnbench.render import table
from lnbench.render.forms import FORMS
from lnbench.render.sheet import Column, View, objects, sheet

COLUMNS = (
    Column("shape", itemgetter("shape"), right=False, once=True),
    Column("time", itemgetter("time"), "{:.1f} s".format, key="time_s"),
    Column("launch", itemgetter("launch"), if_known=True),
    Column("first call", itemgetter("time"), wide=True),
    Column(None, itemgetter("shape"), key="id"),
)


def view(*rows):
    kept = [dict(zip(("shape", "time", "launch"), row, strict=True)) for row in rows]
    return View(("8 | 9",), (sheet("title", COLUMNS, kept),), objects(COLUMNS, kept))


def test_a_group_is_named_in_its_first_line_alone():
    (shown,) = view(("a", 1, None), ("a", 2, None), ("b", 3, None)).sheets
    assert [line.cells[0] for line in shown.lines] == ["a", "", "b"]
    assert [line.first for line in shown.lines] == [True, False, True]


def test_what_no_row_knows_has_no_column_and_what_one_does_not_know_has_a_dash():
    assert [column.name for column in view(("a", 1, None)).sheets[0].columns] == [
        "shape", "time", "first call",
    ]  # fmt: skip
    lines = view(("a", None, 7), ("b", 1, None)).sheets[0].lines
    assert [line.cells[1:3] for line in lines] == [("–", "7"), ("1.0 s", "–")]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, None])
def test_json_has_keys_in_the_order_of_the_columns_and_null_for_no_number(number):
    assert FORMS["json"](view(("a", number, None))) == (
        '[\n  {\n    "time_s": null,\n    "id": "a"\n  }\n]\n'
    )


def test_markdown_escapes_what_would_end_a_cell():
    text = FORMS["markdown"](view(("a|b\n", 1, None)))
    assert "| a\\|b | 1.0 s | 1 |" in text


@pytest.mark.parametrize(("width", "shown"), [(80, False), (140, True)])
def test_a_narrow_screen_does_without_the_wide_columns(width, shown):
    console = Console(file=io.StringIO(), width=width)
    console.print(FORMS["table"](view(("a", 1, None))))
    assert ("first call" in console.file.getvalue()) == shown


def wide_view(*widths):
    """Return a view with one column a width, all but the first for wide screens."""
    names = [Column("n" * width, lambda _: "x", wide=i > 0) for i, width in enumerate(widths)]
    return View((), (sheet("", names, [None]),), None)


@given(st.integers(136, 200), st.lists(st.integers(1, 40), min_size=1, max_size=9))
def test_late_columns_go_first_where_a_table_is_too_wide_and_no_name_is_broken(width, widths):
    console = Console(file=io.StringIO(), width=width)
    console.print(FORMS["table"](wide_view(*widths)))

    head = console.file.getvalue().splitlines()[1].split()

    assert head == ["n" * each for each in widths[: len(head)]]
    room = [sum(widths[:count]) + 3 * (count - 1) for count in range(1, len(widths) + 1)]
    assert len(head) == sum(each <= width for each in room)


def test_every_form_is_made_of_the_same_view():
    assert json.loads(FORMS["json"](view(("a", 1.5, None)))) == [{"time_s": 1.5, "id": "a"}]
    assert all(FORMS[name](view(("a", 1.5, None))) for name in FORMS)


@given(
    st.lists(st.tuples(st.text("a日*", max_size=9), st.floats(0, 9)), min_size=1, max_size=12),
    st.integers(10, 60),
)
def test_a_long_table_is_laid_out_as_a_short_one(rows, width):
    texts = []
    for many in (10**9, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(table, "MANY_LINES", many)
            console = Console(file=io.StringIO(), width=width, highlight=False)
            console.print(FORMS["table"](view(*((*row, None) for row in rows))))
        texts.append(console.file.getvalue())
    assert texts[0] == texts[1]
