"""What commands print: data to stdout in the format asked for, everything else to stderr."""

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lnbench.errors import ConfigError, UnknownNameError
from lnbench.render.forms import FORMS

if TYPE_CHECKING:
    from lnbench.record.report import Report
    from lnbench.render.forms import Form
    from lnbench.render.sheet import Choice, View
    from lnbench.session.check import BenchmarkCheck
    from lnbench.session.selection import Selection

_ENDLESS = 10_000
"""Columns of what is no terminal: a pipe and a file get all that there is."""

FILE = typer.Option(
    "--output",
    "-o",
    envvar="LNBENCH_OUTPUT",
    help="A file to write to in place of the screen, such as page.html.",
    show_default=False,
)
"""`--output` of the commands that read reports."""


def check_format(name: str) -> str:
    """Return the format if it is one; UnknownNameError with the near name where not."""
    if name not in FORMS:
        raise UnknownNameError("format", name, FORMS, "--format")
    if name == "html":
        from lnbench.render import picture

        picture.require()
    return name


def show_view(view: "View", format_: str, output: Path | None = None) -> None:
    """Print a view in one of its forms, or put it into a file."""
    write(FORMS[format_](view), output)


def write(form: "Form", output: Path | None = None) -> None:
    """Print text as it is, and what a terminal lays out by rich; or put it into a file."""
    if not isinstance(form, str):
        from rich.console import Console

        piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
        if output is None:
            width = _ENDLESS if piped else None
            Console(width=width, highlight=False).print(form, crop=False)
            return
        text = io.StringIO()
        Console(file=text, width=_ENDLESS, highlight=False).print(form)
        form = text.getvalue()
    if output is None:
        typer.echo(form, nl=False)
    else:
        from lnbench.record import files

        files.replace(output, form.encode())
        typer.echo(f"written: {output}", err=True)


def check_files(
    reports: Sequence[Path],
    output: Path | None = None,
    plot: Path | None = None,
    badge: Path | None = None,
) -> None:
    """Raise ConfigError or ReportError where a file cannot be written, or is a report itself."""
    from lnbench.record import files
    from lnbench.render import picture

    read = {report.resolve() for report in reports}
    for flag, path in {"--output": output, "--plot": plot, "--badge": badge}.items():
        if path is not None and path.resolve() in read:
            raise ConfigError(f"{flag}: {path} is a report that is read", "choose another name")
    picture.check(plot)
    for path in filter(None, (output, badge)):
        files.prepare(path, force=True)


def plot(view: "View", path: Path, kind: str = "") -> None:
    """Write the figures of a view that are of a kind, or all, as one picture."""
    from lnbench.render import picture

    picture.save(view, path, kind)
    typer.echo(f"picture: {path}", err=True)


def view(
    report: "Report",
    format_: str,
    relative_to: str | None = None,
    by: str = "",
    metric: str = "time",
    *,
    only_summary: bool = False,
    choice: "Choice | None" = None,
) -> "View | None":
    """Return the tables of a report, or who is fastest alone; None where nothing is to be shown."""
    from lnbench.judge import summary
    from lnbench.render.answer import summary_view
    from lnbench.render.rows import report_view

    beside = relative_to or usual(report)
    if only_summary:
        return summary_view(report, beside)
    rows = summary.rows(report, beside) if report.outcomes else ()
    if not rows:
        typer.echo("the report holds no results yet", err=True)
    elif relative_to is not None and all(row.speedup is None for row in rows):
        typer.echo(f"{relative_to} was not measured: there are no speedups against it", err=True)
    if rows or format_ == "json":
        return report_view(report, rows, by, metric, beside, choice)
    return None


def usual(report: "Report") -> str | None:
    """Return what speedups are against where nobody says: eager, where it was measured."""
    names = {outcome.benchmark.backend for outcome in report.outcomes}
    return "torch-eager" if "torch-eager" in names else None


def show_checks(checks: "Sequence[BenchmarkCheck]", format_: str) -> None:
    """Print verdicts and errors, and to stderr what was wrong on which inputs."""
    from lnbench.render.checks import check_view, words
    from lnbench.units import one_line

    show_view(check_view(checks), format_)
    for check in checks:
        for text in words(check):
            typer.echo(one_line(f"{check.benchmark.id}: {text}"), err=True)


def dry_run(selected: "Selection") -> None:
    """Print what would run, to stdout, and about how long, to stderr."""
    from lnbench.record.outcome import Skipped
    from lnbench.units import format_duration, one_line

    unable = {outcome.benchmark: outcome for outcome in selected.unable}
    for group in selected.groups:
        if reason := selected.setting.fit(group[0].benchmark.case, len(group)).reason:
            large = (row.benchmark for row in group if row.benchmark not in unable)
            unable |= {row: Skipped.of(row, reason=reason) for row in large}
    able = [group for group in selected.groups if not any(row.benchmark in unable for row in group)]
    budget = selected.setting.budget
    longest_s = budget.max_time_s or float("inf")
    if selected.sides:
        for group in selected.groups:
            typer.echo(" against ".join(dict.fromkeys(row.benchmark.id for row in group)))
        count, total = len(able), len(selected.groups)
        time = f"at most about {format_duration(min(count * budget.time_s, longest_s))}"
    else:
        rows = [benchmark for benchmark in selected.benchmarks if benchmark not in unable]
        for benchmark in rows:
            typer.echo(benchmark.id)
        for outcome in unable.values():
            why = outcome.reason if isinstance(outcome, Skipped) else outcome.error
            typer.echo(f"cannot run here: {outcome.benchmark.id}: {one_line(why)}", err=True)
        count, total = len(rows), len(selected.benchmarks)
        # A small row takes its forks and ten samples; a large one its time, which is of samples.
        least_s, most_s = count * budget.passes * 0.15, count * budget.time_s
        longest = format_duration(min(max(least_s, most_s), longest_s))
        time = f"between {format_duration(min(least_s, most_s))} and about {longest}"
    typer.echo(f"{count} of {total} rows can run here; {time}", err=True)
