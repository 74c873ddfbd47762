"""What curves of training say: steps and seconds to a target loss, with intervals over seeds."""

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from lnbench.judge.stats import Estimate, estimates, location_intervals
from lnbench.paper.report import Point, Run, TrainingReport

SEED_CONFIDENCE = 0.9
"""Confidence of an interval over seeds: five, the usual number, have none of 95 %."""


class SeedGroup(msgspec.Struct, frozen=True):
    """Runs that differ in their seed alone."""

    model: str
    normalization: str
    batch_size: int
    learning_rate: float
    seeds: int
    """Runs that are finished."""
    diverged: int
    """Of these, runs whose loss was no number any more."""
    reached: int
    """Of these, runs that came to the target loss."""
    steps: Estimate | None
    """Steps to the target; None where a seed did not reach it."""
    seconds: Estimate | None
    """Seconds to the target."""
    step_s: Estimate | None
    """Seconds of one step."""
    best_loss: float
    """Median over seeds of the least loss."""
    accuracy: float
    """Median over seeds of the accuracy at the end."""


def groups(training: TrainingReport) -> tuple[SeedGroup, ...]:
    """Return the runs by all but their seed: models and their settings in the report's order."""
    runs: dict[tuple[str, str, int, float], list[Run]] = {}
    for run in training.runs:
        if run.finished:
            key = (run.model, run.normalization, run.batch_size, run.learning_rate)
            runs.setdefault(key, []).append(run)
    places = list(dict.fromkeys((key[0], key[2], key[3]) for key in runs))
    ordered = sorted(runs, key=lambda key: places.index((key[0], key[2], key[3])))
    return tuple(_group(key, runs[key], training.target_loss) for key in ordered)


def reached(points: Sequence[Point], target: float) -> tuple[float, float] | None:
    """Return steps and seconds at which a curve first falls to a target, between two points.

    The logarithm of the loss is taken as a straight line between evaluations.
    """
    for before, after in itertools.pairwise(points):
        if after.loss <= target:
            share = 1.0
            if math.isfinite(before.loss) and before.loss > target > 0 and after.loss > 0:
                fall = math.log(before.loss / after.loss)
                share = math.log(before.loss / target) / fall if fall > 0 else 1.0
            return (
                before.step + share * (after.step - before.step),
                before.seconds + share * (after.seconds - before.seconds),
            )
    return None


def _group(key: tuple[str, str, int, float], runs: Sequence[Run], target: float) -> SeedGroup:
    ends = (reached(run.points, target) for run in runs)
    there = [end for end in ends if end is not None]
    complete = bool(there) and len(there) == len(runs)
    paces = [run.points[-1].seconds / run.points[-1].step for run in runs if run.points[-1].step]
    return SeedGroup(
        *key,
        seeds=len(runs),
        diverged=sum(run.diverged for run in runs),
        reached=len(there),
        steps=_centre(step for step, _ in there) if complete else None,
        seconds=_centre(seconds for _, seconds in there) if complete else None,
        step_s=_centre(paces),
        best_loss=statistics.median(min(point.loss for point in run.points) for run in runs),
        accuracy=statistics.median(run.points[-1].accuracy for run in runs),
    )


def _centre(values: Iterable[float]) -> Estimate | None:
    """Return the centre over seeds, by ratios; five seeds are the fewest with an interval."""
    logs = np.log([value for value in values if value > 0])
    if not logs.size:
        return None
    return estimates(location_intervals([logs], 1 - SEED_CONFIDENCE), SEED_CONFIDENCE)[0]
