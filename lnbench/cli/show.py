"""`lnbench show`: the tables again, from the file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lnbench.cli import formats, options
from lnbench.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from lnbench.record.report import Report


def show_command(
    report: Annotated[Path, typer.Argument(help="A report of run, ab or paper train.")],
    by: Annotated[str, options.OPTIONS["by"]] = "",
    metric: Annotated[str, options.OPTIONS["metric"]] = "time",
    relative_to: Annotated[str | None, options.OPTIONS["relative_to"]] = None,
    summary: Annotated[bool, options.OPTIONS["summary"]] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            envvar="LNBENCH_EXPLAIN",
            help="Show where the noise of each row comes from, and what would narrow it.",
        ),
    ] = False,
    format_: Annotated[str, options.OPTIONS["format"]] = "table",
) -> None:
    """Show the tables of a report again, or one metric by backend, shape or dtype."""
    from lnbench.cli.again import say_fitness
    from lnbench.judge.fitness import shortfall
    from lnbench.paper import report as training
    from lnbench.record import report as reports

    formats.check_format(format_)
    _check_pivot(by, metric)
    if training.is_training(report):
        flags = {"by": by, "relative_to": relative_to, "explain": explain, "summary": summary}
        _refuse(report, metric=metric != "time", **flags)
        _show_training(report, format_)
        return
    kept = reports.read(report)
    if explain:
        _explain(kept, format_)
    elif isinstance(kept, reports.ComparisonReport):
        from lnbench.cli import diff
        from lnbench.judge.paired import compare_sides

        diff.show(compare_sides(kept), format_)
    else:
        formats.show(kept, format_, relative_to, by, metric, only_summary=summary)
        say_fitness(kept, report, shortfall(kept), kept.tool.arguments)


def _show_training(report: Path, format_: str) -> None:
    from lnbench.paper import report as training
    from lnbench.paper.view import training_view

    formats.show_view(training_view(training.read(report)), format_)


def _check_pivot(by: str, metric: str) -> None:
    """Raise UnknownNameError where an axis or metric is none."""
    from lnbench.render.columns import METRICS
    from lnbench.render.rows import AXES

    if by and by not in AXES:
        raise UnknownNameError("axis", by, AXES, "--by")
    if metric not in METRICS:
        raise UnknownNameError("metric", metric, METRICS, "--metric")


def _explain(report: "Report", format_: str) -> None:
    """Print where the noise of each row of a report comes from."""
    from lnbench.judge import noise
    from lnbench.render.noise import noise_view

    rows = noise.explain(report)
    if rows or format_ == "json":
        formats.show_view(noise_view(report, rows), format_)
    else:
        typer.echo("the report holds no row that was measured", err=True)


def _refuse(report: Path, **flags: object) -> None:
    """Raise ConfigError for a flag that says nothing about nets."""
    for name, value in flags.items():
        if value:
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{flag}: {report} is a report of training", "leave the flag out")
