"""Training: deterministic curves, runs that diverge, and what a report keeps of them."""

import itertools
import json
import math
from datetime import UTC, datetime

import factories
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.errors import ReportError
from lnbench.paper import models
from lnbench.paper import report as record
from lnbench.paper.data import Data
from lnbench.paper.report import Point, Run, TrainingReport
from lnbench.paper.summary import groups, reached
from lnbench.paper.training import train
from lnbench.record.report import Tool

STEPS = 40


def toy(cases=64, size=(4, 4), classes=3):
    """Return images with one bright row, whose number is the label: easy to learn."""
    rng = np.random.default_rng(0)
    images = rng.random((2 * cases, *size), dtype=np.float32) / 2
    labels = rng.integers(0, classes, 2 * cases)
    images[np.arange(2 * cases), labels] += 0.5
    return Data("toy", images[:cases], labels[:cases], images[cases:], labels[cases:])


def run_of(**fields):
    usual = {
        "model": "mlp",
        "normalization": "layer",
        "batch_size": 8,
        "learning_rate": 1e-2,
        "seed": 0,
        "steps": STEPS,
    }
    return Run(**usual | fields)


def trained(**fields):
    run = run_of(**fields)
    for progress in train(run, toy(), threads=1):
        run = progress.run
    return run


@pytest.mark.parametrize("model", record.MODELS)
@pytest.mark.parametrize("normalization", ["none", "layer", "rms"])
def test_every_net_learns(model, normalization):
    run = trained(model=model, normalization=normalization, steps=4 * STEPS)
    assert run.finished
    assert run.points[0].step == 0
    assert run.points[-1].step == 4 * STEPS
    assert min(point.loss for point in run.points) < 0.9 * run.points[0].loss


def test_the_same_seed_gives_the_same_curve_and_another_seed_another():
    one, same, other = trained(), trained(), trained(seed=1)

    def losses(run):
        return [point.loss for point in run.points]

    assert losses(one) == losses(same)
    assert losses(one) != losses(other)


def test_batch_normalization_is_for_the_mlp_alone():
    assert trained(normalization="batch").finished
    for model in ("rnn", "lstm", "gru"):
        with pytest.raises(ValueError, match="left out of recurrent nets"):
            models.build(model, "batch", (4, 4), 3)


def test_a_run_that_diverges_ends_there_and_says_so():
    run = trained(normalization="none", learning_rate=1e30)
    assert run.diverged
    assert run.finished
    assert not math.isfinite(run.points[-1].loss)
    assert run.points[-1].step < STEPS


def test_seconds_and_steps_ascend():
    points = trained().points
    assert all(a.step < b.step and a.seconds < b.seconds for a, b in itertools.pairwise(points))


# --- reports ---


def report(*runs, target=0.5):
    return TrainingReport(
        created=datetime(2026, 11, 25, 12, 0, tzinfo=UTC),
        tool=Tool("lnbench", "0.1.0", ("paper", "train")),
        revision=None,
        environment=factories.environment(),
        data="toy",
        target_loss=target,
        runs=runs,
        notes=("a note",),
    )


def curve(*losses, pace=0.01, accuracy=0.9):
    return tuple(Point(10 * k, 10 * k * pace, loss, accuracy) for k, loss in enumerate(losses))


@given(
    st.lists(st.floats(1e-6, 1e6) | st.just(math.inf), min_size=1, max_size=5),
    st.floats(1e-6, 10),
)
def test_what_is_written_is_read_again(tmp_path_factory, losses, target):
    path = tmp_path_factory.mktemp("training") / "r.json"
    made = report(run_of(points=curve(*losses)), run_of(seed=1), target=target)
    record.write(made, path)
    found = record.read(path)
    assert found.runs == made.runs
    assert (found.data, found.notes, found.target_loss) == (made.data, made.notes, target)
    assert record.is_training(path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": 1, "kind": "training"}', '{"kind": "benchmarks"}', "\x80"]
)
def test_a_damaged_report_is_one_sentence(tmp_path, text):
    path = tmp_path / "r.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ReportError):
        record.read(path)


@pytest.mark.parametrize(
    ("place", "value"), [(0, -1), (1, None), (1, -0.5), (3, None), (3, 1.5), (None, [])]
)
def test_a_point_that_cannot_be_is_refused(tmp_path, place, value):
    path = tmp_path / "r.json"
    record.write(report(run_of(points=curve(1.0, 0.5), diverged=True)), path)
    file = json.loads(path.read_text())
    if place is None:
        file["runs"][0]["points"] = value
    else:
        file["runs"][0]["points"][1][place] = value
    path.write_text(json.dumps(file))
    with pytest.raises(ReportError, match=r"runs\[0\]"):
        record.read(path)


def test_steps_that_do_not_ascend_are_refused(tmp_path):
    path = tmp_path / "r.json"
    record.write(report(run_of(points=curve(1.0, 0.5))), path)
    path.write_text(path.read_text().replace("[10, ", "[0, "))
    with pytest.raises(ReportError, match="do not ascend"):
        record.read(path)


# --- what curves say ---


def test_the_target_is_reached_between_two_points():
    steps, seconds = reached(curve(2.0, 1.0, 0.25), 0.5)
    assert (steps, seconds) == (pytest.approx(15), pytest.approx(0.15))


@pytest.mark.parametrize("losses", [(2.0, 1.0), (1.0, math.inf, math.inf)])
def test_a_target_that_is_never_reached_is_none(losses):
    assert reached(curve(*losses), 0.5) is None


def test_an_infinite_loss_before_the_target_counts_whole():
    assert reached(curve(math.inf, 0.1), 0.5) == (10, pytest.approx(0.1))


def done(points, **fields):
    return run_of(points=points, steps=10 * (len(points) - 1), **fields)


def test_groups_are_centres_over_seeds_with_intervals():
    runs = [done(curve(2.0, 1.0, 0.25 * (1 + 0.01 * seed)), seed=seed) for seed in range(6)]
    (group,) = groups(report(*runs))
    assert (group.seeds, group.reached, group.diverged) == (6, 6, 0)
    assert group.steps.low < group.steps.value < group.steps.high
    assert group.steps.value == pytest.approx(15, rel=0.02)
    assert group.step_s.value == pytest.approx(0.01)


def test_where_one_seed_misses_the_target_there_is_no_centre():
    runs = [done(curve(2.0, 1.0, 0.25), seed=0), done(curve(2.0, 1.0, 0.9), seed=1)]
    (group,) = groups(report(*runs))
    assert (group.reached, group.steps) == (1, None)


def test_a_run_that_diverged_counts_as_finished_and_as_diverged():
    runs = [done(curve(2.0, 1.0, 0.25)), run_of(points=curve(2.0, math.inf), diverged=True, seed=1)]
    (group,) = groups(report(*runs))
    assert (group.seeds, group.diverged, group.reached) == (2, 1, 1)


def test_runs_that_are_not_finished_say_nothing():
    assert groups(report(run_of(), run_of(points=curve(2.0, 0.1), seed=1))) == ()
