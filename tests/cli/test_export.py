"""`lnbench export`: what it takes, what it refuses, and what it says of rows that it leaves out."""

import json
import sys
from pathlib import Path

import msgspec
import pytest
from factories import environment, failed, measured, report, skipped
from typer.testing import CliRunner

from lnbench.cli.app import app
from lnbench.export.formats import FORMATS
from lnbench.record import report as reports
from lnbench.record.report import ReportSide


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with two reports, r1.json and r2.json, and the comparison ab.json."""
    monkeypatch.chdir(tmp_path)
    for day in (1, 2):
        rows = measured("numpy", seed=day), failed("triton", "y is off"), skipped("quack", "no GPU")
        reports.write(report(*rows, day=day), Path(f"r{day}.json"))
    sides = [ReportSide(text, "", 0.0, environment()) for text in ("git:main", "git:HEAD")]
    rows = [msgspec.structs.replace(measured(), side=side) for side in ("baseline", "candidate")]
    reports.write(report(*rows, sides=tuple(sides)), Path("ab.json"))
    return tmp_path


def export(*arguments, code=0):
    found = CliRunner().invoke(app, ["export", *arguments])
    assert found.exit_code == code, (found.stdout, found.stderr, found.exception)
    return found


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "parquet"])
def test_a_row_without_a_time_is_in_the_file_or_is_named(name):
    done = export("r1.json", "--format", name)
    for backend, reason in (("triton", "y is off"), ("quack", "no GPU")):
        assert any(backend in text and reason in text for text in (done.stdout, done.stderr))


def test_a_file_is_the_same_as_the_terminal_and_is_not_replaced_unasked():
    shown = export("r1.json", "--format", "junit").stdout
    export("r1.json", "--format", "junit", "-o", "new/r.xml")
    assert Path("new/r.xml").read_text() == shown
    assert "exists" in export("r1.json", "--format", "csv", "-o", "r1.json", code=2).stderr
    export("r2.json", "--format", "csv", "-o", "new/r.xml", "--force")
    assert Path("new/r.xml").read_text().startswith("name,")


def test_several_reports_go_where_a_line_says_which():
    for name in ("otava", "csv"):
        assert export("r1.json", "r2.json", "--format", name).stdout.count("2026-11-02") in (1, 3)
    done = export("r?.json", "--format", "pyperf", code=2)
    assert "holds one report, and these are 2" in done.stderr
    several = {name for name, one in FORMATS.items() if one.several}
    assert all(name in done.stderr for name in several)


def test_a_reason_that_many_reports_share_is_said_once():
    done = export("r1.json", "r2.json", "--format", "otava")
    assert done.stderr.count("no GPU") == 1


def test_one_side_of_a_comparison_has_names_that_the_other_has_too():
    names = [
        set(msgspec.json.decode(export("ab.json", "--format", "bmf", "--side", side).stdout))
        for side in ("baseline", "candidate")
    ]
    assert names[0] == names[1]
    assert len(names[0]) == 1
    done = export("r1.json", "--format", "bmf", "--side", "baseline", code=2)
    assert "r1.json has no sides" in done.stderr


def test_a_filter_keeps_the_rows_that_fit():
    lines = export("r1.json", "--format", "csv", "--filter", "*/quack").stdout.splitlines()
    assert len(lines) == 2
    assert "/quack" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("r1.json", "--format", "pyprf"), 2, "did you mean 'pyperf'?"),
        (("ab.json", "--format", "csv", "--side", "base"), 2, "did you mean 'baseline'?"),
        (("r1.json", "--format", "csv", "--filter", "none"), 5, "no row that is asked for"),
        (("r1.json", "--format", "bmf", "--filter", "*/quack"), 5, "no row with a time"),
        (("no.json", "--format", "csv"), 2, "no such file"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, code, words):
    done = export(*arguments, code=code)
    assert words in done.stderr
    assert done.stdout == ""


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = export("r1.json", "--format", "parquet", code=2)
    assert "needs pyarrow" in done.stderr
    assert "pip install 'lnbench[parquet]'" in done.stderr


def test_a_number_that_no_format_can_hold_is_one_sentence():
    huge = msgspec.json.decode(Path("r1.json").read_bytes())
    huge["outcomes"][0]["work"]["bytes_moved"] = 10**400
    Path("r1.json").write_text(json.dumps(huge))
    assert "too large for csv" in export("r1.json", "--format", "csv", code=2).stderr
