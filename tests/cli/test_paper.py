"""`lnbench paper`: table 1, and training from the command line."""

import json
import re
import signal
import subprocess
import time

import pytest
from typer.testing import CliRunner

from lnbench.cli.app import app
from lnbench.paper import invariance

sklearn = pytest.importorskip("sklearn", reason="scikit-learn is not installed")

QUICK = ("--model", "mlp", "--batch-size", "64", "--seeds", "2", "--steps", "30", "--threads", "1")


def call(*arguments, env=None):
    return CliRunner().invoke(app, ["paper", *arguments], env={"COLUMNS": "120", **(env or {})})


def test_table_1_is_printed_beside_the_papers():
    done = call("invariance")
    assert done.exit_code == 0
    assert "18 of 18 cells agree" in done.output
    assert "weight-matrix-recentre" in done.output


def test_table_1_as_json_is_the_contracts():
    done = call("invariance", "--format", "json")
    rows = json.loads(done.stdout)["rows"]
    assert len(rows) == 18
    assert set(rows[0]) == {"normalization", "transformation", "paper", "measured", "max_change"}
    assert {row["normalization"] for row in rows} == {"batch", "weight", "layer"}
    assert all(row["paper"] == row["measured"] for row in rows)


def test_eps_is_shown_to_break_exact_invariance():
    assert "broken by eps" not in call("invariance").output
    assert "broken by eps" in call("invariance", "--eps", "1e-5").output
    assert call("invariance", env={"LNBENCH_EPS": "1e-5"}).output.count("broken by eps") >= 3


def test_a_cell_that_disagrees_is_exit_3(monkeypatch):
    wrong = {**invariance.PAPER, "layer": (True, True, True, True, False, True)}
    monkeypatch.setattr(invariance, "PAPER", wrong)
    done = call("invariance")
    assert done.exit_code == 3
    assert "DISAGREES" in done.output


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_training_writes_a_report_that_show_prints_again(here):
    done = call("train", *QUICK, "-o", "t.json")
    assert done.exit_code == 0, done.output
    report = json.loads((here / "t.json").read_text())
    assert report["kind"] == "training"
    assert [len(run["points"]) > 2 for run in report["runs"]] == [True] * 8
    shown = CliRunner().invoke(app, ["show", "t.json"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0
    assert "layer" in shown.output
    rows = json.loads(CliRunner().invoke(app, ["show", "t.json", "--format", "json"]).stdout)[
        "rows"
    ]
    assert {row["normalization"] for row in rows} == {"none", "batch", "layer", "rms"}
    for flags in (["--by", "dtype"], ["--metric", "bandwidth"], ["--explain"]):
        refused = CliRunner().invoke(app, ["show", "t.json", *flags])
        assert refused.exit_code == 2
        assert f"{flags[0]}: t.json is a report of training" in refused.output


def test_epochs_are_steps_by_the_size_of_the_data(here):
    done = call(
        "train", "--epochs", "2", "--batch-size", "64,128", "--normalization", "layer",
        "--seeds", "1", "-o", "t.json",
    )  # fmt: skip
    assert done.exit_code == 0
    assert "--epochs 60, as in the paper, take about" in done.output
    steps = [run["steps"] for run in json.loads((here / "t.json").read_text())["runs"]]
    assert steps == [2 * (1438 // 64), 2 * (1438 // 128)]


def test_a_picture_is_drawn(here):
    pytest.importorskip("vl_convert")
    for name in ("curves.png", "curves.svg", "curves.pdf"):
        assert call("train", *QUICK, "-o", f"{name}.json", "--plot", name).exit_code == 0
        assert (here / name).stat().st_size > 10_000


def test_the_legend_of_a_picture_names_the_curves_of_every_panel(here):
    pytest.importorskip("vl_convert")
    done = call(
        "train", "--batch-size", "1,64", "--normalization", "batch,layer", "--steps", "4",
        "--seeds", "1", "-o", "t.json", "--plot", "t.svg",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    texts = re.findall(r">([^<>]+)</text>", (here / "t.svg").read_text())
    assert texts.count("layer") == 4  # batch 1 and 64, against steps and against seconds
    assert texts.count("batch") == 2  # a batch of one has no variance


@pytest.mark.parametrize("eps", ["inf", "0.1"])
def test_an_eps_beside_which_no_change_is_small_is_refused(eps):
    done = call("invariance", "--eps", eps)
    assert done.exit_code == 2
    assert "is above 0.001" in done.output


def test_a_run_that_diverges_is_a_row_and_nothing_is_lost(here):
    done = call(
        "train",
        *QUICK,
        "--normalization",
        "none,layer",
        "--learning-rate",
        "1e30,1e-3",
        "-o",
        "t.json",
    )
    assert done.exit_code == 0
    assert "diverged" in done.output
    runs = json.loads((here / "t.json").read_text())["runs"]
    assert any(run["diverged"] for run in runs)
    assert any(not run["diverged"] for run in runs)
    assert CliRunner().invoke(app, ["show", "t.json"]).exit_code == 0


def test_batch_normalization_of_a_recurrent_net_is_left_out_with_the_reason(here):
    done = call(
        "train",
        "--model",
        "rnn",
        "--steps",
        "4",
        "--seeds",
        "1",
        "--batch-size",
        "64",
        "-o",
        "t.json",
    )
    assert done.exit_code == 0, done.output
    assert "left out of recurrent nets" in " ".join(done.output.split())
    runs = json.loads((here / "t.json").read_text())["runs"]
    assert {run["normalization"] for run in runs} == {"none", "layer", "rms"}


def test_a_sweep_takes_the_place_of_what_was_given(here):
    done = call(
        "train", "--sweep", "learning-rate", "--normalization", "layer", "--batch-size", "64",
        "--steps", "4", "--seeds", "1", "-o", "t.json",
    )  # fmt: skip
    assert done.exit_code == 0
    rates = [run["learning_rate"] for run in json.loads((here / "t.json").read_text())["runs"]]
    assert len(set(rates)) == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "mpl"), "did you mean 'mlp'"),
        (("--normalization", "layr"), "did you mean 'layer'"),
        (("--sweep", "learning"), "learning-rate"),
        (("--batch-size", "four"), "is no list of numbers"),
        (("--batch-size", "0"), "must be above 0"),
        (("--batch-size", "5000"), "exceeds the 1438 images"),
        (("--learning-rate", "nan"), "must be above 0"),
        (("--plot", "curves.gif"), "curves.gif ends in none of .svg, .png, .pdf"),
        (("--plot", "/proc/nowhere/curves.png"), "/proc/nowhere"),
        (("--target-loss", "inf"), "is no finite number"),
        (("--data", "nowhere"), "is no folder"),
        (("--model", "rnn", "--normalization", "batch"), "nothing is left to train"),
        (("--format", "xml"), "xml"),
        (("--steps", "3", "--epochs", "2"), "exclude each other"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(here, arguments, words):
    done = call("train", *arguments)
    assert done.exit_code == 2, done.output
    assert words in " ".join(done.output.split())
    assert list(here.iterdir()) == []


def test_a_report_is_not_overwritten_unasked(here):
    (here / "t.json").write_text("mine")
    assert call("train", *QUICK, "-o", "t.json").exit_code == 2
    assert (here / "t.json").read_text() == "mine"


def test_another_training_cannot_be_resumed(here):
    assert call("train", *QUICK, "-o", "t.json").exit_code == 0
    done = call("train", *QUICK, "--seeds", "3", "--resume", "t.json")
    assert done.exit_code == 2
    assert "what is trained" in done.output


def test_ctrl_c_keeps_what_is_done_and_resume_goes_on(process):
    arguments = (
        "train", "--model", "mlp", "--batch-size", "64", "--seeds", "4", "--steps", "600",
        "--threads", "1",
    )  # fmt: skip
    command, options = process("paper", *arguments, "-o", "t.json")
    report = options["cwd"] / "t.json"
    started = subprocess.Popen(
        command, **options, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and finished(report) < 2:
        time.sleep(0.02)
    started.send_signal(signal.SIGINT)
    errors = started.communicate(timeout=60)[1]
    assert started.returncode == 130
    assert "--resume t.json" in errors
    before = runs_of(report)
    done = [run for run in before if run["points"]]
    assert 2 <= len(done) < len(before)

    command, options = process("paper", *arguments, "--resume", "t.json", folder=options["cwd"])
    subprocess.run(command, **options, check=True, capture_output=True, timeout=200)
    after = runs_of(report)
    assert finished(report) == len(before)
    assert after[: len(done)] == done


def runs_of(report):
    return json.loads(report.read_text())["runs"] if report.exists() else []


def finished(report):
    return sum(
        bool(run["points"]) and run["points"][-1][0] >= run["steps"] for run in runs_of(report)
    )
