"""What `lnbench paper train` trains, and going on with it: runs, their report, their progress."""

import itertools
import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lnbench.errors import ConfigError, UnknownNameError
from lnbench.plan.flags import TrainFlags
from lnbench.units import format_duration

if TYPE_CHECKING:
    from lnbench.cli.live import Line
    from lnbench.paper.data import Data
    from lnbench.paper.report import Run, TrainingReport

_SWEEPS = {
    "learning-rate": ("learning_rate", (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)),
    "batch-size": ("batch_size", (1, 2, 4, 16, 64, 128, 256)),
}
_STEPS = {1: 3000, 2: 3000, 4: 3000}
_USUAL_STEPS = 1200
_PAPERS_EPOCHS = 60  # section 6.6
_RECURRENT_SHARE = 0.5  # a step through time takes several times as long as one of the MLP


def default_path(resume: Path | None) -> Path | None:
    """Return where a new report goes; None where one goes on."""
    from lnbench.paper import report as training

    return None if resume is not None else training.default_path(datetime.now(UTC))


def check(flags: TrainFlags) -> None:
    """Find out before any training what would be refused after it."""
    from lnbench.measure.devices import torch_problem
    from lnbench.render import picture

    if problem := torch_problem():
        raise ConfigError(f"the nets are torch's: {problem}")
    if flags.steps is not None and flags.epochs is not None:
        raise ConfigError("--steps and --epochs exclude each other", "give one of them")
    if not math.isfinite(flags.target_loss):
        raise ConfigError(f"--target-loss: {flags.target_loss} is no finite number")
    picture.check(flags.plot)


def swept(sweep: str | None) -> dict[str, tuple[float, ...]]:
    """Return the axis that `--sweep` replaces, and its values; empty without one."""
    if sweep is None:
        return {}
    if sweep not in _SWEEPS:
        raise UnknownNameError("sweep", sweep, tuple(_SWEEPS), "--sweep")
    axis, values = _SWEEPS[sweep]
    return {axis: values}


def names_of(text: str, kind: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of a list with commas, each once; ConfigError for an unknown one."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, name, known, f"--{kind}")
    if not names:
        raise ConfigError(f"--{kind} names nothing", f"give one of {', '.join(known)}")
    return names


def numbers_of(text: str, flag: str, kind: type[int] | type[float]) -> tuple[float, ...]:
    """Return the numbers of a list with commas, each once; ConfigError unless above 0."""
    try:
        found = tuple(dict.fromkeys(kind(part) for part in text.split(",")))
    except ValueError:
        raise ConfigError(f"{flag}: '{text}' is no list of numbers", "write 128,4") from None
    if not found or any(not 0 < each < float("inf") for each in found):
        raise ConfigError(f"{flag}: '{text}' must be above 0")
    return found


def planned(flags: TrainFlags, data: "Data") -> "tuple[tuple[Run, ...], tuple[str, ...]]":
    """Return every run, seed by seed, and what was left out."""
    from lnbench.paper.models import BATCH_IN_TIME
    from lnbench.paper.report import MODELS, NORMALIZATIONS, Run

    axes: dict[str, Any] = {
        "model": names_of(flags.model, "model", MODELS),
        "normalization": names_of(flags.normalization, "normalization", NORMALIZATIONS),
        "batch_size": numbers_of(flags.batch_size, "--batch-size", int),
        "learning_rate": numbers_of(flags.learning_rate, "--learning-rate", float),
        **swept(flags.sweep),
    }

    runs: list[Run] = []
    notes: dict[str, None] = {}
    for seed in range(flags.seeds):  # the outer loop: a run cut short has all combinations
        for model, norm, batch, rate in itertools.product(*axes.values()):
            if norm == "batch" and model != "mlp":
                notes[BATCH_IN_TIME] = None
                continue
            if norm == "batch" and batch == 1:
                notes["batch 1: a batch of one case has no variance to normalize by"] = None
                continue
            if batch > len(data.images):
                raise ConfigError(f"--batch-size: {batch} exceeds the {len(data.images)} images")
            steps = flags.steps
            if flags.epochs is not None:
                steps = flags.epochs * (len(data.images) // batch)
            taken = steps or _usual_steps(model, batch)
            runs.append(Run(model, norm, batch, rate, seed, taken))
    if not runs:
        raise ConfigError("nothing is left to train", "; ".join(notes))
    return tuple(runs), tuple(notes)


def _usual_steps(model: str, batch: int) -> int:
    usual = _STEPS.get(batch, _USUAL_STEPS)
    return usual if model == "mlp" else round(usual * _RECURRENT_SHARE)


def say_how_long(training: "TrainingReport", data: "Data") -> None:
    """Say to stderr how long the same runs take with as many epochs as the paper's."""
    from lnbench.units import format_duration

    ends = [(run, run.points[-1]) for run in training.runs if run.points and run.points[-1].step]
    if not ends:
        return
    whole = sum(
        end.seconds / end.step * _PAPERS_EPOCHS * (len(data.images) // run.batch_size)
        for run, end in ends
    )
    words = f"--epochs {_PAPERS_EPOCHS}, as in the paper, take about {format_duration(whole)}"
    typer.echo(f"these {len(ends)} runs with {words}", err=True)


def new_report(
    flags: TrainFlags, data: "Data", runs: "Sequence[Run]", notes: Sequence[str]
) -> "TrainingReport":
    """Return a new report in which no run has begun."""
    from lnbench.paper.report import TrainingReport
    from lnbench.record.environment import collect
    from lnbench.record.machine import physical_cores
    from lnbench.record.report import head

    return TrainingReport(
        **head(),
        environment=collect(flags.threads or physical_cores()),
        data=data.name,
        target_loss=flags.target_loss,
        runs=tuple(runs),
        notes=tuple(notes),
    )


def begun(resume: Path | None, head: "TrainingReport") -> "TrainingReport":
    """Return the report to go on with; ConfigError where it was another training."""
    if resume is None:
        return head
    import msgspec

    from lnbench.paper import report as training
    from lnbench.record.environment import differences

    earlier = training.read(resume)
    changed = [change.name for change in differences(earlier.environment, head.environment)]
    if earlier.data != head.data:
        changed.append("data")
    if [run.key for run in earlier.runs] != [run.key for run in head.runs]:
        changed.append("what is trained")
    if changed:
        raise ConfigError(
            f"{resume} cannot be resumed: {', '.join(changed)} changed since",
            "repeat the command of the report, or start a new one with -o NEW.json",
        )
    # A run that was cut short begins again: its state was not kept.
    kept = tuple(a if a.finished else b for a, b in zip(earlier.runs, head.runs, strict=True))
    return msgspec.structs.replace(earlier, runs=kept, target_loss=head.target_loss)


def _words(run: "Run") -> str:
    return (
        f"{run.model} · {run.normalization} · batch {run.batch_size} · "
        f"rate {run.learning_rate:g} · seed {run.seed}"
    )


def take(
    begun: "TrainingReport", data: "Data", path: Path, line: "Line"
) -> "tuple[TrainingReport, bool]":
    """Take the runs that are left; return the report, and whether Ctrl-C cut it short."""
    import msgspec

    from lnbench.paper import report as training
    from lnbench.paper.training import train

    runs = list(begun.runs)
    made = begun
    training.write(made, path)
    left = [number for number, run in enumerate(runs) if not run.finished]
    started = time.monotonic()
    try:
        for place, number in enumerate(left):
            where = f"run {place + 1} of {len(left)}"
            for step, progress in enumerate(train(runs[number], data, begun.environment.threads)):
                runs[number] = progress.run
                line.share = (place + progress.done) / len(left)
                elapsed_s = time.monotonic() - started
                rest_s = elapsed_s / line.share - elapsed_s if line.share else math.inf
                rest = f"about {format_duration(rest_s)} left" if line.share else "beginning"
                line.where = " · ".join((where, rest, _words(progress.run)))
                line.draw()
                if not step:
                    line.say(line.where)
            made = msgspec.structs.replace(begun, runs=tuple(runs))
            training.write(made, path)
    except KeyboardInterrupt:
        line.end()
        typer.echo(f"interrupted; continue with: lnbench paper train … --resume {path}", err=True)
        return made, True
    return made, False
