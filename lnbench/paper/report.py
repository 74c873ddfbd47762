"""Reports of training: the curves of nets, one run a net, in the same JSON family."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lnbench.errors import ReportError
from lnbench.record import files, report
from lnbench.record.outcome import Figure
from lnbench.record.report import Head, write

__all__ = ["TrainingReport", "read", "write"]

KIND = "training"

MODELS = ("mlp", "rnn", "lstm", "gru")
NORMALIZATIONS = ("none", "batch", "layer", "rms")

_FOREIGN = "lnbench paper train writes these; was the file changed by hand?"


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """One evaluation on what was held out; in the file a list of four."""

    step: Annotated[int, Meta(ge=0)]
    """Training steps before it."""
    seconds: Annotated[float, Meta(ge=0)]
    """Seconds that these steps took, without evaluations."""
    loss: Figure
    """Mean cross entropy; infinite where it was not finite, for which a file has null."""
    accuracy: Annotated[float, Meta(ge=0, le=1)]
    """Share of images whose label was right."""

    def __post_init__(self) -> None:
        if getattr(self, "loss") is None:  # noqa: B009  (Figure)
            msgspec.structs.force_setattr(self, "loss", math.inf)


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One net, trained once."""

    model: str
    normalization: str
    batch_size: Annotated[int, Meta(ge=1)]
    learning_rate: Annotated[float, Meta(gt=0)]
    seed: Annotated[int, Meta(ge=0)]
    steps: Annotated[int, Meta(ge=1)]
    """Steps that were asked for."""
    points: tuple[Point, ...] = ()
    """The curve, by step; none where the run has not begun."""
    diverged: bool = False
    """Whether its loss was no number any more, which ended it."""

    @property
    def finished(self) -> bool:
        """Whether it took all of its steps, or diverged."""
        return self.diverged or bool(self.points and self.points[-1].step >= self.steps)

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from other runs."""
        return (
            self.model, self.normalization, self.batch_size, self.learning_rate, self.seed,
            self.steps,
        )  # fmt: skip


class TrainingReport(Head, frozen=True, kw_only=True, tag="training"):
    """What was trained, on what, and how it went."""

    data: str
    """What was learned from."""
    target_loss: Annotated[float, Meta(gt=0)]
    """The loss that steps and seconds are counted to."""
    notes: tuple[str, ...]
    """What was left out, and why."""
    runs: tuple[Run, ...]
    """All runs, in the order they are taken."""

    def contradictions(self) -> Iterator[str]:
        """Yield runs that contradict themselves."""
        for i, run in enumerate(self.runs):
            steps = [point.step for point in run.points]
            if steps != sorted(set(steps)):
                yield f"runs[{i}]: its steps do not ascend"
            if run.diverged and not run.points:
                yield f"runs[{i}] diverged without a point"


def read(path: Path) -> TrainingReport:
    """Return the training in a file; ReportError where it is none."""
    data = files.read(path)
    report.kind_of(data, path)
    training: TrainingReport = report.decoded(data, path, TrainingReport, _FOREIGN)
    return training


def is_training(path: Path) -> bool:
    """Return whether a file says that it is a report of training."""
    try:
        return report.kind_of(files.read(path), path) == KIND
    except ReportError:
        return False


def default_path(now: datetime) -> Path:
    """Return where a training goes when nobody says: reports/training-2026-11-23T120000Z.json."""
    return Path("reports") / f"training-{now.astimezone(UTC):%Y-%m-%dT%H%M%SZ}.json"
