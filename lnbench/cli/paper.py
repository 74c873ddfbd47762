"""`lnbench paper`: the claims of the Layer Normalization paper, checked and measured."""

import itertools
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lnbench.cli import budget_options, options
from lnbench.cli.measuring import INTERRUPTED
from lnbench.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from lnbench.paper.data import Data
    from lnbench.record.training import Run, Training

paper_app = typer.Typer(
    help="The claims of Ba, Kiros and Hinton (2016), checked and measured.",
    no_args_is_help=True,
)

DISAGREES = 3

_SWEEPS = {
    "learning-rate": ("learning_rate", (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)),
    "batch-size": ("batch_size", (1, 2, 4, 16, 64, 128, 256)),
}
_STEPS = {1: 3000, 2: 3000, 4: 3000}
_USUAL_STEPS = 1200
_PAPERS_EPOCHS = 60  # section 6.6
_RECURRENT_SHARE = 0.5  # a step through time takes several times as long as one of the MLP


@paper_app.command("invariance")
def invariance_command(
    eps: Annotated[
        float,
        typer.Option(
            min=0.0, envvar="LNBENCH_EPS", help="Added to variances; the paper has none: 0."
        ),
    ] = 0.0,
    seed: budget_options.Seed = 0,
    format_: options.Format = "table",
) -> None:
    """Compute table 1: which normalization is invariant under which change, beside the paper's."""
    from lnbench.cli import showing
    from lnbench.paper.invariance import EXACT, table

    showing.check_format(format_)
    cells = table(eps, seed)
    if format_ == "json":
        names = ("normalization", "transformation", "paper", "measured", "max_change")
        rows = [{name: getattr(cell, name) for name in names} for cell in cells]
        typer.echo(json.dumps({"rows": rows}, indent=2))
    else:
        words = {True: "invariant", False: "changes"}
        head = ("normalization", "transformation", "paper", "here", "largest change", "")
        lines = [
            (
                cell.normalization,
                cell.transformation,
                words[cell.paper],
                words[cell.measured],
                f"{cell.max_change:.1e}",
                _remark(cell, EXACT),
            )
            for cell in cells
        ]
        showing.show_rows(head, lines, format_)
    agree = sum(cell.agrees for cell in cells)
    typer.echo(f"{agree} of {len(cells)} cells agree with the paper", err=True)
    if agree < len(cells):
        raise typer.Exit(DISAGREES)


def _remark(cell: Any, exact: float) -> str:
    if not cell.agrees:
        return "DISAGREES"
    return "broken by eps" if cell.measured and cell.max_change > exact else ""


@paper_app.command("train")
def train_command(
    model: Annotated[
        str, typer.Option(envvar="LNBENCH_MODEL", help="mlp, rnn, lstm, gru; or several by commas.")
    ] = "mlp",
    normalization: Annotated[
        str,
        typer.Option(envvar="LNBENCH_NORMALIZATION", help="none, batch, layer, rms; by commas."),
    ] = "none,batch,layer,rms",
    batch_size: Annotated[
        str, typer.Option(envvar="LNBENCH_BATCH_SIZE", help="Cases a step, by commas.")
    ] = "128,4",
    learning_rate: Annotated[
        str, typer.Option(envvar="LNBENCH_LEARNING_RATE", help="Adam's, by commas.")
    ] = "1e-3",
    seeds: Annotated[
        int, typer.Option(min=1, envvar="LNBENCH_SEEDS", help="Runs of each combination.")
    ] = 5,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            envvar="LNBENCH_STEPS",
            help="Training steps of a run; without it, as many as fit two minutes in all.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            envvar="LNBENCH_EPOCHS",
            help="Times that every image is seen, in place of --steps; the paper's are 60.",
            show_default=False,
        ),
    ] = None,
    target_loss: Annotated[
        float,
        typer.Option(
            min=1e-6, envvar="LNBENCH_TARGET_LOSS", help="Steps and seconds are counted to it."
        ),
    ] = 0.2,
    sweep: Annotated[
        str | None,
        typer.Option(
            envvar="LNBENCH_SWEEP",
            help="learning-rate or batch-size: seven of them in place of those given.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="LNBENCH_DATA",
            help="A folder of MNIST's IDX files, gzip or not; without it, scikit-learn's digits.",
            show_default=False,
        ),
    ] = None,
    threads: budget_options.Threads = None,
    output: options.OutputPath = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            envvar="LNBENCH_PLOT",
            help="Write the curves as a picture, .png or .svg.",
            show_default=False,
        ),
    ] = None,
    format_: options.Format = "table",
    force: options.Force = False,
    quiet: options.Quiet = False,
    resume: options.Resume = None,
) -> None:
    """Train small nets with and without normalization: loss against steps and against seconds."""
    from lnbench.cli import resuming, showing
    from lnbench.paper.data import load

    showing.check_format(format_)
    if steps is not None and epochs is not None:
        raise ConfigError("--steps and --epochs exclude each other", "give one of them")
    if plot is not None and plot.suffix not in (".png", ".svg"):
        raise ConfigError(f"--plot: {plot.name} is neither .png nor .svg")
    axes = {
        "model": _names(model, "model", ("mlp", "rnn", "lstm", "gru")),
        "normalization": _names(normalization, "normalization", ("none", "batch", "layer", "rms")),
        "batch_size": _numbers(batch_size, "--batch-size", int),
        "learning_rate": _numbers(learning_rate, "--learning-rate", float),
    }
    if sweep is not None:
        if sweep not in _SWEEPS:
            raise UnknownNameError("sweep", sweep, tuple(_SWEEPS), "--sweep")
        name, values = _SWEEPS[sweep]
        axes[name] = values
    learned = load(data)
    runs, notes = _runs(axes, seeds, (steps, epochs), learned)
    head = _head(learned, runs, notes, target_loss, threads)
    path = resuming.report_path(output or _default(resume), resume, force=force)
    training, interrupted = _train(_begun(resume, head), learned, path, quiet=quiet)
    if not quiet:
        showing.show_training(training, format_)
        typer.echo(f"report: {path}", err=True)
        _say_how_long(training, learned)
    if plot is not None:
        from lnbench.render import training as render

        render.plot(training, plot)
        typer.echo(f"picture: {plot}", err=True)
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def _default(resume: Path | None) -> Path | None:
    from lnbench.record import training

    return None if resume is not None else training.default_path(datetime.now(UTC))


def _names(text: str, kind: str, known: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, name, known, f"--{kind}")
    if not names:
        raise ConfigError(f"--{kind} names nothing", f"give one of {', '.join(known)}")
    return names


def _numbers(text: str, flag: str, kind: type[int] | type[float]) -> tuple[float, ...]:
    try:
        found = tuple(dict.fromkeys(kind(part) for part in text.split(",")))
    except ValueError:
        raise ConfigError(f"{flag}: '{text}' is no list of numbers", "write 128,4") from None
    if not found or any(not 0 < each < float("inf") for each in found):
        raise ConfigError(f"{flag}: '{text}' must be above 0")
    return found


def _runs(
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
                notes[f"{model}: {BATCH_IN_TIME}"] = None
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


def _say_how_long(training: "Training", data: "Data") -> None:
    """Say to stderr how long the same runs take with as many epochs as the paper's."""
    from lnbench.units import format_duration

    ends = [(run, run.points[-1]) for run in training.runs if run.points and run.points[-1].step]
    whole = sum(
        end.seconds / end.step * _PAPERS_EPOCHS * (len(data.images) // run.batch_size)
        for run, end in ends
    )
    words = f"--epochs {_PAPERS_EPOCHS}, as in the paper, take about {format_duration(whole)}"
    typer.echo(f"these {len(ends)} runs with {words}", err=True)


def _head(
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


def _begun(resume: Path | None, head: "Training") -> "Training":
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


def _train(begun: "Training", data: "Data", path: Path, *, quiet: bool) -> "tuple[Training, bool]":
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
                for progress in train(
                    runs[number], data, runs[number].steps, begun.environment.threads
                ):
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
