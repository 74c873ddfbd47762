"""`lnbench run --resume`: an interrupted report goes on where it ended, and only there."""

import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from factories import measured, report

from lnbench.cli import progress
from lnbench.plan.budget import PRESETS, Budget
from lnbench.record import report as reports
from lnbench.record.busy import Busy
from lnbench.record.outcome import Measured

SMALL = ("--shape", "8x16", "--direction", "forward")


def here():
    return sorted(path.name for path in Path().iterdir())


@pytest.fixture
def earlier(fake):
    """The options of an earlier run, whose report r.json was left open."""
    fake.call(*SMALL, "-b", "numpy", "--passes", "3", "-o", "r.json", "--threads", "1")
    found = reports.read(Path("r.json"))
    fake.session = None
    fake.written = found
    return (*SMALL, "-b", "numpy", "--passes", "3", "--threads", "1", "--resume", "r.json")


def test_resuming_hands_the_earlier_outcomes_to_the_session_and_writes_in_place(fake, earlier):
    assert fake.call(*earlier).exit_code == 0

    assert fake.session.resume == fake.written.outcomes
    again = reports.read(Path("r.json"))
    assert again.created == fake.written.created
    assert here() == ["r.json"]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (("--threads", "2"), "threads"),
        (("--seed", "1"), "seed changed since"),
        (("--time", "4"), "budget changed since"),
        (("--passes", "2"), "budget changed since"),
        (("--precision", "9%"), "budget changed since"),
    ],
)
def test_resuming_elsewhere_is_refused_and_names_what_changed(fake, earlier, other, named):
    before = Path("r.json").read_bytes()

    found = fake.call(*earlier, *other)

    assert found.exit_code == 2
    assert f"r.json cannot be resumed: {named}" in found.stderr
    assert fake.session is None
    assert Path("r.json").read_bytes() == before


def test_another_device_of_the_type_does_not_take_the_place_of_measured_rows(fake):
    axes = ("--direction", "forward", "-b", "numpy", "--threads", "1")
    fake.call(*axes, "--shape", "8x16", "--device", "cuda", "-o", "r.json")
    before, fake.session = Path("r.json").read_bytes(), None

    for shape in ("8x16", "9x16"):
        found = fake.call(*axes, "--shape", shape, "--device", "cuda:1", "--resume", "r.json")
        assert found.exit_code == 2
        assert "r.json cannot be resumed: cuda device changed since" in found.stderr
    assert fake.session is None
    assert Path("r.json").read_bytes() == before
    assert (
        fake.call(*axes, "--shape", "8x16", "--device", "cuda:0", "--resume", "r.json").exit_code
        == 0
    )


def test_resuming_goes_on_in_place_and_takes_no_output(fake, earlier):
    found = fake.call(*earlier, "-o", "other.json")

    assert found.exit_code == 2
    assert "--resume goes on in place" in found.stderr


@pytest.mark.parametrize(
    "selected",
    [
        ("--shape", "9x16", "--direction", "forward", "-b", "numpy"),
        ("--shape", "8x16", "--direction", "backward", "-b", "numpy"),
        ("--shape", "8x16", "--direction", "forward", "-b", "torch-eager"),
        (),
    ],
)
def test_resuming_never_throws_measured_rows_away(fake, earlier, selected):
    fake.call(*selected, "--passes", "3", "--threads", "1", "--resume", "r.json")

    kept = {each.benchmark for each in reports.read(Path("r.json")).outcomes}
    assert kept >= {each.benchmark for each in fake.written.outcomes}


def test_the_budget_of_a_resumed_report_is_the_one_it_was_measured_with(fake, earlier):
    arguments = [each for each in earlier if each not in ("--passes", "3")]

    found = fake.call(*arguments)

    refused = found.exit_code == 2 and fake.session is None
    written = reports.read(Path("r.json")).budget
    assert refused or written == fake.session.setting.budget


def test_a_resumed_run_that_asks_for_more_looks_at_every_row_anew(fake, earlier):
    assert fake.call(*earlier, "--passes", "7").exit_code == 0

    assert {row.stopped for row in fake.session.resume} == {None}
    assert reports.read(Path("r.json")).budget.passes == 7


def test_a_look_becomes_a_baseline_with_the_rounds_that_it_has(fake):
    fake.call(*SMALL, "-b", "numpy", "--fast", "-o", "r.json")

    assert fake.call(*SMALL, "-b", "numpy", "--resume", "r.json").exit_code == 0

    budget = fake.session.setting.budget
    assert (budget.passes, budget.rounds) == (Budget().passes, PRESETS["fast"].rounds)


def passes_of(path):
    """Return the times of every row so far; nothing before the first report."""
    if not path.exists():
        return {}
    return {
        each.benchmark.id: each.times_s
        for each in reports.read(path).outcomes
        if isinstance(each, Measured)
    }


@pytest.fixture(scope="module")
def interrupted(process):
    """A run of several cases that was interrupted in the middle of a pass, and then resumed."""
    axes = ("--shape", "8x16,9x16,10x16", "--direction", "forward", "-b", "plain", "--passes", "5")
    command, options = process("run", *axes, "-o", "r.json")
    path = options["cwd"] / "r.json"
    child = subprocess.Popen(command, **options, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and child.poll() is None:
        taken = [len(times) for times in passes_of(path).values()]
        if len(taken) == 6 and min(taken) < max(taken):
            break
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    stdout, stderr = child.communicate(timeout=60)
    found = SimpleNamespace(code=child.returncode, stdout=stdout, stderr=stderr, path=path)
    found.before = passes_of(path)
    found.command, _ = process("run", *axes, "--resume", "r.json")
    found.options = options | {"capture_output": True, "timeout": 280}
    found.resumed = subprocess.run(found.command, check=False, **found.options)
    found.after = passes_of(path)
    return found


def test_an_interrupt_leaves_all_that_was_measured_in_the_report(interrupted):
    assert interrupted.code == 130
    assert len(interrupted.before) == 6
    assert 6 < sum(map(len, interrupted.before.values())) < 30
    for times in interrupted.before.values():
        assert all(len(each) == Budget().rounds for each in times)
    assert "--resume r.json" in interrupted.stderr
    assert "Traceback" not in interrupted.stderr
    assert "plain" in interrupted.stdout


def test_a_resumed_run_keeps_what_was_measured_and_completes(interrupted):
    assert interrupted.resumed.returncode == 0, interrupted.resumed
    for name, before in interrupted.before.items():
        assert interrupted.after[name][: len(before)] == before
    for outcome in reports.read(interrupted.path).outcomes:
        assert outcome.stopped is not None


def test_a_resumed_run_takes_no_pass_twice_and_misses_none(interrupted):
    for times in interrupted.after.values():
        assert [len(each) for each in times] == [Budget().rounds] * 5


def test_a_finished_report_resumes_to_itself(interrupted):
    before = interrupted.path.read_bytes()

    done = subprocess.run([*interrupted.command, "--quiet"], check=False, **interrupted.options)

    assert done.returncode == 0
    assert interrupted.path.read_bytes() == before


def test_a_made_up_report_of_another_machine_is_not_resumed(fake):
    reports.write(report(measured("numpy")), Path("r.json"))

    found = fake.call("--resume", "r.json")

    assert found.exit_code == 2
    assert "machine" in found.stderr
    assert fake.session is None


def test_what_else_kept_the_machine_busy_adds_up_over_sessions(fake, monkeypatch):
    seen = Busy(cpus=2, seconds=10, others_s=8, steal_s=0)
    monkeypatch.setattr(progress, "Watch", lambda: SimpleNamespace(look=lambda: seen))
    command = (*SMALL, "-b", "numpy", "--passes", "3", "--threads", "1")

    first = fake.call(*command, "-o", "r.json")
    assert reports.read(Path("r.json")).busy == seen
    assert "the machine was busy: other processes took 40% of 2 CPUs" in first.stdout

    assert fake.call(*command, "--resume", "r.json").exit_code == 0
    assert reports.read(Path("r.json")).busy == seen + seen
    shown = fake.call("r.json", command="show")
    assert "the machine was busy: other processes took 40% of 2 CPUs" in shown.stdout
