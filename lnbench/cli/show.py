"""`lnbench show`: the tables again, from the file."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from lnbench.cli import formats, options, paths
from lnbench.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from lnbench.record.report import ComparisonReport, Report
    from lnbench.render.sheet import View


_OF_RUNS = ("by", "relative_to", "columns", "explain", "summary")
"""Flags that say nothing about nets."""

_PLOT = typer.Option(
    envvar="LNBENCH_PLOT",
    help="Write a picture of --metric (time, bandwidth, copy), .svg, .png or .pdf.",
    show_default=False,
)

_EXPLAIN = typer.Option(
    "--explain",
    envvar="LNBENCH_EXPLAIN",
    help="Show where the noise of each row comes from, and what would narrow it.",
)


def show_command(
    reports: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[report]...",
            help="Reports of run, ab or paper train, one or several; of a folder, and of reports/ "
            "where nothing is said, the newest.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[str, options.OPTIONS["by"]] = "",
    metric: Annotated[str, options.OPTIONS["metric"]] = "time",
    relative_to: Annotated[str | None, options.OPTIONS["relative_to"]] = None,
    columns: Annotated[str, options.OPTIONS["columns"]] = "",
    wide: Annotated[bool, options.OPTIONS["wide"]] = False,
    summary: Annotated[bool, options.OPTIONS["summary"]] = False,
    explain: Annotated[bool, _EXPLAIN] = False,
    format_: Annotated[str, options.OPTIONS["format"]] = "table",
    output: Annotated[Path | None, formats.FILE] = None,
    plot: Annotated[Path | None, _PLOT] = None,
) -> None:
    """Show the tables of a report again, or one metric by backend, shape or dtype."""
    formats.check_format(format_)
    _check_table(by, metric, columns, explain=explain)
    pages: list[View] = []
    print_ = partial(formats.show_view, format_=format_, output=output)
    put = pages.append if format_ == "html" else print_
    how = (by, metric, relative_to, columns, wide, summary, explain, format_, output, plot, put)
    asked = _Asked(*how)
    if by == MACHINE:
        _show_machines(reports or ["reports"], asked)
        return
    chosen = list(_chosen(reports or ["reports"]))
    if len(chosen) > 1:
        _check_several(plot=plot, json=format_ == "json", output=output and format_ != "html")
    formats.check_files(chosen, output=output, plot=plot)
    _show_all(chosen, asked)
    if pages:
        _write(pages, output)


def _write(pages: "Sequence[View]", output: Path | None) -> None:
    from lnbench.render.page import page

    formats.write(page(pages), output)


MACHINE = "machine"
"""The axis that several reports have."""


class _Asked(NamedTuple):
    """How a report is wanted."""

    by: str
    metric: str
    relative_to: str | None
    columns: str
    wide: bool
    summary: bool
    explain: bool
    format: str
    output: Path | None
    plot: Path | None
    put: "Callable[[View], None]"
    """What takes the tables."""


def _chosen(names: list[str]) -> Iterator[Path]:
    """Yield the reports that are meant; of a folder the newest."""
    for name in names:
        if paths.is_folder(name) or names == ["reports"]:
            path = paths.newest(Path(name))
            typer.echo(f"the newest of {name}: {path}", err=True)
            yield path
        else:
            yield from paths.named(name)


def _show_all(chosen: Sequence[Path], asked: _Asked) -> None:
    """Show reports one after the other."""
    for number, path in enumerate(chosen):
        if len(chosen) > 1:
            if number and asked.format != "html":
                typer.echo()
            typer.echo(f"{path}:", err=True)
        _show(path, asked)


def _show(path: Path, asked: _Asked) -> None:
    from lnbench.cli.again import say_fitness
    from lnbench.judge.fitness import shortfall
    from lnbench.paper import report as training
    from lnbench.record import report
    from lnbench.render.columns import COLUMNS
    from lnbench.render.sheet import Choice

    if training.is_training(path):
        flags = {name: getattr(asked, name) for name in _OF_RUNS}
        _refuse(path, metric=asked.metric != "time", **flags)
        _show_training(path, asked)
        return
    kept = report.read(path)
    if asked.explain:
        _explain(kept, asked)
    elif isinstance(kept, report.ComparisonReport):
        _show_comparison(kept, asked)
    else:
        tables = formats.view(
            kept,
            asked.format,
            asked.relative_to,
            asked.by,
            asked.metric,
            only_summary=asked.summary,
            choice=Choice.of(asked.columns, COLUMNS, wide=asked.wide),
        )
        if tables is not None:
            asked.put(tables)
        say_fitness(kept, path, shortfall(kept), kept.tool.arguments)
        if asked.plot is not None:
            from lnbench.judge.summary import rows
            from lnbench.render.rows import report_view

            formats.plot(report_view(kept, rows(kept)), asked.plot, asked.metric)


def _show_training(report: Path, asked: _Asked) -> None:
    from lnbench.paper import report as training
    from lnbench.paper.view import training_view

    tables = training_view(training.read(report))
    asked.put(tables)
    if asked.plot is not None:
        formats.plot(tables, asked.plot)


def _show_comparison(report: "ComparisonReport", asked: _Asked) -> None:
    from lnbench.cli import diff
    from lnbench.judge.paired import compare_sides
    from lnbench.render.diff_view import diff_view

    changes = compare_sides(report)
    choice = diff.chosen(asked.columns, wide=asked.wide)
    if asked.format == "html":
        asked.put(diff_view(changes, choice))
    else:
        diff.show(changes, asked.format, output=asked.output, choice=choice)
    if asked.plot is not None:
        formats.plot(diff_view(changes), asked.plot)


def _show_machines(names: Sequence[str], asked: _Asked) -> None:
    """Show the rows of all reports with a line a kind of machine."""
    metric, plot = asked.metric != "time" and "metric", asked.plot and "plot"
    relative = asked.relative_to and "relative-to"
    for flag in filter(None, (metric, relative, asked.summary and "summary", plot)):
        raise ConfigError(f"--{flag} says nothing of --by machine", "leave one of them out")
    from lnbench.record.medians import read_medians
    from lnbench.record.report import BenchmarkReport
    from lnbench.render.machines import machines_view

    files = [path for name in names for path in paths.named(name)]
    kept = [report for path in files if isinstance(report := read_medians(path), BenchmarkReport)]
    if not kept:
        raise ConfigError("--by machine: these are no reports of run", "name a folder of them")
    formats.check_files(files, asked.output)
    formats.show_view(machines_view(kept), asked.format, asked.output)


def _check_several(**flags: object) -> None:
    """Raise ConfigError for a flag that several reports cannot be shown with."""
    for name, value in flags.items():
        if value:
            flag = "--format json" if name == "json" else f"--{name}"
            raise ConfigError(f"{flag} shows one report", "call it once for each")


def _check_table(by: str, metric: str, columns: str, *, explain: bool) -> None:
    """Raise ConfigError where an axis or metric is none, or a table has columns of its own."""
    from lnbench.render.columns import METRICS
    from lnbench.render.rows import AXES

    if by and by not in (*AXES, MACHINE):
        raise UnknownNameError("axis", by, (*AXES, MACHINE), "--by")
    if metric not in METRICS:
        raise UnknownNameError("metric", metric, METRICS, "--metric")
    for name, value in {"by": by, "metric": metric != "time", "explain": explain}.items():
        if columns and value:
            raise ConfigError(f"--columns: --{name} has its own columns", "leave one of them out")


def _explain(report: "Report", asked: _Asked) -> None:
    """Print where the noise of each row of a report comes from."""
    from lnbench.judge import noise
    from lnbench.render.noise import noise_view

    rows = noise.explain(report)
    if rows or asked.format == "json":
        asked.put(noise_view(report, rows))
    else:
        typer.echo("the report holds no row that was measured", err=True)


def _refuse(report: Path, **flags: object) -> None:
    """Raise ConfigError for a flag that says nothing about nets."""
    for name, value in flags.items():
        if value:
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{flag}: {report} is a report of training", "leave the flag out")
