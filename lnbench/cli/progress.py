"""How far a session is, on stderr; drawn only when the session speaks, never while it samples."""

import os
from types import TracebackType
from typing import Self

from lnbench.measure.session import Progress
from lnbench.units import format_duration


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
