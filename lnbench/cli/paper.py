"""`lnbench paper`: the claims of the Layer Normalization paper, checked and measured."""

import json
from typing import Annotated, Any

import typer

from lnbench.cli import budget_options, options, training, training_options
from lnbench.cli.measuring import INTERRUPTED
from lnbench.errors import ConfigError

paper_app = typer.Typer(
    help="The claims of Ba, Kiros and Hinton (2016), checked and measured.",
    no_args_is_help=True,
)

DISAGREES = 3
MOST_EPS = 1e-3


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
    _check_eps(eps)
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


def _check_eps(eps: float) -> None:
    if not eps <= MOST_EPS:
        raise ConfigError(
            f"--eps: {eps:g} is above {MOST_EPS:g}", "beside such an eps no change is small"
        )


def _remark(cell: Any, exact: float) -> str:
    if not cell.agrees:
        return "DISAGREES"
    return "broken by eps" if cell.measured and cell.max_change > exact else ""


@paper_app.command("train")
def train_command(
    model: training_options.Model = "mlp",
    normalization: training_options.Normalization = "none,batch,layer,rms",
    batch_size: training_options.BatchSize = "128,4",
    learning_rate: training_options.LearningRate = "1e-3",
    seeds: training_options.Seeds = 5,
    steps: training_options.Steps = None,
    epochs: training_options.Epochs = None,
    target_loss: training_options.TargetLoss = 0.2,
    sweep: training_options.Sweep = None,
    data: training_options.Data = None,
    threads: budget_options.Threads = None,
    output: options.OutputPath = None,
    plot: training_options.Plot = None,
    format_: options.Format = "table",
    force: options.Force = False,
    quiet: options.Quiet = False,
    resume: options.Resume = None,
) -> None:
    """Train small nets with and without normalization: loss against steps and against seconds."""
    from lnbench.cli import resuming, showing
    from lnbench.paper.data import load
    from lnbench.record.training import MODELS, NORMALIZATIONS

    showing.check_format(format_)
    training.check(steps, epochs, target_loss, plot)
    axes = {
        "model": training.names_of(model, "model", MODELS),
        "normalization": training.names_of(normalization, "normalization", NORMALIZATIONS),
        "batch_size": training.numbers_of(batch_size, "--batch-size", int),
        "learning_rate": training.numbers_of(learning_rate, "--learning-rate", float),
        **training.swept(sweep),
    }
    learned = load(data)
    runs, notes = training.planned(axes, seeds, (steps, epochs), learned)
    head = training.head_of(learned, runs, notes, target_loss, threads)
    path = resuming.report_path(output or training.default_path(resume), resume, force=force)
    trained, interrupted = training.take(training.begun(resume, head), learned, path, quiet=quiet)
    if not quiet:
        showing.show_training(trained, format_)
        typer.echo(f"report: {path}", err=True)
        training.say_how_long(trained, learned)
    if plot is not None:
        from lnbench.render import training as render

        render.plot(trained, plot)
        typer.echo(f"picture: {plot}", err=True)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
