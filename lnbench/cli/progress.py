"""How far a session is, on stderr; drawn only when the session speaks, never while it samples."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import typer

from lnbench.errors import ConfigError
from lnbench.plan.flags import SessionFlags
from lnbench.record import files, report
from lnbench.record.busy import Watch, together
from lnbench.record.report import Report
from lnbench.session import resume, session
from lnbench.session.selection import Selection
from lnbench.session.session import Progress
from lnbench.session.stopping import Stopping
from lnbench.units import format_duration


def follow(
    selected: Selection, stopping: Stopping, begun: Report, flags: SessionFlags, again: str
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
    """
    path = report_path(flags.report, flags.resume, force=flags.force)
    steps = session.run(
        selected.groups,
        selected.interpreters,
        selected.setting,
        stopping,
        spawn=selected.spawn,
        unable=selected.unable,
        resume=begun.outcomes,
    )
    made, started, watch = begun, time.monotonic(), Watch()
    try:
        with ProgressLine(quiet=flags.quiet) as line:
            for step in steps:
                outcomes = resume.kept(begun.outcomes, step.outcomes)
                busy = together((begun.busy, watch.look()))
                made = msgspec.structs.replace(begun, outcomes=outcomes, busy=busy)
                report.write(made, path)
                line.show(step, time.monotonic() - started)
    except KeyboardInterrupt:
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


class ProgressLine:
    """One line with a bar on a terminal, one line a pass elsewhere, nothing where quiet."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self._console = Console(stderr=True)
        self._quiet = quiet
        self._passes = 0
        self._bar: Bar | None = None
        if not quiet and self._console.is_terminal and not os.environ.get("CI"):
            columns = (BarColumn(bar_width=16), TextColumn("{task.description}", markup=False))
            self._bar = Bar(*columns, console=self._console, auto_refresh=False, transient=True)
            self._task = self._bar.add_task("starting", total=1.0)

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._bar is not None:
            self._bar.start()
            self._bar.refresh()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing on the screen."""
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: Progress, elapsed_s: float) -> None:
        """Draw where the session is."""
        rows = f"{progress.done} of {progress.total} rows done"
        left = f"about {format_duration(progress.left_s)} left"
        if self._bar is not None:
            text = "loading backends and warming up the compiler, once"
            if progress.case is not None:
                text = f"pass {progress.passes} · {rows} · {left} · {progress.case.id}"
            share = elapsed_s / max(elapsed_s + progress.left_s, 1e-9)
            self._bar.update(
                self._task, completed=share, description=text[: self._console.width - 20]
            )
            self._bar.refresh()
        elif not self._quiet and progress.passes > self._passes and progress.case:
            self._passes = progress.passes
            self._console.print(f"pass {progress.passes} · {rows} · {left}", highlight=False)


class TrainingLine(ProgressLine):
    """The same of nets that are trained: one line a run where there is no terminal."""

    def show_run(self, words: str, number: int, count: int, done: float, elapsed_s: float) -> None:
        """Draw which run of how many is on its way, and the share of all that is done."""
        left = (
            f"about {format_duration(elapsed_s / done - elapsed_s)} left" if done else "beginning"
        )
        text = f"run {number} of {count} · {left} · {words}"
        if self._bar is not None:
            self._bar.update(
                self._task, completed=done, description=text[: self._console.width - 20]
            )
            self._bar.refresh()
        elif not self._quiet and number > self._passes:
            self._passes = number
            self._console.print(text, highlight=False)
