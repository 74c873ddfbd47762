"""How far a session is, on stderr; nothing is drawn while it samples."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer

from lnbench.cli import formats
from lnbench.cli.live import Line
from lnbench.errors import ConfigError
from lnbench.judge import summary
from lnbench.judge.paired import compare_sides
from lnbench.plan.flags import SessionFlags
from lnbench.record import files, report
from lnbench.record.busy import Watch, together
from lnbench.record.report import BenchmarkReport, Report
from lnbench.render.diff_table import standing
from lnbench.render.rows import report_view
from lnbench.render.table import view_table
from lnbench.session import resume, session
from lnbench.session.selection import Selection
from lnbench.session.session import Progress
from lnbench.session.stopping import Stopping
from lnbench.units import format_duration

if TYPE_CHECKING:
    from rich.console import RenderableType

_TABLE_HEIGHT = 24
"""Lines from which on a terminal has room for the rows that were just measured."""

_SILENCE_S = 10.0
"""Seconds after which a pass that is not over says how far it is, where no terminal is."""


def follow(
    selected: Selection,
    stopping: Stopping,
    begun: Report,
    flags: SessionFlags,
    again: str,
    line: Line,
) -> tuple[Report, Path, bool]:
    """Measure; return the report, its path, and whether Ctrl-C cut it short.

    The report is on disk after every step of the session.

    Args:
        selected: what to measure.
        stopping: when a group has had enough.
        begun: the report to go on with.
        flags: where the report goes, and whether progress is shown.
        again: what to call for the rest after Ctrl-C, without the path that it ends with; empty
            where nothing can be called.
        line: where progress is shown.
    """
    path = report_path(flags.report, flags.resume, force=flags.force)
    groups, interpreters, how = selected.groups, selected.interpreters, selected.setting
    known = {"unable": selected.unable, "resume": begun.outcomes}
    steps = session.run(groups, interpreters, how, stopping, spawn=selected.spawn, **known)
    made, watch, shown = begun, Watch(), Steps(line)
    try:
        for step in steps:
            outcomes = resume.kept(begun.outcomes, step.outcomes)
            busy = together((begun.busy, watch.look()))
            made = msgspec.structs.replace(begun, outcomes=outcomes, busy=busy)
            report.write(made, path)
            shown.show(step, made)
    except KeyboardInterrupt:
        line.end()
        report.write(made, path)  # Ctrl-C may have come in the middle of writing
        if again:
            typer.echo(f"{again} --resume {path}", err=True)
        return made, path, True
    return made, path, False


def report_path(output: Path | None, resumed: Path | None, *, force: bool) -> Path:
    """Return where the report goes, after making sure that it can be written."""
    if resumed is not None and output not in (None, resumed):
        raise ConfigError("--resume goes on in place and takes no --output")
    path = resumed or output or report.default_path(datetime.now(UTC))
    files.prepare(path, force=force or resumed is not None)
    return path


class Steps:
    """How far a session is: on a terminal in the line, elsewhere a line a pass, or ten seconds."""

    def __init__(self, line: Line) -> None:
        self._line, self._passes, self._started = line, 0, time.monotonic()
        self._said_s = self._started

    def show(self, step: Progress, made: Report) -> None:
        """Show where the session is."""
        rows, left = f"{step.done}/{step.total} rows", format_duration(step.left_s)
        words = f"pass {step.passes} · {rows} · {left} left"
        line = self._line
        if line.live is not None:
            if step.case is None:
                return
            elapsed_s = time.monotonic() - self._started
            line.where, line.tail = words, step.case.id
            line.share = elapsed_s / max(elapsed_s + step.left_s, 1e-9)
            if line.console.height >= _TABLE_HEIGHT:
                line.above = _standing(made, step)
            line.draw()
        elif step.case and (step.passes > self._passes or self._silent_s > _SILENCE_S):
            self._passes, self._said_s = step.passes, time.monotonic()
            line.say(words)

    @property
    def _silent_s(self) -> float:
        return time.monotonic() - self._said_s


def _standing(made: Report, step: Progress) -> "RenderableType | None":
    """Return how the rows of the case that was just measured stand, or its pairs."""
    rows = [outcome for outcome in made.outcomes if outcome.benchmark.case == step.case]
    if not rows:
        return None
    part = msgspec.structs.replace(made, outcomes=tuple(rows))
    if not isinstance(part, BenchmarkReport):
        return standing(compare_sides(part))
    beside = formats.usual(part)
    view = report_view(part, summary.rows(part, beside), "", "time", beside)
    sheets = (msgspec.structs.replace(each, notes=(), answer=()) for each in view.sheets)
    return view_table(msgspec.structs.replace(view, head=(), sheets=tuple(sheets)))
