"""`lnbench show`: the tables again, from the file."""

from pathlib import Path
from typing import Annotated

import typer

from lnbench.cli import options
from lnbench.errors import ConfigError


def show_command(
    report: Annotated[Path, typer.Argument(help="A report of run, ab or paper train.")],
    by: options.By = "",
    metric: options.Metric = "time",
    relative_to: options.RelativeTo = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            envvar="LNBENCH_EXPLAIN",
            help="Show where the noise of each row comes from, and what would narrow it.",
        ),
    ] = False,
    format_: options.Format = "table",
) -> None:
    """Show the tables of a report again, or one metric by backend, shape or dtype."""
    from lnbench.cli import showing
    from lnbench.record import report as reports
    from lnbench.record import training

    showing.check_format(format_)
    showing.check_pivot(by, metric)
    if training.is_training(report):
        _refuse(report, by=by, metric=metric != "time", relative_to=relative_to, explain=explain)
        showing.show_training(training.read(report), format_)
        return
    found = reports.read(report)
    if explain:
        showing.explain(found, format_)
        return
    if found.kind == reports.COMPARISON:
        from lnbench.cli import judging
        from lnbench.judge.paired import compare_sides

        judging.show(compare_sides(found), format_)
        return
    showing.show(found, format_, relative_to=relative_to, by=by, metric=metric)


def _refuse(report: Path, **flags: object) -> None:
    """Raise ConfigError for a flag that says nothing about nets."""
    for name, given in flags.items():
        if given:
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{flag}: {report} is a report of training", "leave the flag out")
