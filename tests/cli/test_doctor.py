"""`lnbench doctor`: its screen, its JSON, its exit codes; the session is invented but in one."""

import json

import msgspec
import pytest
from factories import failed, measured

from lnbench.cli import doctor
from lnbench.record.looks import Look

QUIET = Look(name="ASLR", found="on", effect="off, all share one luck", command="sudo sysctl x")
LOUD = Look(
    name="governor",
    found="powersave",
    effect="the clock waits for load",
    command="sudo cpupower frequency-set --governor performance",
    disturbs=True,
)
STEAL = Look(name="steal", found="9.0% of 2 CPUs", effect="dedicated CPUs end that", disturbs=True)


@pytest.fixture
def machine(monkeypatch):
    """Say which looks there are; without a call a quiet one."""

    def found(*looks):
        monkeypatch.setattr(doctor, "_looks", lambda line: looks)

    found(QUIET)
    return found


def rows(benchmark):
    return measured(benchmark.id, passes=30, noise=0.01)


@pytest.mark.parametrize("width", ["80", "140"])
def test_what_disturbs_comes_first_with_its_effect_and_the_command_on_a_line(fake, machine, width):
    machine(QUIET, LOUD, STEAL)
    done = fake.call("--fast", command="doctor", env={"COLUMNS": width})
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert [line.split()[0] for line in lines[3:6]] == ["governor", "steal", "ASLR"]
    assert lines[6:] == [
        "governor: the clock waits for load",
        "→ sudo cpupower frequency-set --governor performance",
        "steal: dedicated CPUs end that",
    ]
    assert done.exit_code == 0


def test_fast_measures_nothing(fake, machine):
    done = fake.call("--fast", "--format", "json", command="doctor")
    assert fake.session is None
    told = json.loads(done.stdout)
    assert (told["rows"], told["conclusion"], told["busy"]) == ([], None, None)


def test_json_says_what_the_screen_says(fake, machine):
    machine(QUIET, LOUD)
    fake.outcome = rows
    told = json.loads(fake.call("--format", "json", command="doctor").stdout)
    assert told["disturbed"] is True
    assert told["looks"][1] == {name: getattr(LOUD, name) for name in told["looks"][1]}
    assert set(told["looks"][1]) == {"name", "disturbs", "found", "effect", "command"}
    assert [row["id"].rpartition("/")[2] for row in told["rows"]] == ["copy", "torch-eager", "copy"]
    assert all(0 < row["between_processes"] < 0.05 for row in told["rows"])
    conclusion = told["conclusion"]
    assert conclusion["passes"] == [12, 20]
    assert conclusion["detects"] == [max(row["detects"][k] for row in told["rows"]) for k in (0, 1)]
    assert 1.05 < conclusion["detects"][1] <= conclusion["detects"][0] < 1.2


def test_the_screen_concludes_and_says_where_the_promise_was_checked(fake, machine):
    fake.outcome = rows
    done = fake.call(command="doctor", env={"COLUMNS": "140"})
    assert "a diff would show a change of " in done.stdout
    assert "with 8 processes more, a change of " in done.stdout
    assert "called in 86 of 100 rows" in done.stdout
    assert done.exit_code == 0


def test_it_measures_by_the_session_of_run_whatever_lies_in_the_folder(fake, machine, tmp_path):
    (tmp_path / "benchmarks.yaml").write_text("suites: {quick: [{operation: nonsense}]}")
    fake.outcome = rows
    assert fake.call(command="doctor").exit_code == 0
    ids = [benchmark.id for benchmark in fake.session.benchmarks]
    assert ids[:2] == [
        "layernorm/forward/2048x1024/float32/cpu/copy",
        "layernorm/forward/1x64/float32/cpu/torch-eager",
    ]
    assert fake.session.setting.budget.max_time_s == doctor.MEASURED_S
    assert sorted(path.name for path in tmp_path.iterdir()) == ["benchmarks.yaml"]  # no report


@pytest.mark.parametrize(("looks", "code"), [((QUIET,), 0), ((QUIET, LOUD), 4)])
def test_strict_minds_what_disturbs(fake, machine, looks, code):
    machine(*looks)
    assert fake.call("--fast", command="doctor").exit_code == 0
    strict = fake.call("--fast", "--strict", command="doctor")
    assert strict.exit_code == code
    assert ("--strict: governor" in strict.stderr) is (code == 4)


def test_strict_minds_a_machine_that_was_busy_while_it_measured(fake, machine, monkeypatch):
    from lnbench.record import busy

    seen = busy.Busy(cpus=2, seconds=20, others_s=20)
    monkeypatch.setattr(busy.Watch, "look", lambda self: seen)
    fake.outcome = rows
    strict = fake.call("--strict", command="doctor")
    assert strict.exit_code == 4
    assert "other processes took 50% of 2 CPUs" in strict.stderr


def test_a_row_that_fails_is_told_and_exits_as_in_run(fake, machine):
    fake.outcome = lambda benchmark: failed(benchmark.id, "out of luck")
    done = fake.call(command="doctor")
    assert done.exit_code == 3
    assert "out of luck" in done.stdout
    assert "a diff would show" not in done.stdout


def test_a_format_that_is_none_is_said_before_anything_is_measured(fake, machine):
    done = fake.call("--format", "xml", command="doctor")
    assert done.exit_code == 2
    assert fake.session is None


def test_output_takes_what_the_screen_would_have(fake, machine, tmp_path):
    machine(LOUD)
    done = fake.call("--fast", "--format", "json", "-o", "doctor.json", command="doctor")
    assert (done.exit_code, done.stdout) == (0, "")
    assert json.loads((tmp_path / "doctor.json").read_text())["looks"][0]["name"] == "governor"


def test_output_that_cannot_be_written_is_said_before_anything_is_looked_at(fake, monkeypatch):
    monkeypatch.setattr(doctor, "_looks", lambda line: pytest.fail("it looked"))
    done = fake.call("-o", "/proc/none/doctor.json", command="doctor")
    assert done.exit_code == 2


@pytest.mark.slow
def test_this_machine_is_looked_at_and_measured(lnbench):
    done = lnbench("doctor", "--format", "json")
    told = msgspec.json.decode(done.stdout)
    assert told["looks"]
    assert all(row["passes"] > 0 for row in told["rows"])  # on a slow machine there may be none
    assert (told["conclusion"] is None) is (not told["rows"])
    assert "looking at this machine" in done.stderr
