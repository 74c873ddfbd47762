"""What commands print: data to stdout in the format asked for, everything else to stderr."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from lnbench.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from lnbench.cli.selection import Chosen
    from lnbench.measure.inspection import Checked
    from lnbench.measure.probe import Machine
    from lnbench.record.report import Report
    from lnbench.record.training import Training
    from lnbench.render.sheet import Sheet

FORMATS = ("table", "markdown", "json")


def check_format(name: str) -> str:
    """Return the format if it is one; UnknownNameError with the near name where not."""
    if name not in FORMATS:
        raise UnknownNameError("format", name, FORMATS, "--format")
    return name


def check_pivot(by: str, metric: str) -> None:
    """Raise UnknownNameError where an axis or metric of `show` is none."""
    from lnbench.render.facts import METRICS
    from lnbench.render.pivot import AXES

    if by and by not in AXES:
        raise UnknownNameError("axis", by, AXES, "--by")
    if metric not in METRICS:
        raise UnknownNameError("metric", metric, METRICS, "--metric")


def show(
    report: "Report",
    format_: str,
    *,
    relative_to: str | None = None,
    by: str = "",
    metric: str = "time",
) -> None:
    """Print the tables of a report."""
    from lnbench.judge import summary
    from lnbench.render.json import rows_json
    from lnbench.render.pivot import pivot_sheets
    from lnbench.render.rows import head_lines, report_sheets

    if not report.outcomes:
        typer.echo("the report holds no outcome yet", err=True)
        if format_ == "json":
            typer.echo("[]")
        return
    relative = relative_to or _usual(report)
    rows = summary.rows(report, relative)
    if relative_to is not None and all(row.speedup is None for row in rows):
        typer.echo(f"{relative_to} was not measured: there are no speedups against it", err=True)
    if format_ == "json":
        typer.echo(rows_json(rows), nl=False)
        return
    pivoted = by or (metric != "time" and "backend")
    sheets = pivot_sheets(rows, pivoted, metric) if pivoted else report_sheets(rows)
    show_sheets(sheets, format_, head=head_lines(report))


def explain(report: "Report", format_: str) -> None:
    """Print where the noise of each row of a report comes from."""
    from lnbench.judge import noise
    from lnbench.render.noise import noise_json, noise_sheets
    from lnbench.render.rows import head_lines

    rows = noise.explain(report)
    if format_ == "json":
        typer.echo(noise_json(rows, report.budget.precision), nl=False)
    elif not rows:
        typer.echo("the report holds no row that was measured", err=True)
    else:
        show_sheets(noise_sheets(rows, report.budget.precision), format_, head=head_lines(report))


def _usual(report: "Report") -> str | None:
    """Return what speedups are against where nobody says: eager, where it was measured."""
    names = {outcome.benchmark.backend for outcome in report.outcomes}
    return "torch-eager" if "torch-eager" in names else None


def show_rows(head: Sequence[str], rows: Sequence[Sequence[str]], format_: str) -> None:
    """Print plain rows under headings."""
    if format_ == "json":
        found = [dict(zip(head, row, strict=True)) for row in rows]
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    from lnbench.render.sheet import Column, Line, Sheet

    columns = tuple(Column(name, right=False) for name in head)
    show_sheets([Sheet("", columns, tuple(Line(tuple(row)) for row in rows))], format_)


def show_backends(machine: "Machine", owners: Mapping[str, str], format_: str) -> None:
    """Print every backend with its availability and the reason why not."""
    rows = [
        (
            each.backend,
            each.device,
            "yes" if each.available else "broken" if each.broken else "no",
            each.text,
            owners[each.backend],
        )
        for each in machine.backends
    ]
    show_rows(("backend", "device", "available", "why", "from"), rows, format_)


def show_training(training: "Training", format_: str) -> None:
    """Print what the curves of a training say."""
    from lnbench.render.training import head_line, training_json, training_sheets

    if format_ == "json":
        typer.echo(training_json(training), nl=False)
    else:
        show_sheets(training_sheets(training), format_, head=[head_line(training)])


def show_checks(checks: "Sequence[Checked]", format_: str) -> None:
    """Print what checking showed: verdicts, errors of every output, and what the bits depend on."""
    from lnbench.render.checks import check_sheets, checks_json, words

    if format_ == "json":
        typer.echo(checks_json(checks), nl=False)
    else:
        show_sheets(check_sheets(checks), format_)
    for each in checks:
        for word in words(each):
            typer.echo(f"{each.benchmark.id}: {word}", err=True)


def dry_run(chosen: "Chosen") -> None:
    """Print what would run, to stdout, and about how long, to stderr."""
    from lnbench.units import format_duration, one_line

    unable = {outcome.benchmark for outcome in chosen.unable}
    for benchmark in chosen.benchmarks:
        if benchmark not in unable:
            typer.echo(benchmark.id)
    for outcome in chosen.unable:
        why = getattr(outcome, "reason", "") or getattr(outcome, "error", "")
        typer.echo(f"cannot run here: {outcome.benchmark.id}: {one_line(why)}", err=True)
    rows = len(chosen.benchmarks) - len(chosen.unable)
    budget = chosen.setting.budget
    # A small row takes its forks and ten samples; a large one its time, which is that of samples.
    least, most = rows * budget.passes * 0.15, rows * budget.time_s
    longest = format_duration(min(max(least, most), budget.max_time_s or float("inf")))
    typer.echo(
        f"{rows} of {len(chosen.benchmarks)} rows can run here; "
        f"between {format_duration(min(least, most))} and about {longest}",
        err=True,
    )


def show_sheets(sheets: "Sequence[Sheet]", format_: str, head: Sequence[str] = ()) -> None:
    """Print sheets below lines of their own, on a terminal or as Markdown."""
    from lnbench.units import one_line

    if format_ == "markdown":
        from lnbench.render.markdown import sheets_markdown

        top = "  \n".join(map(one_line, head))
        typer.echo(f"{top}\n" if top else "")
        typer.echo(sheets_markdown(sheets), nl=False)
        return
    if format_ != "table":
        raise ConfigError(f"--format {format_} is not for this command")
    from rich.console import Console

    from lnbench.render.table import print_sheets

    console = Console(highlight=False)
    for line in head:
        console.print(one_line(line), markup=False)
    print_sheets(sheets, console)
