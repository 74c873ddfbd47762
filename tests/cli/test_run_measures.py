"""`lnbench run` on this machine: real workers, tiny shapes, real reports."""

import importlib.util
import json
import subprocess
from types import SimpleNamespace

import pytest

from lnbench.plan.budget import Budget
from lnbench.plan.case import Direction
from lnbench.record import report as reports
from lnbench.record.outcome import CaveatKind, Failed, Measured, Skipped, Stage, Stopped

SMALL = ("--shape", "8x16", "--direction", "forward")


@pytest.fixture(scope="module")
def real(process):
    """One run of two passes: right backends, and one that cannot run here."""
    backends = ("-b", "plain,numpy,triton", "--passes", "2", "-o", "r.json")
    command, options = process("run", *SMALL, *backends)
    done = subprocess.run(command, **options, capture_output=True, timeout=280, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    found = {"stdout": done.stdout, "stderr": done.stderr, "path": options["cwd"] / "r.json"}
    return SimpleNamespace(**found)


def outcomes_of(path):
    return {each.benchmark.backend: each for each in reports.read(path).outcomes}


def test_a_run_writes_a_report_whose_tables_show_prints_again(real, lnbench):
    shown = lnbench("show", real.path)

    assert shown.stdout == real.stdout
    assert "numpy" in real.stdout
    assert shown.stderr.startswith("no baseline yet: 2 of 2 rows lack up to 4 of the 6 passes")
    assert "--passes 6 --resume" in shown.stderr


def test_a_run_measures_every_pass_and_says_what_it_measured_where(real):
    found = reports.read(real.path)

    assert found.suite == "quick"
    assert found.environment.threads >= 1
    assert dict(found.environment.packages)["torch"]
    for name in ("plain", "numpy", "copy"):
        outcome = outcomes_of(real.path)[name]
        assert [len(times) for times in outcome.times_s] == [Budget().rounds] * 2
        assert outcome.stopped in (Stopped.PASSES, Stopped.PRECISION)
        assert outcome.caveats == ()
        assert outcome.agreement.passed


def test_a_backend_without_its_device_is_skipped_with_the_reason(real):
    triton = outcomes_of(real.path)["triton"]

    assert isinstance(triton, Skipped)
    assert "triton" in triton.reason
    assert "triton" in real.stdout


def test_progress_is_on_stderr_alone(real):
    assert "pass 1" in real.stderr
    assert "pass 1" not in real.stdout
    assert str(real.path.name) in real.stderr


def test_a_wrong_backend_exits_with_3_after_the_report_is_written(lnbench, tmp_path):
    options = ("-b", "wrong,plain", "--passes", "1", "-o", "r.json", "--format", "json")

    done = lnbench("run", *SMALL, *options, check=3)

    wrong = outcomes_of(tmp_path / "r.json")["wrong"]
    assert isinstance(wrong, Failed)
    assert wrong.stage is Stage.VERIFY
    rows = {row["backend"]: row for row in json.loads(done.stdout)}
    assert rows["wrong"]["kind"] == "failed"
    assert rows["wrong"]["time_s"] is None
    assert any("y is off by 0.01" in note for note in rows["wrong"]["notes"])
    assert rows["plain"]["kind"] == "measured"
    assert "Traceback" not in done.stderr


def test_a_device_that_is_not_there_is_a_sentence_and_its_rows_beside_others_say_why(
    lnbench, tmp_path
):
    options = ("-b", "numpy", "-o", "r.json", "--passes", "1")

    alone = lnbench("run", *SMALL, *options, "--device", "xpu", check=5)
    assert alone.stderr.startswith("error: no benchmark can run here: numpy: ")
    assert not (tmp_path / "r.json").exists()

    lnbench("run", *SMALL, *options, "--device", "cpu,xpu")
    found = reports.read(tmp_path / "r.json").outcomes
    there = [outcome for outcome in found if outcome.benchmark.case.device_type == "xpu"]
    assert there
    for outcome in there:
        assert isinstance(outcome, Skipped)
        assert outcome.reason


def test_spawned_cold_ready_rows_on_two_threads_say_so(lnbench, tmp_path):
    options = ("-b", "numpy", "--passes", "1", "--fast", "--threads", "2", "-o", "r.json")
    kind = ("--start-method", "spawn", "--cache", "cold", "--outputs", "ready")

    done = lnbench("run", *SMALL, *options, *kind)

    numpy = outcomes_of(tmp_path / "r.json")["numpy"]
    assert numpy.benchmark.id.endswith("/numpy;cache=cold;output=ready")
    assert CaveatKind.SPAWNED in {caveat.kind for caveat in numpy.caveats}
    assert dict(numpy.details)["threads"] == 2
    assert reports.read(tmp_path / "r.json").environment.threads == 2
    assert "spawned" in done.stdout


def test_energy_is_measured_or_the_reason_is_said(lnbench, tmp_path):
    lnbench("run", *SMALL, "-b", "numpy", "--passes", "1", "--energy", "-o", "r.json")
    for outcome in outcomes_of(tmp_path / "r.json").values():
        kinds = [caveat.kind for caveat in outcome.caveats]
        assert bool(outcome.energy_j) is not (CaveatKind.NO_ENERGY in kinds)


def test_a_step_is_measured_by_every_backend(lnbench, tmp_path):
    options = ("-b", "plain,numpy,torch-eager", "--fast", "--passes", "1", "-o", "r.json")

    lnbench("run", "--shape", "8x16", "--direction", "step", *options)

    for name, outcome in outcomes_of(tmp_path / "r.json").items():
        assert isinstance(outcome, Measured), outcome
        assert outcome.benchmark.case.direction is Direction.STEP
        names = set(outcome.agreement.outputs)
        assert names == ({"y", "dx", "dw", "db"} if name != "copy" else {"moved0", "moved1"})


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_an_interpreted_row_says_so_and_is_never_best(lnbench, tmp_path):
    options = ("-b", "triton", "--fast", "--passes", "1", "-o", "r.json", "--format", "json")

    done = lnbench("run", *SMALL, *options, TRITON_INTERPRET="1", CUDA_VISIBLE_DEVICES="")

    triton = outcomes_of(tmp_path / "r.json")["triton"]
    assert CaveatKind.INTERPRETED in {caveat.kind for caveat in triton.caveats}
    (row,) = (row for row in json.loads(done.stdout) if row["backend"] == "triton")
    assert row["best"] is False  # although it is the only one
    assert "interpreted" in row["notes"]
