"""Without what only Linux has: a real session, under a Python that hides it from lnbench."""

import os
from pathlib import Path

import pytest

from lnbench.record import report as reports
from lnbench.record.outcome import Failed, Measured

SMALL = ("--shape", "8x16", "--direction", "forward")


@pytest.fixture
def elsewhere(lnbench):
    """The command on a system that is not Linux."""
    folder = Path(__file__).parents[1] / "elsewhere"
    path = os.pathsep.join([str(folder), str(folder.parent / "plugins")])
    return lambda *words, **more: lnbench(*words, PYTHONPATH=path, **more)


@pytest.mark.slow
def test_what_linux_alone_has_is_not_needed(elsewhere, tmp_path):
    elsewhere("run", *SMALL, "-b", "torch-eager", "--passes", "1", "-o", "r.json")

    report = reports.read(tmp_path / "r.json")
    assert {type(outcome) for outcome in report.outcomes} == {Measured}, report.outcomes
    assert all(outcome.peak_extra_bytes is None for outcome in report.outcomes)
    assert report.environment.governor is report.environment.virtual is None
    assert elsewhere("doctor", "--fast").stdout
    assert elsewhere("check", *SMALL, "-b", "numpy").stdout


def test_the_last_words_of_a_worker_are_its_own(elsewhere, tmp_path):
    elsewhere("run", *SMALL, "-b", "segfaults", "-o", "r.json", check=3)

    (outcome,) = (o for o in reports.read(tmp_path / "r.json").outcomes if isinstance(o, Failed))
    assert "SIGSEGV" in outcome.error


def test_workers_are_forked_on_linux_only(elsewhere):
    done = elsewhere("run", *SMALL, "-b", "numpy", "--start-method", "fork", check=2)

    assert done.stderr.splitlines() == [
        "error: --start-method fork: workers are forked on Linux only",
        "hint: use spawn",
    ]
