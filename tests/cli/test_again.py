"""The command that goes on with a report, and what is said of one that is no baseline."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from factories import benchmark, invented, measured, report

from lnbench.cli.again import again
from lnbench.judge.fitness import passes_needed, shortfall
from lnbench.record import report as reports
from lnbench.record.outcome import Stopped
from lnbench.record.report import Tool

SMALL = ("--shape", "8x16", "--direction", "forward", "-b", "numpy")

ONE = passes_needed([benchmark()])
"""Passes that a row needs which is the only one of its suite."""


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (["run"], "lnbench run"),
        (["run", "ci", "--max-time", "60"], "lnbench run ci --max-time 60"),
        (["run", "-o", "a.json", "ci", "--force", "-q"], "lnbench run ci"),
        (["run", "-oa.json", "--format=json", "-bnumpy"], "lnbench run -bnumpy"),
        (["run", "--resume", "a.json", "--outputs", "ready"], "lnbench run --outputs ready"),
        (["run", "--filter", "*/a b/*"], "lnbench run --filter '*/a b/*'"),
        (["ab", "git:a...b", "--output=a.json", "--quiet"], "lnbench ab git:a...b"),
        (["tests/cli"], "lnbench run …"),
        ([], "lnbench run …"),
    ],
)
def test_a_command_is_called_again_without_what_belongs_to_one_call(typed, kept):
    assert again(typed) == kept


def test_what_changes_takes_the_place_of_what_was_typed():
    typed = ["run", "ci", "--passes", "3", "--fast", "--max-time=9"]
    assert again(typed, ("fast", "max_time"), passes=9) == "lnbench run ci --passes 9"


@pytest.fixture
def typed(monkeypatch):
    """Return a way to say what the command line was."""
    return lambda *words: monkeypatch.setattr("sys.argv", ["lnbench", *words])


def test_a_run_that_is_no_baseline_says_so_and_the_command_that_makes_it_one(fake, typed):
    typed("run", *SMALL, "--max-time", "60", "-o", "r.json")

    found = fake.call(*SMALL, "--max-time", "60", "-o", "r.json")

    first, last = found.stderr.splitlines()[-2:]
    assert first.startswith(
        f"no baseline yet: its row lacks {ONE - 2} of the {ONE} passes that a diff needs"
    )
    assert last == f"make it one: lnbench run {' '.join(SMALL)} --resume r.json"
    assert "no baseline" not in found.stdout


def test_show_says_it_too_and_a_fit_report_says_nothing(fake):
    fake.call(*SMALL, "-o", "r.json")
    made = reports.read(Path("r.json"))
    assert "no baseline yet" in fake.call("r.json", command="show").stderr

    fake.outcome = lambda each: measured(each.id, passes=shortfall(made).needed)
    found = fake.call(*SMALL, "-o", "fit.json")

    assert "baseline" not in found.stderr
    assert fake.call("fit.json", command="show").stderr == ""


def test_a_budget_with_too_few_passes_is_given_more(fake, typed):
    typed("run", *SMALL, "--passes", "2", "-o", "r.json")

    found = fake.call(*SMALL, "--passes", "2", "-o", "r.json")

    assert found.stderr.endswith(f"{' '.join(SMALL)} --passes {ONE} --resume r.json\n")


def test_where_the_file_says_the_time_the_command_says_a_longer_one(fake):
    row = measured("numpy", 0.5, noise=0, passes=2, stopped=Stopped.TIME)
    made = report(row, tool=Tool("lnbench", "0.1.0", ("run", "own")))
    reports.write(made, Path("r.json"))

    found = fake.call("r.json", command="show")

    assert found.stderr.endswith(f"lnbench run own --time {ONE * 10} --resume r.json\n")


@pytest.mark.parametrize(
    ("flags", "file", "early"),
    [
        ((), "", False),
        (("--rigorous",), "", False),
        (("--rigorous",), "budget: {time: 5}\n", False),
        (("--fast",), "", True),
        (("--time", "3"), "", True),
        (("--max-time", "60"), "", True),
        ((), "budget: {time: 5}\n", True),
        ((), "budget: {passes: 12}\n", False),
    ],
)
def test_rows_take_the_passes_of_a_diff_where_nobody_says_how_long(
    fake, monkeypatch, flags, file, early
):
    text = "suites: {own: [{operation: layernorm, shape: 8x16, backend: numpy}]}\n"
    Path("benchmarks.yaml").write_text(file + text)
    seen = SimpleNamespace(least=None)

    def stopping(precise, budget, least_passes):
        seen.least = least_passes

    monkeypatch.setattr("lnbench.session.stopping.RowStopping", stopping)
    assert fake.call("own", *flags).exit_code == 0
    assert seen.least == (1 if early else passes_needed(fake.session.benchmarks))


def test_rows_that_cannot_run_here_make_no_diff_larger(fake, monkeypatch):
    fake.unavailable = {"torch-eager": "not installed"}
    fake.outcome = invented
    found = fake.call("--shape", "8x16", "-b", "numpy,torch-eager", "--direction", "forward")
    assert f"of the {ONE} passes" in found.stderr
