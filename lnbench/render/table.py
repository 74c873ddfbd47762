"""Views on a terminal, by rich."""

from collections.abc import Callable, Iterable, Iterator

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lnbench.render.sheet import Line, Sheet, View
from lnbench.units import one_line

_WIDE = 136
"""Columns from which on a screen takes the columns that are nice to have."""


class Screen:
    """Parts one below the other, laid out for the width of the screen that they come to."""

    def __init__(self, parts: Callable[[int], Iterable[RenderableType]]) -> None:
        self._parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the parts."""
        yield from self._parts(options.max_width)


def view_table(view: View) -> Screen:
    """Return a view for a terminal."""

    def parts(width: int) -> Iterator[RenderableType]:
        yield from (Text(one_line(line)) for line in view.head)
        for sheet in view.sheets:
            yield Text()
            if sheet.title:
                yield Text(one_line(sheet.title), style="bold")
            yield _table(sheet, wide=width >= _WIDE)
            for line in sheet.answer:
                yield Padding(Text(one_line(line), style="bold"), (0, 0, 0, 1))
            for note in sheet.notes:
                yield Padding(Text(one_line(note), style="dim"), (0, 0, 0, 1))

    return Screen(parts)


def _table(sheet: Sheet, *, wide: bool) -> Table:
    """Return a sheet as a table; narrow screens do without the wide columns."""
    shown = [i for i, column in enumerate(sheet.columns) if wide or not column.wide]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i in shown:
        column = sheet.columns[i]
        table.add_column(
            column.name or "",
            justify="right" if column.right else "left",
            no_wrap=column.right,
            overflow="fold",
        )
    firsts = [line.first for line in sheet.lines[1:]] + [False]
    for line, ends in zip(sheet.lines, firsts, strict=True):
        cells = (Text(one_line(line.cells[i])) for i in shown)
        table.add_row(*cells, style=_style(line), end_section=ends)
    return table


def _style(line: Line) -> str:
    if line.best:
        return "bold green"
    if "failed" in line.cells:
        return "red"
    return "dim" if line.dim else ""
