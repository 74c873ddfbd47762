"""How a diff looks; LNBENCH_WRITE_GOLDEN=1 writes tests/golden anew."""

import io
import json
import os
import re
from pathlib import Path

import msgspec
import pytest
from factories import environment, failed, measured, report, skipped
from rich.console import Console

from lnbench.judge.diff import compare
from lnbench.record.outcome import Caveat, CaveatKind
from lnbench.render import diff_text as words
from lnbench.render.diff import COLUMNS, diff_json, diff_markdown
from lnbench.render.diff_table import diff_table
from lnbench.render.sheet import Choice

GOLDEN = Path(__file__).parent.parent / "golden"

FORWARD = "layernorm/forward/4096x1024/float32/cpu"
WIDE = "layernorm/forward/16x4194304/float32/cpu"
BACKWARD = "layernorm/backward/2048x2048/bfloat16/cuda"


def steady(name, time_s, spread=0.002, passes=12, **fields):
    """Return a row whose passes spread evenly, the same on every machine and for ever."""
    luck = [1 + spread * ((5 * k) % passes - (passes - 1) / 2) / passes for k in range(passes)]
    return measured(name, times_s=[(time_s * factor,) * 3 for factor in luck], **fields)


def side(day, factors, *others, **fields):
    rows = [
        steady(f"{FORWARD}/copy", 4.0e-4, 0.001),
        steady(f"{FORWARD}/triton", 5.0e-4 * factors[0]),
        steady(f"{FORWARD}/torch-eager", 6.5e-4 * factors[1]),
        steady(f"{FORWARD}/numpy;cache=cold", 2e-2 * factors[2], 0.03),
        steady(f"{WIDE}/torch-compile", 0.25 * factors[3], 0.4),
        steady(f"{BACKWARD}/copy", 1.3e-5, 0.001, passes=4),
        steady(f"{BACKWARD}/triton", 1.4e-5, passes=4, caveats=(Caveat(CaveatKind.SPAWNED),)),
    ]
    return report(*rows, *others, day=day, **fields)


@pytest.fixture
def diff():
    before = side(
        1,
        (1.0, 1.0, 1.0, 1.0),
        steady(f"{FORWARD}/old", 1e-3),
        steady(f"{FORWARD}/broken", 1e-3),
        steady(f"{FORWARD}/gone", 1e-3),
    )
    after = side(
        2,
        (1.3, 1 / 1.3, 1.0, 1.01),
        steady(f"{FORWARD}/new", 1e-3),
        failed(f"{FORWARD}/broken", "y is off by 3 | [bold]see\n\x1b[31mabove"),
        skipped(f"{FORWARD}/gone", "gone needs a CUDA device"),
        environment=environment(python="3.14.0"),
    )
    return compare([before], [after])


def drawn(diff, width):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(diff_table(diff), crop=False)
    return console.file.getvalue()


def check(name, text):
    path = GOLDEN / name
    text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    if os.environ.get("LNBENCH_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert _rounded(text) == _rounded(path.read_text(encoding="utf-8"))


def _rounded(text):
    """Round numbers to fifteen digits: processors compute the sixteenth apart."""
    return re.sub(r"\d+\.\d{12,}(e[+-]\d+)?|\d\.\d+e-?\d+", lambda m: f"{float(m[0]):.14e}", text)


@pytest.mark.parametrize("width", [80, 140])
def test_a_diff_on_a_terminal(diff, width):
    text = drawn(diff, width)
    check(f"diff-{width}.txt", text)
    assert max(map(len, text.splitlines())) <= width


def test_a_diff_in_markdown(diff):
    check("diff.md", diff_markdown(diff))


def test_a_diff_in_json(diff):
    check("diff.json", diff_json(diff))


def test_json_holds_finite_numbers_or_null(diff):
    def refuse(constant):
        raise AssertionError(constant)

    data = json.loads(diff_json(diff), parse_constant=refuse)
    unknown = next(row for row in data["comparisons"] if "bfloat16" in row["benchmark"])
    assert unknown["ratio"]["high"] is None
    assert unknown["detectable"] is None
    assert list(data)[:3] == ["schema", "kind", "baseline"]


def test_what_is_not_comparable_says_so_in_every_form():
    other = environment(machine_id="ffff")
    diff = compare([report(measured())], [report(measured(seed=1), environment=other)])
    sentence = "not comparable: machine differ"
    assert sentence in drawn(diff, 80)
    assert sentence in diff_markdown(diff)
    assert json.loads(diff_json(diff))["comparable"] is False


def test_two_sides_without_a_common_row_say_so():
    diff = compare([report(measured("numpy"))], [report(measured("triton"))])
    assert "the two sides have no benchmark in common" in drawn(diff, 80)


def test_a_regression_is_red_and_brackets_are_no_markup(diff):
    console = Console(
        file=io.StringIO(), width=100, force_terminal=True, color_system="standard", no_color=False
    )
    console.print(diff_table(diff), crop=False)
    text = console.file.getvalue()
    assert "\x1b[1;31mregressed" in text
    assert "[bold]see [31mabove" in text  # the error's own escape character is gone


def test_what_regressed_comes_first(diff):
    text = drawn(diff, 80)
    words = ("regressed", "improved", "control", "16x4194304", "inconclusive", "cache=cold")
    order = [text.index(word) for word in words]
    assert order == sorted(order)


def test_drift_and_environment_stand_in_the_header_not_in_every_row():
    before = report(measured(), measured("copy"))
    after = report(
        measured(seed=1), measured("copy", 2e-3), environment=environment(machine_id="ffff")
    )
    diff = compare([before], [after], any_environment=True)
    text = drawn(diff, 140)
    assert "τ 69" in text
    assert "machine a1b2c3d4 → ffff" in text
    assert "drift:" not in text
    assert "environment:" not in text


def test_many_reports_have_one_line_a_side():
    before = [report(measured(seed=day), day=day, suite="ci") for day in (3, 1, 2)]
    diff = compare(before, [report(measured(seed=9), day=9, revision=None)])
    text = drawn(diff, 140)
    assert "2026-11-01 12:00 to 2026-11-03 12:00 UTC · ci · 3 reports of 12 passes" in text
    assert "candidate  2026-11-09 12:00 UTC · quick · 1 report of 12 passes" in text


def test_long_names_do_not_push_the_numbers_off_the_screen():
    name = f"{FORWARD}/a-plug-in-with-a-very-long-name-indeed"
    diff = compare([report(measured(name))], [report(measured(name, seed=1))])
    text = drawn(diff, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "inconclusive" in text


@pytest.mark.parametrize("width", [30, 50, 60, 80, 100, 140, 200])
def test_every_name_verdict_and_note_is_on_every_screen(diff, width):
    """And a mark stands for each note that has no room beside its row."""
    text = drawn(diff, width)
    lines = [line for line in text.splitlines() if not line.startswith(tuple("¹²"))]
    told = " ".join(text.split())

    for row in diff.comparisons:
        name, verdict = f"  {row.benchmark.backend} ", row.verdict or words.CONTROL
        own = [line for line in lines if f"{line} ".startswith(name) and verdict in line]
        assert own, (row.benchmark.id, width)
        if note := words.note(row):
            marked = any(line.rstrip().endswith(("¹", "²")) for line in own)
            assert marked or note.split()[0] in " ".join(own)
            assert note in told or width == 140


@pytest.mark.parametrize("width", [40, 80, 140])
def test_the_columns_chosen_are_there_at_every_width(diff, width):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(diff_table(diff, Choice.of("detects,ratio", COLUMNS)), crop=False)
    text = console.file.getvalue()

    assert "detects" in text
    assert "1.30 [1.27, 1.33]" in text
    assert "candidate" not in text.split("layernorm · forward")[1]
    assert "| shape | backend | ratio | verdict |" in diff_markdown(diff, Choice(("ratio",)))


def test_of_many_rows_those_that_changed_can_be_shown_alone_largest_first():
    sizes = {"a": 1.0, "b": 1.5, "c": 3.0, "d": 0.5}
    names = {key: f"layernorm/forward/128x768/float32/cpu/{key}" for key in sizes}
    base = report(*(measured(name, 1e-3) for name in names.values()))
    head = report(*(measured(names[key], 1e-3 * size) for key, size in sizes.items()), day=2)
    changes = compare([base], [head])

    def order(diff):
        ((_, rows),) = words.blocks(diff)
        return [row.benchmark.backend for _, block in words.shapes(rows) for row in block]

    assert order(changes) == ["c", "b", "d", "a"]
    alone = msgspec.structs.replace(changes, only_changed=True)
    assert order(alone) == ["c", "b", "d"]
    assert words.left_out(alone) == f"not shown: 1 {changes.comparisons[0].verdict}"
    assert words.left_out(changes) == ""
    assert "not shown: 1" in diff_markdown(alone)
    assert words.summary(alone) == words.summary(changes)
    assert diff_json(alone) == diff_json(changes)
