"""What `lnbench paper train` trains, and going on with it: runs, their report, their progress."""

import importlib.util
import itertools
import math
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lnbench.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from lnbench.paper.data import Data
    from lnbench.record.training import Run, Training

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
    from lnbench.record import training

    return None if resume is not None else training.default_path(datetime.now(UTC))


def check(steps: int | None, epochs: int | None, target_loss: float, plot: Path | None) -> None:
    """Find out before any training what would be refused after it."""
    from lnbench.record import files

    if steps is not None and epochs is not None:
        raise ConfigError("--steps and --epochs exclude each other", "give one of them")
    if not math.isfinite(target_loss):
        raise ConfigError(f"--target-loss: {target_loss} is no finite number")
    if plot is None:
        return
    if plot.suffix not in (".png", ".svg"):
        raise ConfigError(f"--plot: {plot.name} is neither .png nor .svg")
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError(
            "pictures are drawn by matplotlib, which is not installed",
            "pip install 'lnbench[paper]', or leave --plot out",
        )
    files.prepare(plot, force=True)


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


def planned(
    axes: dict[str, Any], seeds: int, length: tuple[int | None, int | None], data: "Data"
) -> "tuple[tuple[Run, ...], tuple[str, ...]]":
    """Return every run, seed by seed, and what was left out."""
    from lnbench.paper.models import BATCH_IN_TIME
    from lnbench.record.training import Run

    runs: list[Run] = []
    notes: dict[str, None] = {}
    for seed in range(seeds):  # the outer loop: a run cut short has all combinations
        for model, norm, batch, rate in itertools.product(*axes.values()):
            if norm == "batch" and model != "mlp":
                notes[BATCH_IN_TIME] = None
                continue
            if norm == "batch" and batch == 1:
                notes["batch 1: a batch of one case has no variance to normalize by"] = None
                continue
            if batch > len(data.images):
                raise ConfigError(f"--batch-size: {batch} exceeds the {len(data.images)} images")
            steps, epochs = length
            if epochs is not None:
                steps = epochs * (len(data.images) // batch)
            taken = steps or _usual_steps(model, batch)
            runs.append(Run(model, norm, batch, rate, seed, taken))
    if not runs:
        raise ConfigError("nothing is left to train", "; ".join(notes))
    return tuple(runs), tuple(notes)


def _usual_steps(model: str, batch: int) -> int:
    usual = _STEPS.get(batch, _USUAL_STEPS)
    return usual if model == "mlp" else round(usual * _RECURRENT_SHARE)


def say_how_long(training: "Training", data: "Data") -> None:
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


def head_of(
    data: "Data", runs: "Sequence[Run]", notes: Sequence[str], target: float, threads: int | None
) -> "Training":
    """Return a new report in which no run has begun."""
    from lnbench import __version__
    from lnbench.record.environment import collect, physical_cores
    from lnbench.record.revision import revision
    from lnbench.record.training import Training
    from lnbench.record.wire import Tool

    return Training(
        created=datetime.now(UTC).replace(microsecond=0),
        tool=Tool(name="lnbench", version=__version__, arguments=tuple(sys.argv[1:])),
        revision=revision(),
        environment=collect(threads or physical_cores()),
        data=data.name,
        target_loss=target,
        runs=tuple(runs),
        notes=tuple(notes),
    )


def begun(resume: Path | None, head: "Training") -> "Training":
    """Return the report to go on with; ConfigError where it was another training."""
    if resume is None:
        return head
    import msgspec

    from lnbench.record import training
    from lnbench.record.environment import differences

    found = training.read(resume)
    changed = [each.name for each in differences(found.environment, head.environment)]
    if found.data != head.data:
        changed.append("data")
    if [run.key for run in found.runs] != [run.key for run in head.runs]:
        changed.append("what is trained")
    if changed:
        raise ConfigError(
            f"{resume} cannot be resumed: {', '.join(changed)} changed since",
            "repeat the command of the report, or start a new one with -o NEW.json",
        )
    # A run that was cut short begins again: its state was not kept.
    kept = tuple(a if a.finished else b for a, b in zip(found.runs, head.runs, strict=True))
    return msgspec.structs.replace(found, runs=kept, target_loss=head.target_loss)


def _words(run: "Run") -> str:
    return (
        f"{run.model} · {run.normalization} · batch {run.batch_size} · "
        f"rate {run.learning_rate:g} · seed {run.seed}"
    )


def take(begun: "Training", data: "Data", path: Path, *, quiet: bool) -> "tuple[Training, bool]":
    """Take the runs that are left; return the report, and whether Ctrl-C cut it short."""
    import msgspec

    from lnbench.cli.progress import TrainingLine
    from lnbench.paper.training import train
    from lnbench.record import training

    runs = list(begun.runs)
    made = begun
    training.write(made, path)
    left = [number for number, run in enumerate(runs) if not run.finished]
    started = time.monotonic()
    try:
        with TrainingLine(quiet=quiet) as line:
            for place, number in enumerate(left):
                for progress in train(runs[number], data, begun.environment.threads):
                    runs[number] = progress.run
                    share = (place + progress.done) / len(left)
                    elapsed = time.monotonic() - started
                    line.show_run(_words(progress.run), place + 1, len(left), share, elapsed)
                made = msgspec.structs.replace(begun, runs=tuple(runs))
                training.write(made, path)
    except KeyboardInterrupt:
        typer.echo(f"interrupted; go on with: lnbench paper train … --resume {path}", err=True)
        return made, True
    return made, False
