"""Tables as lines of text: the columns that a screen has room for, none of them broken."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment

from lnbench.render.sheet import Column

Cell: TypeAlias = tuple[str, str]
"""A text and its style."""


class Lines:
    """Lines that are laid out already: rich takes long over each line of a table."""

    def __init__(self, lines: Iterable[Iterable[Cell]]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield each part of a line in its style."""
        for line in self._lines:
            yield from (Segment(text, console.get_style(style)) for text, style in line)
            yield Segment.line()


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines, one at least, that end between words: no name is broken."""
    if cell_len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def paragraph(text: str, width: int, style: str = "", indent: int = 0, hang: int = 0) -> Lines:
    """Return a text over the width of a screen, its later lines further in."""
    first, *others = wrapped(text, max(width - indent - hang, 1))
    lines = [" " * indent + first, *(" " * (indent + hang) + line for line in others)]
    return Lines([(line, style)] for line in lines)


def widths_of(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> list[int]:
    """Return how wide each column is, in cells of a terminal."""
    columns = zip(heads, *lines, strict=True)
    return [max(map(cell_len, dict.fromkeys(column))) for column in columns]


def fitting(
    columns: Sequence[Column], widths: Sequence[int], width: int, gap: int
) -> list[list[int]]:
    """Return the places of the columns to show, for each table of those that stand below another.

    Each column that is worth less than others stays only where there is room for it. Where those
    that always stay have no room beside each other, the names in front are repeated.
    """
    shown, room = list[int](), width + gap
    for i in sorted(range(len(columns)), key=lambda i: (columns[i].worth, i)):
        if not columns[i].worth or widths[i] + gap <= room:
            shown.append(i)
            room -= widths[i] + gap
    shown.sort()
    front = next((n for n, i in enumerate(shown) if columns[i].right), len(shown))
    if room >= 0 or front == len(shown):
        return [shown]
    names, parts = shown[:front], list[list[int]]()
    beside = width - sum(widths[i] + gap for i in names)
    left = -1
    for i in shown[front:]:
        if left < widths[i]:
            parts.append([*names])
            left = beside
        parts[-1].append(i)
        left -= widths[i] + gap
    return parts


def aligned(
    columns: Sequence[Column],
    cells: Sequence[Cell],
    places: Sequence[int],
    widths: Sequence[int],
    gap: int,
) -> Iterator[Cell]:
    """Yield the cells of a line, each as wide as its column; nothing behind the last text."""
    last = max((i for i in places if cells[i][0]), default=-1)
    for i in places:
        text, style = cells[i]
        room = " " * (widths[i] - cell_len(text))
        if i == last:
            yield (room + text if columns[i].right else text), style
            return
        yield (room + text if columns[i].right else text + room), style
        yield " " * gap, style
