"""Views on a terminal, by rich."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from lnbench.render.sheet import Line, Sheet, View
from lnbench.units import one_line

_WIDE = 136
"""Columns from which on a screen takes the columns that are nice to have."""


_GAP = 3
"""Blanks between two columns."""

MANY_LINES = 1000
"""Lines of a table beyond which rich, which takes a millisecond a line, does not lay it out."""


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
            yield from _table(sheet, width)
            for line in sheet.answer:
                yield Padding(Text(one_line(line), style="bold"), (0, 0, 0, 1))
            for note in sheet.notes:
                yield Padding(Text(one_line(note), style="dim"), (0, 0, 0, 1))

    return Screen(parts)


class Lines:
    """Lines that are laid out already: rich takes long over each line of a table."""

    def __init__(self, lines: Iterable[Iterable[tuple[str, str]]]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield each part of a line in its style."""
        for line in self._lines:
            yield from (Segment(text, console.get_style(style)) for text, style in line)
            yield Segment.line()


def padded(text: str, width: int, *, right: bool) -> str:
    """Return a text that fills a column."""
    room = " " * (width - cell_len(text))
    return room + text if right else text + room


def _table(sheet: Sheet, width: int) -> Iterator[RenderableType]:
    """Yield a sheet as a table of the columns that a screen has room for."""
    shown, widths = _shown(sheet, width)
    many = len(sheet.lines) > MANY_LINES and _total(shown, widths) <= width
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i in shown:
        column = sheet.columns[i]
        table.add_column(
            Text(one_line(column.name or "")),
            justify="right" if column.right else "left",
            no_wrap=column.right,
            overflow="fold",
            min_width=widths[i] if many else None,
        )
    if many:
        yield table
        yield Lines(_laid_out(sheet, shown, widths))
        return
    firsts = [line.first for line in sheet.lines[1:]] + [False]
    for line, ends in zip(sheet.lines, firsts, strict=True):
        cells = (Text(one_line(line.cells[i])) for i in shown)
        table.add_row(*cells, style=_style(line), end_section=ends)
    yield table


def _laid_out(
    sheet: Sheet, shown: Sequence[int], widths: Sequence[int]
) -> Iterator[list[tuple[str, str]]]:
    """Yield the lines of a sheet as a table has them, with their styles."""
    for place, line in enumerate(sheet.lines):
        if place and line.first:
            yield [(" " * _total(shown, widths), "")]
        cells = (
            padded(one_line(line.cells[i]), widths[i], right=sheet.columns[i].right) for i in shown
        )
        yield [((" " * _GAP).join(cells), _style(line))]


def _total(shown: Sequence[int], widths: Sequence[int]) -> int:
    return sum(widths[i] + _GAP for i in shown) - _GAP


def _shown(sheet: Sheet, width: int) -> tuple[list[int], list[int]]:
    """Return the places of the columns that fit, and all widths.

    No wide column is on a narrow screen, and late ones go first.
    """
    columns = sheet.columns
    shown = [i for i, column in enumerate(columns) if width >= _WIDE or not column.wide]
    texts = zip(*(line.cells for line in sheet.lines), strict=True)
    cells = [max(map(cell_len, map(one_line, column))) for column in texts] or [0] * len(columns)
    widths = [max(cell_len(column.name or ""), cells[i]) for i, column in enumerate(columns)]
    spare = [i for i in shown if columns[i].wide or columns[i].if_room]
    while spare and _total(shown, widths) > width:
        shown.remove(spare.pop())
    return shown, widths


def _style(line: Line) -> str:
    if line.best:
        return "bold green"
    if "failed" in line.cells:
        return "red"
    return "dim" if line.dim else ""
