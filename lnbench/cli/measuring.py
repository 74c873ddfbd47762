"""A session followed to its end: each of its outcomes on disk, its progress on the screen."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from lnbench.measure.session import Progress
    from lnbench.record.report import Report

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


def follow(
    session: "Iterable[Progress]", begun: "Report", path: Path, *, again: str, quiet: bool
) -> "tuple[Report, bool]":
    """Go on with a report as the session does; return it, and whether Ctrl-C cut it short.

    It is on disk after every step of the session.

    Args:
        session: what yields all outcomes so far.
        begun: the report to go on with.
        path: where it is kept.
        again: what to call for the rest after Ctrl-C, without the path that it ends with.
        quiet: whether no progress is shown.
    """
    import msgspec

    from lnbench.cli import resuming
    from lnbench.cli.progress import ProgressLine
    from lnbench.record import report

    made = begun
    started = time.monotonic()
    try:
        with ProgressLine(quiet=quiet) as line:
            for progress in session:
                outcomes = resuming.kept(begun.outcomes, progress.outcomes)
                made = msgspec.structs.replace(begun, outcomes=outcomes)
                report.write(made, path)
                line.show(progress, time.monotonic() - started)
    except KeyboardInterrupt:
        report.write(made, path)  # Ctrl-C may have come in the middle of writing
        typer.echo(f"{again} --resume {path}", err=True)
        return made, True
    return made, False
