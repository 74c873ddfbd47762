"""Views on a terminal."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from lnbench.render.layout import Cell, Lines, aligned, fitting, paragraph, widths_of
from lnbench.render.sheet import Line, Sheet, View
from lnbench.units import one_line, plain

_GAP = 3
"""Blanks between two columns."""

Write: TypeAlias = Callable[[str], str]
"""Returns a text as a terminal can show it."""


class Screen:
    """Parts one below the other, laid out for the width of the screen that they come to."""

    def __init__(self, parts: Callable[[int, Write], Iterable[RenderableType]]) -> None:
        self._parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the parts."""

        def write(text: str) -> str:
            return plain(one_line(text)) if options.ascii_only else one_line(text)

        yield from self._parts(options.max_width, write)


def view_table(view: View) -> Screen:
    """Return a view for a terminal."""

    def parts(width: int, write: Write) -> Iterator[RenderableType]:
        yield from (paragraph(write(line), width) for line in view.head)
        for sheet in view.sheets:
            yield Text()
            if sheet.title:
                yield paragraph(write(sheet.title), width, "bold")
            yield Lines(_lines(sheet, width, write))
            for style, texts in (("bold", sheet.answer), ("dim", sheet.notes)):
                yield from (paragraph(write(text), width, style, indent=1) for text in texts)

    return Screen(parts)


def _lines(sheet: Sheet, width: int, write: Write) -> Iterator[Iterable[Cell]]:
    """Yield a sheet as lines, in the columns that a screen has room for."""
    heads = [write(column.name or "") for column in sheet.columns]
    lines = [[write(cell) for cell in line.cells] for line in sheet.lines]
    widths = widths_of(heads, lines)
    for part, places in enumerate(fitting(sheet.columns, widths, width, _GAP)):

        def line(cells: Iterable[str], style: str, places: list[int] = places) -> Iterator[Cell]:
            styled = [(text, style) for text in cells]
            return aligned(sheet.columns, styled, places, widths, _GAP)

        if part:
            yield ()
        if any(heads):
            yield line(heads, "bold")
            yield ((write("─") * (sum(widths[i] + _GAP for i in places) - _GAP), ""),)
        for place, (row, cells) in enumerate(zip(sheet.lines, lines, strict=True)):
            if place and row.first:
                yield ()
            yield line(cells, _style(row))


def _style(line: Line) -> str:
    if line.best:
        return "bold green"
    if "failed" in line.cells:
        return "red"
    return "dim" if line.dim else ""
