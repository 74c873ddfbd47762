"""Laws of the table engine: what a column says once, where it is known, and in which form."""

import html
import io
import json
import math
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from lnbench.errors import UnknownNameError
from lnbench.render.forms import FORMS, escaped
from lnbench.render.layout import fitting
from lnbench.render.sheet import Choice, Column, View, objects, sheet
from lnbench.units import one_line

COLUMNS = (
    Column("shape", itemgetter("shape"), right=False, once=True),
    Column("time", itemgetter("time"), "{:.1f} s".format, key="time_s"),
    Column("launch", itemgetter("launch"), if_known=True),
    Column("first call", itemgetter("time"), worth=1),
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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*b* and ~~x~~", r"\*b\* and \~\~x\~\~"),
        ("_x_ but weight_dtype", r"\_x\_ but weight_dtype"),
        ("#1", r"\#<!-- -->1"),
        ("owner/repo#5, GH-7", "owner/repo#<!-- -->5, GH-<!-- -->7"),
        ("http://x.y www.x.y", "http:<!-- -->//x.y www<!-- -->.x.y"),
        ("@all", "@<!-- -->all"),
        ("[a](b) &lt; <b>", r"[a]\(b) &amp;lt; &lt;b&gt;"),
        ("layernorm/forward/4096x1024/float32/cpu/numpy;cache=cold", None),
        ("torch-eager 1.10 ms ±2% [1.02, 1.30]", None),
    ],
)
def test_markdown_shows_a_text_as_it_is(text, shown):
    assert escaped(text) == (shown or text)


@given(st.text("ab1_*~`<>&#@:/.[]()!|\\ \n", max_size=20))
def test_no_text_is_markup(text):
    markdown = pytest.importorskip("markdown_it").MarkdownIt("commonmark", {"html": True})
    page = markdown.enable("strikethrough").renderInline(escaped(text))
    assert html.unescape(page.replace("<!-- -->", "")) == one_line(text)


def drawn(table, width):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(FORMS["table"](table), crop=False)
    return console.file.getvalue().splitlines()


columns = st.lists(
    st.tuples(st.integers(1, 30), st.integers(0, 4), st.booleans()), min_size=1, max_size=9
)


@given(columns, st.integers(20, 200))
def test_a_column_is_on_the_screen_where_those_of_more_worth_leave_it_room(columns, width):
    made = [Column("n", str, worth=worth) for _, worth, _ in columns]
    sizes = [size for size, *_ in columns]

    places = {place for part in fitting(made, sizes, width, 3) for place in part}

    room = width + 3
    for i in sorted(range(len(made)), key=lambda i: (made[i].worth, i)):
        assert (i in places) == (not made[i].worth or sizes[i] + 3 <= room)
        room -= (sizes[i] + 3) * (i in places)


@given(columns, st.integers(1, 100))
def test_what_must_stay_and_has_no_room_stands_below_with_its_names(columns, width):
    made = [Column("n", str, right=right) for *_, right in columns]
    sizes = [size for size, *_ in columns]

    parts = fitting(made, sizes, width, 3)

    names = next((i for i, column in enumerate(made) if column.right), len(made))
    assert all(part[:names] == list(range(names)) for part in parts)
    assert [i for part in parts for i in part[names:]] == list(range(names, len(made)))
    for part in parts:
        fits = sum(sizes[i] + 3 for i in part) - 3 <= width
        assert fits or len(part) <= names + 1 or names == len(made)


@given(st.integers(10, 120), st.lists(st.text("a日*-/", min_size=1, max_size=40), min_size=1))
def test_no_name_is_wrapped_or_cut_at_any_width(width, names):
    shown = View((), (sheet("", (Column("backend", right=False), Column("time")), names),), None)

    lines = drawn(shown, width)

    assert all(any(name in line for line in lines) for name in names)


def test_a_pivot_of_many_backends_keeps_the_names_in_front():
    heads = [Column(f"backend-{i}", lambda _: "1.00 ms") for i in range(7)]
    front = [Column("shape", lambda _: "4096x1024", right=False)]
    lines = drawn(View((), (sheet("", [*front, *heads], [None]),), None), 60)

    assert max(map(len, lines)) <= 60
    assert sum(line.startswith("4096x1024") for line in lines) == 2
    assert all(any(head.name in line for line in lines) for head in heads)


NAMED = (
    Column("backend", itemgetter(0), right=False),
    Column("time", itemgetter(1), words=("time",)),
    Column("% of copy", itemgetter(2), words=("copy", "share"), worth=1, if_known=True),
    Column("verdict", itemgetter(3), right=False),
)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("", ["backend", "time", "% of copy", "verdict"]),
        ("copy", ["backend", "% of copy", "verdict"]),
        ("share, TIME", ["backend", "% of copy", "time", "verdict"]),
        ("% of copy,time,time", ["backend", "% of copy", "time", "verdict"]),
    ],
)
def test_columns_stand_in_the_order_in_which_they_are_chosen(said, shown):
    assert [column.name for column in Choice.of(said, NAMED).among(NAMED)] == shown


@pytest.mark.parametrize("choice", [Choice(("copy",)), Choice(wide=True)])
def test_a_column_that_is_asked_for_needs_no_room(choice):
    shown = sheet("", choice.among(NAMED), [("numpy", "1", "50%", "fine")])
    assert any("50%" in line for line in drawn(View((), (shown,), None), 10))
    assert not any(
        "50%" in line
        for line in drawn(View((), (sheet("", NAMED, [("numpy", "1", "50%", "fine")]),), None), 10)
    )


def test_a_column_that_is_asked_for_needs_no_value():
    rows = [("numpy", "1", None, "fine")]
    assert len(sheet("", Choice(("copy",)).among(NAMED), rows).columns) == 3
    assert len(sheet("", NAMED, rows).columns) == 3
    assert len(sheet("", Choice(("copy", "time")).among(NAMED), rows).columns) == 4


def test_a_name_that_is_no_column_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="--columns: unknown column 'tiem'") as error:
        Choice.of("copy,tiem", NAMED)
    assert error.value.hint == "did you mean 'time'?"


def test_a_terminal_without_unicode_is_shown_none_and_its_columns_stay_in_line():
    columns = (Column("±", itemgetter(0)), Column("x", itemgetter(1)))
    shown = sheet("a · b", columns, [("±2%", "1 ★"), ("3 passes", "2")])
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=file, width=40, highlight=False).print(FORMS["table"](View((), (shown,), None)))
    file.flush()

    assert file.buffer.getvalue().decode().splitlines() == [
        "",
        "a | b",
        "      +-     x",
        "--------------",
        "    +-2%   1 *",
        "3 passes     2",
    ]


def test_every_form_is_made_of_the_same_view():
    assert json.loads(FORMS["json"](view(("a", 1.5, None)))) == [{"time_s": 1.5, "id": "a"}]
    assert all(FORMS[name](view(("a", 1.5, None))) for name in FORMS)
