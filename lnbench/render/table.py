"""Sheets on a terminal, by rich."""

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lnbench.render.sheet import Line, Sheet
from lnbench.units import one_line

_WIDE = 136
"""Columns from which on a screen takes the columns that are nice to have."""


def print_sheets(sheets: Iterable[Sheet], console: Console) -> None:
    """Print sheets one below the other, each with its notes."""
    for sheet in sheets:
        console.print()
        if sheet.title:
            console.print(Text(one_line(sheet.title), style="bold"))
        console.print(sheet_table(sheet, wide=console.width >= _WIDE))
        for note in sheet.notes:
            console.print(Padding(Text(one_line(note), style="dim"), (0, 0, 0, 1)))


def sheet_table(sheet: Sheet, *, wide: bool) -> Table:
    """Return a sheet as a table; narrow screens do without the wide columns."""
    shown = [i for i, column in enumerate(sheet.columns) if wide or not column.wide]
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    for i in shown:
        column = sheet.columns[i]
        table.add_column(
            column.name,
            justify="right" if column.right else "left",
            no_wrap=column.right,
            overflow="fold",
        )
    for place, line in enumerate(sheet.lines):
        following = sheet.lines[place + 1] if place + 1 < len(sheet.lines) else None
        ends = following is not None and following.first
        table.add_row(
            *(Text(one_line(line.cells[i])) for i in shown), style=_style(line), end_section=ends
        )
    return table


def _style(line: Line) -> str:
    if line.best:
        return "bold green"
    if "failed" in line.cells:
        return "red"
    return "dim" if line.dim else ""
