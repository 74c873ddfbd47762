"""The last lines of a terminal while a command works: what it does, for how long, how far it is."""

import os
import threading
from types import TracebackType
from typing import Self

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from lnbench import activity
from lnbench.units import format_duration, one_line

_PERIOD_S = 0.2
_BAR_WIDTH = 8
_LEAST_WIDTH = 8
"""Columns of what is being done, however narrow the terminal is."""


class Line:
    """Draws on a terminal several times a second, but while something is timed; elsewhere never.

    Args:
        quiet: draw nothing at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.quiet = quiet
        self.where = ""
        """How far the command is."""
        self.tail = ""
        """What may be cut off where the terminal is narrow."""
        self.share: float | None = None
        """The same as a share; None where that is not known yet."""
        self.above: RenderableType | None = None
        """What stands above the line."""
        self._spinner = Spinner("line" if self.console.options.ascii_only else "dots")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_drawing, daemon=True)
        self.live: Live | None = None
        if not quiet and self.console.is_terminal and not os.environ.get("CI"):
            self.live = Live(
                get_renderable=self._rendered,
                console=self.console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
            )

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self.live is not None:
            self.live.start(refresh=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing on the screen."""
        self.end()

    def end(self) -> None:
        """Leave nothing on the screen, for what is printed from now on."""
        if self.live is not None and not self._ended.is_set():
            self._ended.set()
            self._thread.join()
            self.live.stop()

    def say(self, words: str) -> None:
        """Print a line to stderr where nothing is drawn, unless nothing is wanted."""
        if self.live is None and not self.quiet:
            typer.echo(words, err=True)

    def draw(self) -> None:
        """Draw at once, where that is allowed."""
        with activity.drawing() as free:
            if free and self.live is not None:
                self.live.refresh()

    def _keep_drawing(self) -> None:
        while not self._ended.wait(_PERIOD_S):
            self.draw()

    def _rendered(self) -> RenderableType:
        what, seconds = activity.now()
        since = f" {format_duration(seconds)}" if seconds >= 1 else ""
        grid = Table.grid(padding=(0, 1))
        signs: list[RenderableType] = [self._spinner]
        room = self.console.width - len(self.where) - len(since) - 7
        if self.share is not None:
            signs.append(ProgressBar(total=1.0, completed=self.share, width=_BAR_WIDTH))
            room -= _BAR_WIDTH + 1
        what = one_line(what)
        if len(what) > (room := max(room, _LEAST_WIDTH)):  # its seconds stay
            what = f"{what[: room - 1]}…"
        words = " · ".join(filter(None, (self.where, f"{what}{since}", self.tail)))
        grid.add_row(*signs, Text(one_line(words or "starting"), no_wrap=True, overflow="ellipsis"))
        return grid if self.above is None else Group(self.above, grid)
