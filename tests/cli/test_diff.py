"""`lnbench diff`: sides, options, streams and exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from factories import environment, failed, measured, report
from typer.testing import CliRunner

from lnbench.cli.app import app
from lnbench.record import report as reports

QUIET = {"noise": 0.002}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = {
        "base": report(measured(**QUIET), measured("copy"), day=1),
        "same": report(measured(seed=1, **QUIET), measured("copy", seed=1), day=2),
        "slow": report(measured(time_s=1.3e-3, seed=1, **QUIET), measured("copy", seed=1), day=2),
        "loud": report(measured(seed=1, noise=0.2), measured("copy", seed=1), day=2),
        "fails": report(failed("triton"), measured("copy", seed=1), day=2),
        "other": report(measured("numpy"), day=2),
        "foreign": report(measured(seed=1), day=2, environment=environment(machine_id="ffff")),
    }
    for name, each in made.items():
        reports.write(each, tmp_path / f"{name}.json")
    return tmp_path


def diff(baseline, candidate, *options, env=None):
    sides = (f"{side}.json" if side.isalpha() else side for side in (baseline, candidate))
    return CliRunner().invoke(app, ["diff", *sides, *options], env=env)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("base", "same", "--strict"), 0),
        (("base", "slow"), 1),
        (("slow", "base", "--strict"), 0),
        (("base", "slow", "--threshold", "50%"), 0),
        (("base", "fails"), 3),
        (("base", "loud"), 0),
        (("base", "loud", "--strict"), 4),
        (("base", "loud", "--strict", "--detect", "10%"), 4),
        (("base", "loud", "--strict", "--detect", "99%"), 0),
        (("base", "other"), 5),
        (("base", "foreign"), 5),
        (("base", "foreign", "--any-environment"), 0),
    ],
)
def test_exit_codes(folder, arguments, code):
    assert diff(*arguments).exit_code == code


def test_the_table_is_data_and_goes_to_stdout(folder):
    result = diff("base", "slow")
    assert "1 regressed" in result.stdout
    assert "τ 2%" in result.stdout
    assert result.stderr == ""


def test_json_is_whole_and_alone_on_stdout(folder):
    result = diff("base", "foreign", "--format", "json")
    assert json.loads(result.stdout)["comparable"] is False
    assert "not comparable: machine differ" in result.stderr
    assert result.stdout.endswith("}\n")


def test_markdown_has_a_table(folder):
    result = diff("base", "slow", "--format", "markdown")
    assert "| 4096x1024 | triton |" in result.stdout


def test_strict_says_what_it_minds(folder):
    assert diff("base", "loud", "--strict").stderr == "--strict: 1 inconclusive\n"
    said = diff("base", "loud", "--strict", "--detect", "10%").stderr
    assert said == "--strict: 1 could not have shown 10%\n"


@pytest.mark.parametrize(
    "side",
    ["base.json,same.json", "[bs]a[sm]e.json", "./both", "both/?.json", "base.json,,both/b.json"],
)
def test_a_side_is_a_file_several_a_glob_or_a_folder(folder, side):
    (folder / "both").mkdir()
    (folder / "both" / "notes.md").write_text("not a report", encoding="utf-8")
    for name, copied in (("base", "a"), ("same", "b")):
        (folder / "both" / f"{copied}.json").write_bytes((folder / f"{name}.json").read_bytes())
    result = diff(side, "slow", "--format", "json")
    assert len(json.loads(result.stdout)["baseline"]["created"]) == 2


def test_a_file_named_twice_is_one_report(folder):
    result = diff("base.json,./base.json,*se.json", "slow", "--format", "json")
    assert len(json.loads(result.stdout)["baseline"]["created"]) == 1


@pytest.mark.parametrize(
    ("side", "sentence"),
    [
        ("nowhere.json", "nowhere.json is no report: there is no such file"),
        ("no*.json", "no*.json is no report"),
        ("./empty", "empty holds no report"),
        (",", "',' names no report"),
    ],
)
def test_a_side_without_a_report_is_one_sentence(folder, side, sentence):
    (folder / "empty").mkdir()
    result = diff(side, "base")
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "hint: name a report" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--threshold", "5", "--threshold: '5' would be 500 %; write 5%, or 0.05"),
        ("--threshold", "-5%", "'-5%' is not a share"),
        ("--threshold", "much", "'much' is not a share"),
        ("--alpha", "0", "--alpha 0 is not between 0 and 1"),
        ("--detect", "200%", "--detect 200% is not between 0 and 1"),
        ("--format", "jsn", "unknown format 'jsn'"),
    ],
)
def test_a_bad_option_is_one_sentence(folder, option, value, sentence):
    result = diff("base", "same", option, value)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stdout == ""


def test_every_option_has_its_variable(folder):
    env = {"LNBENCH_THRESHOLD": "50%", "LNBENCH_FORMAT": "json", "LNBENCH_ALPHA": "2%"}
    result = diff("base", "slow", env=env)
    data = json.loads(result.stdout)
    assert (data["threshold"], data["alpha"]) == (0.5, 0.02)
    assert result.exit_code == 0
    strict = {"LNBENCH_STRICT": "1", "LNBENCH_DETECT": "10%"}
    assert diff("base", "loud", env=strict).exit_code == 4
    assert diff("base", "foreign", env={"LNBENCH_ANY_ENVIRONMENT": "1"}).exit_code == 0


def test_help_and_the_module_load_nothing_heavy():
    code = (
        "import sys, lnbench.cli.diff; "
        "print([n for n in ('numpy', 'torch', 'triton', 'scipy', 'rich') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_judging_loads_no_framework(folder):
    code = (
        "import sys\nfrom lnbench.cli.app import app\n"
        "try:\n    app(['diff', 'base.json', 'slow.json'])\n"
        "except SystemExit as end:\n    assert end.code == 1\n"
        "print([n for n in ('torch', 'triton', 'scipy') if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_a_diff_is_a_page_with_the_exit_code_of_its_verdict(folder):
    pytest.importorskip("vl_convert")
    table = diff("base", "slow")
    page = diff("base", "slow", "--format", "html", "-o", "page.html")
    assert page.exit_code == table.exit_code == 1
    assert page.stdout == ""
    text = Path("page.html").read_text()
    assert "regressed" in text
    assert text.startswith("<!doctype html>")
