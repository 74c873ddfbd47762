"""`lnbench history`: how each row went over the reports of many commits."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer

from lnbench.cli import completion, formats, options, paths
from lnbench.errors import ConfigError, NothingMeasuredError, ReportError, UnknownNameError
from lnbench.plan.flags import HistoryFlags
from lnbench.plan.overrides import globs

if TYPE_CHECKING:
    from lnbench.judge.reading import Reading

ORDERS = ("commit", "date")
BADGES = (".svg", ".json")


@options.command(
    reports=typer.Argument(
        metavar="[report]...", help=f"{paths.NAMES.capitalize()}.", show_default="reports/"
    ),
    filter=typer.Option(
        "--filter",
        envvar="LNBENCH_FILTER",
        help="Show only benchmarks whose id holds a word or fits a glob: numpy, '*/bfloat16/*'; "
        "copy comes along.",
        show_default=False,
    ),
    since=typer.Option(
        envvar="LNBENCH_SINCE",
        help="Begin with this commit, tag or branch; reports of no known commit are left out.",
        show_default=False,
    ),
    order=typer.Option(
        "--by",
        envvar="LNBENCH_BY",
        help="Order of the reports: commit (git log --topo-order, dates where git does not know "
        "it) or date.",
        autocompletion=completion.among(*ORDERS),
    ),
    badge=typer.Option(
        envvar="LNBENCH_BADGE",
        help="Write what changed last as a badge: .svg, or .json for a shields.io endpoint.",
        show_default=False,
    ),
    report=formats.FILE,
)
def history_command(flags: HistoryFlags) -> None:
    """Show how each row went over many reports, and at which commits it is shown to have changed.

    Reports of another machine, device, torch or number of threads are a line of their own.
    """
    from lnbench.judge.history import history
    from lnbench.record import files
    from lnbench.render.badge import badge
    from lnbench.render.history import BARS, history_view

    _check(flags)
    names = flags.reports or ["reports"]
    chosen = [path for name in names for path in paths.named(name)]
    formats.check_files(chosen, flags.report, badge=flags.badge)
    _check_folders(names, flags)
    readings = list(_filtered(_readings(chosen), globs(flags.filter)))
    shown = history(_ordered(readings, flags))
    if not any(line.rows for line in shown.lines):
        raise NothingMeasuredError("no report has a row to show", "see --filter and --since")
    view = history_view(shown, bars=BARS if flags.report else _bars())
    formats.show_view(view, flags.format, flags.report)
    if flags.badge is not None:
        files.replace(flags.badge, badge(shown, flags.badge.suffix).encode())


def in_order(readings: "Iterable[Reading]", places: Mapping[str, int]) -> "list[Reading]":
    """Return readings in the order of their commits; each other one follows what was made before.

    Args:
        readings: in any order.
        places: of commits, the oldest first; empty to go by date alone.
    """
    by_date = sorted(readings, key=lambda reading: reading.created)
    known = [reading for reading in by_date if reading.commit.rstrip("+") in places]
    known.sort(key=lambda reading: places[reading.commit.rstrip("+")])
    for reading in by_date:
        if reading.commit.rstrip("+") not in places:
            older = (i for i, other in enumerate(known, 1) if other.created <= reading.created)
            known.insert(max(older, default=0), reading)
    return known


def _check(flags: HistoryFlags) -> None:
    formats.check_format(flags.format)
    if flags.order not in ORDERS:
        raise UnknownNameError("order", flags.order, ORDERS, "--by")
    if flags.badge is not None and flags.badge.suffix not in BADGES:
        raise ConfigError(f"--badge {flags.badge} is neither .svg nor .json", "name such a file")


def _check_folders(names: Iterable[str], flags: HistoryFlags) -> None:
    """Raise ConfigError where what is written would be read as a report the next time."""
    folders = {Path(name).resolve() for name in names if paths.is_folder(name)}
    for flag, path in {"--output": flags.report, "--badge": flags.badge}.items():
        if path is not None and path.suffix == ".json" and path.resolve().parent in folders:
            raise ConfigError(
                f"{flag}: every .json in {path.parent} is read as a report",
                f"put {path.name} into another folder",
            )


def _readings(chosen: Iterable[Path]) -> "Iterator[Reading]":
    """Yield what is kept of each report, once each; those of other kinds are left out."""
    from lnbench.judge.reading import condense
    from lnbench.paper.report import is_training
    from lnbench.record.medians import read_medians
    from lnbench.record.report import BenchmarkReport

    others = 0
    for path in dict.fromkeys(path.resolve() for path in chosen):
        try:
            report = read_medians(path)
        except ReportError:
            if not is_training(path):
                raise
            others += 1
            continue
        if isinstance(report, BenchmarkReport):
            yield condense(report)
        else:
            others += 1
    if others:
        typer.echo(f"left out: {others} reports that are not of 'lnbench run'", err=True)


def _filtered(readings: "Iterable[Reading]", wanted: Sequence[str]) -> "Iterator[Reading]":
    """Yield readings with the rows whose id fits a glob, and the copies, which judge them."""
    from lnbench.registry import SPEED_LIMIT

    for reading in readings:
        fit = {key for key, (row, *_) in reading.rows.items() if row.fits(wanted)}
        cases = {reading.rows[key][0].case for key in fit}
        rows = {
            key: row
            for key, row in reading.rows.items()
            if key in fit or (row[0].backend == SPEED_LIMIT and row[0].case in cases)
        }
        yield msgspec.structs.replace(reading, rows=rows) if wanted else reading


def _ordered(readings: "Sequence[Reading]", flags: HistoryFlags) -> "list[Reading]":
    """Return readings in the order asked for, from the commit asked for on."""
    from lnbench.record.revision import commits

    places = commits(flags.since)
    if flags.since:
        readings = [one for one in readings if one.commit.rstrip("+") in places]
    elif flags.order == "commit":
        unknown = sum(reading.commit.rstrip("+") not in places for reading in readings)
        if unknown:
            said = f"{unknown} of {len(readings)} reports are ordered by date"
            typer.echo(f"{said}: git does not know their commits here", err=True)
    return in_order(readings, places if flags.order == "commit" else {})


def _bars() -> str:
    """Return the signs of a sparkline, lowest first, as stdout can show them."""
    from lnbench.render.history import ASCII_BARS, BARS

    try:
        BARS.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return ASCII_BARS
    return BARS
