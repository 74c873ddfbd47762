"""Reports of training: the curves of nets, one run a net, in the same JSON family."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lnbench.errors import ReportError
from lnbench.record import files
from lnbench.record.environment import Environment
from lnbench.record.harmless import harmless
from lnbench.record.layout import layout
from lnbench.record.report import Header, check_schema, sentence
from lnbench.record.revision import Revision
from lnbench.record.wire import Tool
from lnbench.record.wire_environment import EnvironmentRow, environment_of, environment_row

KIND = "training"

MODELS = ("mlp", "rnn", "lstm", "gru")
NORMALIZATIONS = ("none", "batch", "layer", "rms")

_LOSS = 2  # its place in a point

_FOREIGN = "lnbench paper train writes these; was the file changed by hand?"


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """One evaluation on what was held out; in the file a list of four."""

    step: Annotated[int, Meta(ge=0)]
    """Training steps before it."""
    seconds: Annotated[float, Meta(ge=0)]
    """Seconds that these steps took, without evaluations."""
    loss: float
    """Mean cross entropy; infinite where it was not finite."""
    accuracy: Annotated[float, Meta(ge=0, le=1)]
    """Share of images whose label was right."""


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


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What was trained, on what, and how it went."""

    created: datetime
    """When it began, with a time zone."""
    tool: Tool
    """The program that trained."""
    revision: Revision | None
    """The project in the folder of the run; None outside of a repository."""
    environment: Environment
    """Machine, software and settings."""
    data: str
    """What was learned from."""
    target_loss: float
    """The loss that steps and seconds are counted to."""
    runs: tuple[Run, ...]
    """All runs, in the order they are taken."""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal[1]
    kind: Literal["training"]
    created: Annotated[datetime, Meta(tz=True)]
    tool: Tool
    revision: Revision | None
    environment: EnvironmentRow
    data: str
    target_loss: Annotated[float, Meta(gt=0)]
    notes: tuple[str, ...]
    runs: tuple[Run, ...]


def read(path: Path) -> Training:
    """Return the training in a file; ReportError where it is none."""
    data = files.read(path)
    try:
        check_schema(msgspec.json.decode(data, type=Header).schema, path)
        found = msgspec.convert(_with_infinite_losses(msgspec.json.decode(data)), _File)
    except msgspec.ValidationError as error:
        raise ReportError(f"{path}: {sentence(error)}", _FOREIGN) from None
    except RecursionError:
        raise ReportError(f"{path}: nested without end", _FOREIGN) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReportError(f"{path} is no report of training: {error}", _FOREIGN) from None
    for i, run in enumerate(found.runs):
        steps = [point.step for point in run.points]
        if steps != sorted(set(steps)):
            raise ReportError(f"{path}: runs[{i}]: its steps do not ascend", _FOREIGN)
        if run.diverged and not run.points:
            raise ReportError(f"{path}: runs[{i}] diverged without a point", _FOREIGN)
    fields = {name: getattr(found, name) for name in Training.__struct_fields__}
    return Training(**fields | {"environment": environment_of(found.environment)})


def write(training: Training, path: Path) -> None:
    """Write a training in one step: a reader finds the whole old file or the whole new one."""
    fields = {name: getattr(training, name) for name in Training.__struct_fields__}
    fields["environment"] = environment_row(training.environment)
    arguments = tuple(map(harmless, training.tool.arguments))
    fields["tool"] = msgspec.structs.replace(training.tool, arguments=arguments)
    file = _File(schema=1, kind="training", **fields)
    text = layout(_named(msgspec.to_builtins(file))) + "\n"
    files.replace(path, text.encode("utf-8", "replace"))


def is_training(path: Path) -> bool:
    """Return whether a file says that it is a report of training."""
    try:
        return msgspec.json.decode(files.read(path), type=Header).kind == KIND
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def default_path(now: datetime) -> Path:
    """Return where a training goes when nobody says: reports/training-2026-11-23T120000Z.json."""
    return Path("reports") / f"training-{now.astimezone(UTC):%Y-%m-%dT%H%M%SZ}.json"


def _named(file: dict[str, Any]) -> dict[str, Any]:
    """Return the file with null for what JSON has no number for."""
    for run in file["runs"]:
        run["points"] = [
            [each if math.isfinite(each) else None for each in point] for point in run["points"]
        ]
    return file


def _with_infinite_losses(found: Any) -> Any:
    """Return a decoded file with infinity for the losses that it has as null."""
    runs = found.get("runs") if isinstance(found, dict) else None
    for run in runs if isinstance(runs, list) else ():
        points = run.get("points") if isinstance(run, dict) else None
        for point in points if isinstance(points, list) else ():
            if isinstance(point, list) and len(point) > _LOSS and point[_LOSS] is None:
                point[_LOSS] = math.inf
    return found
