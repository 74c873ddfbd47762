"""No text of a report or plug-in steers the terminal, page or CI service that shows it."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from factories import failed, measured, report, skipped
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

import lnbench
from lnbench.cli.app import app
from lnbench.errors import ConfigError, ReportError
from lnbench.plan.case import check_name
from lnbench.record import report as reports
from lnbench.record.harmless import may_steer
from lnbench.record.outcome import Caveat, CaveatKind
from lnbench.units import harmless, is_name, one_line

ATTACK = (
    "a\n::error title=x::y\r\x1b[31m\x9b2J\u202eb [/] [bold] | <script> ![i](http://x) @all ##[e]"
)
COMMAND = re.compile(r"::(error|notice|warning) title=[^:,]*::[^\n]*")
FORMS = ("table", "markdown", "github", "json")


@pytest.fixture(scope="module")
def whole():
    """A report with a text in every field that may hold one."""
    row = measured("layernorm/forward/128x768/float32/cpu/numpy", 1e-3)
    row = msgspec.structs.replace(
        row, details={"how": "so"}, caveats=(Caveat(CaveatKind.LOST_PASSES, "killed"),)
    )
    return msgspec.to_builtins(
        report(
            row,
            skipped("layernorm/forward/128x768/float32/cpu/triton", "no GPU"),
            failed("layernorm/forward/128x768/float32/cpu/numba", "y is off"),
        )
    )


def texts(value, path=()):
    """Yield the path of each text, and of each key that is no field."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from texts(each, (*path, key))
    elif isinstance(value, list | tuple):
        for i, each in enumerate(value):
            yield from texts(each, (*path, i))
    elif isinstance(value, str):
        yield path


def with_text(value, path, text):
    if not path:
        return text
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = with_text(copy[path[0]], path[1:], text)
    return copy


def shown(path, form):
    """Return what `show` and `diff` print of a report, and their exit codes."""
    runs = [["diff", path, path, "--any-environment", "--format", form]]
    if form != "github":
        runs += [
            ["show", path, "--format", form],
            ["show", path, "--metric", "error", "--format", form],
        ]
    for arguments in runs:
        found = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "80"})
        assert found.exception is None or isinstance(found.exception, SystemExit)
        assert found.exit_code in {0, 2, 3, 5}, (arguments, found.stderr)
        yield found.stdout, form
        yield found.stderr, ""


def assert_harmless(text, form):
    assert not [c for c in text if not c.isprintable() and c != "\n"], text
    assert "##[" not in text
    for line in text.splitlines():
        if line.strip().startswith("::"):
            assert form == "github", line
            assert COMMAND.fullmatch(line), line
    if form in {"markdown", "github"}:
        assert "<script" not in text
        assert "](http" not in text


@pytest.mark.parametrize("form", FORMS)
def test_no_text_of_a_report_steers_what_shows_it(whole, tmp_path, form):
    path, tried = tmp_path / "r.json", 0
    for place in texts(whole):
        path.write_text(json.dumps(with_text(whole, place, ATTACK)))
        for text, its_form in shown(path, form):
            assert_harmless(text, its_form)
        tried += 1
    assert tried > 40


@pytest.mark.parametrize("name", ["backend", "operation"])
def test_what_cannot_be_a_name_is_refused(whole, tmp_path, name):
    path = tmp_path / "r.json"
    path.write_text(json.dumps(with_text(whole, ("outcomes", 0, name), "numpy\n::error::x")))

    found = CliRunner().invoke(app, ["show", str(path)])
    assert found.exit_code == 2
    assert r"'numpy\n∷error∷x' cannot be the name of " in found.stderr


@given(st.text(min_size=1))
@example("numpy\xad")
@example("numpy\ufeff")
@example("numpy\u061c")
@example("numpy\u3000x")
@example("numpy\U000e0041")
@example("numpy ")
@example("a  b")
def test_a_name_that_a_screen_would_show_otherwise_is_none(whole, text):
    if one_line(text) != text:
        assert not is_name(text)
        with pytest.raises(ConfigError):
            check_name(text, "")
        data = json.dumps(with_text(whole, ("outcomes", 0, "backend"), text), ensure_ascii=False)
        with pytest.raises(ReportError, match="cannot be the name of a backend"):
            reports.decoded(data.encode("utf-8", "replace"), Path("r.json"), reports.Report, "")


@given(st.text())
def test_a_text_that_may_steer_is_found_in_the_bytes_of_a_file(text):
    harmed = harmless(text) != text
    for ascii_ in (True, False):
        data = json.dumps([text], ensure_ascii=ascii_).encode("utf-8", "surrogatepass")
        assert may_steer(data) or not harmed


@pytest.mark.parametrize("name", ["a/b", "a b", "x::y", "a;b", "a,b", "", "numpy\xad", 1])
def test_a_name_that_is_none_is_refused_before_anything_is_measured(name):
    with pytest.raises(ConfigError, match="cannot name a backend"):
        lnbench.run({name: lambda x, weight, bias, eps: x}, shape=(2, 2), passes=1)


@given(st.text())
def test_a_line_is_one_line_that_nothing_obeys_and_stays_as_it_is(text):
    line = one_line(text)

    assert line.isprintable()
    assert "::" not in line
    assert "##[" not in line
    assert one_line(line) == line


def test_what_lnbench_writes_needs_no_mending(tmp_path):
    for path in sorted(Path("reports").rglob("*.json")):
        assert reports.read(path) is not None
