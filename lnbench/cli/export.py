"""`lnbench export`: a report in the format of another tool."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from lnbench.cli import completion, paths
from lnbench.errors import ConfigError, NothingMeasuredError, ReportError, UnknownNameError
from lnbench.plan.overrides import globs

if TYPE_CHECKING:
    from lnbench.export.entry import Entry
    from lnbench.export.formats import Format
    from lnbench.record.outcome import SideName

SIDES = ("baseline", "candidate")


def _formats(incomplete: str) -> list[str]:
    from lnbench.export.formats import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


_REPORTS = typer.Argument(
    metavar="report",
    help="A report of run or ab; for csv, parquet and otava several, or a folder.",
)
_FORMAT = typer.Option(
    "--format",
    envvar="LNBENCH_FORMAT",
    help="csv, parquet, bmf (Bencher), github-action-benchmark, pyperf, pytest-benchmark, "
    "google-benchmark, otava, junit or openmetrics.",
    autocompletion=_formats,
)
_OUTPUT = typer.Option(
    "--output",
    "-o",
    envvar="LNBENCH_OUTPUT",
    help="The file; without it, the terminal.",
    show_default=False,
)
_SIDE = typer.Option(
    "--side",
    envvar="LNBENCH_SIDE",
    help="Of a report of ab, only the rows of its baseline or candidate, under names that two "
    "exports share.",
    show_default=False,
    autocompletion=completion.among(*SIDES),
)
_FILTER = typer.Option(
    "--filter",
    envvar="LNBENCH_FILTER",
    help="Keep only rows whose id holds a word or fits a glob: numpy, '*/bfloat16/*'.",
    show_default=False,
)
_FORCE = typer.Option("--force", envvar="LNBENCH_FORCE", help="Write over an existing file.")


def export_command(
    reports: Annotated[list[str], _REPORTS],
    format_: Annotated[str, _FORMAT],
    output: Annotated[Path | None, _OUTPUT] = None,
    side: Annotated[str, _SIDE] = "",
    filters: Annotated[list[str] | None, _FILTER] = None,
    force: Annotated[bool, _FORCE] = False,
) -> None:
    """Write a report in the format of another tool."""
    from lnbench.export.formats import FORMATS
    from lnbench.record import files

    if format_ not in FORMATS:
        raise UnknownNameError("format", format_, FORMATS, "--format")
    if side and side not in SIDES:
        raise UnknownNameError("side", side, SIDES, "--side")
    if format_ == "parquet" and output is None and sys.stdout.isatty():
        raise ConfigError("--format parquet is not text for a terminal", "name a file with -o")
    named = [path for text in reports for path in paths.named(text)]
    asked = _Asked(format_, FORMATS[format_], side, globs(filters or []))  # type: ignore[arg-type]
    data = _exported(named, asked)
    if output is None:
        typer.echo(data, nl=False)
    else:
        files.prepare(output, force=force)
        files.replace(output, data)


class _Asked(NamedTuple):
    """What is wanted of the reports."""

    name: str
    format: "Format"
    side: "SideName"
    filters: tuple[str, ...]


def _exported(named: list[Path], asked: _Asked) -> bytes:
    """Return the file; to stderr what there is no place for in it."""
    if len(named) > 1 and not asked.format.several:
        raise ConfigError(
            f"--format {asked.name} holds one report, and these are {len(named)}",
            "export one at a time; csv, parquet and otava hold several",
        )
    rows = [row for path in named for row in _rows(path, asked)]
    left_out = [] if asked.format.unmeasured else [row for row in rows if row.time is None]
    _say(left_out, asked.name)
    if len(rows) == len(left_out):
        what = "row with a time" if rows else "row that is asked for"
        raise NothingMeasuredError(f"{', '.join(map(str, named))}: there is no {what}")
    try:
        return asked.format.export(rows)
    except OverflowError:
        raise ReportError(
            f"{', '.join(map(str, named))}: a number is too large for {asked.name}",
            "the file was changed by hand or comes from elsewhere; measure again, or mend it",
        ) from None


def _say(left_out: "list[Entry]", name: str) -> None:
    """Print to stderr which rows are not in the file, and why they have no time."""
    from lnbench.plan.case import shape_text
    from lnbench.render.notes import said_once

    about = [(row.outcome.backend, shape_text(row.outcome.shape)) for row in left_out]
    texts = (f"{row.kind}: {row.reason}" for row in left_out)
    if left_out:
        typer.echo(f"rows without a time, for which {name} has no place:", err=True)
    for line in said_once((text, *names) for text, names in zip(texts, about, strict=True)):
        typer.echo(f"- {line}", err=True)


def _rows(path: Path, asked: _Asked) -> "list[Entry]":
    from lnbench.export.entry import entries
    from lnbench.record import report

    kept = report.read(path)
    if asked.side and not isinstance(kept, report.ComparisonReport):
        raise ConfigError(f"--side: {path} has no sides", "leave the flag out")
    rows = entries(kept, asked.side)
    return [row for row in rows if row.outcome.benchmark.fits(asked.filters)]
