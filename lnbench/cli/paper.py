"""`lnbench paper`: the claims of the Layer Normalization paper, checked and measured."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Annotated, Any

import typer

from lnbench.cli import formats, options, training, training_options
from lnbench.errors import ConfigError, ExitCode
from lnbench.plan.flags import TrainFlags
from lnbench.render.sheet import Column, View, objects, sheet

paper_app = typer.Typer(
    help="The claims of Ba, Kiros and Hinton (2016), checked and measured.",
    no_args_is_help=True,
)

MOST_EPS = 1e-3


@paper_app.command("invariance")
def invariance_command(
    eps: Annotated[
        float,
        typer.Option(
            min=0.0, envvar="LNBENCH_EPS", help="Added to variances; the paper has none: 0."
        ),
    ] = 0.0,
    seed: Annotated[int, options.OPTIONS["seed"]] = 0,
    format_: Annotated[str, options.OPTIONS["format"]] = "table",
) -> None:
    """Compute table 1: which normalization is invariant under which change, beside the paper's."""
    from lnbench.paper.invariance import EXACT, table

    formats.check_format(format_)
    _check_eps(eps)
    cells = table(eps, seed)
    formats.show_view(_invariance_view(cells, EXACT), format_)
    agree = sum(cell.agrees for cell in cells)
    typer.echo(f"{agree} of {len(cells)} cells agree with the paper", err=True)
    if agree < len(cells):
        raise typer.Exit(ExitCode.FAILED)


def _check_eps(eps: float) -> None:
    if not eps <= MOST_EPS:
        raise ConfigError(
            f"--eps: {eps:g} is above {MOST_EPS:g}", "beside such an eps no change is small"
        )


def _invariance_view(cells: Sequence[Any], exact: float) -> View:
    words = {True: "invariant", False: "changes"}.__getitem__
    columns = (
        Column("normalization", attrgetter("normalization"), key="normalization", right=False),
        Column("transformation", attrgetter("transformation"), key="transformation", right=False),
        Column("paper", attrgetter("paper"), words, key="paper", right=False),
        Column("here", attrgetter("measured"), words, key="measured", right=False),
        Column(
            "largest change", attrgetter("max_change"), "{:.1e}".format, "max_change", right=False
        ),
        Column("", lambda cell: _remark(cell, exact), right=False),
    )
    return View((), (sheet("", columns, cells),), {"rows": objects(columns, cells)})


def _remark(cell: Any, exact: float) -> str:
    if not cell.agrees:
        return "DISAGREES"
    return "broken by eps" if cell.measured and cell.max_change > exact else ""


@paper_app.command("train")
@options.command(**training_options.OPTIONS)
def train_command(flags: TrainFlags) -> None:
    """Train small nets with and without normalization: loss against steps and against seconds."""
    from lnbench.cli.live import Line

    formats.check_format(flags.format)
    with Line(quiet=flags.quiet) as line:
        from lnbench.cli import progress
        from lnbench.paper import view
        from lnbench.paper.data import load

        training.check(flags)
        learned = load(flags.data)
        runs, notes = training.planned(flags, learned)
        head = training.new_report(flags, learned, runs, notes)
        output = flags.report or training.default_path(flags.resume)
        path = progress.report_path(output, flags.resume, force=flags.force)
        begun = training.begun(flags.resume, head)
        trained, interrupted = training.take(begun, learned, path, line)
    if not flags.quiet:
        formats.show_view(view.training_view(trained), flags.format)
        typer.echo(f"report: {path}", err=True)
        training.say_how_long(trained, learned)
    if flags.plot is not None:
        formats.plot(view.training_view(trained), flags.plot)
    if interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
