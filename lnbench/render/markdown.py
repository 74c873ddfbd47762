"""Sheets as GitHub's Markdown."""

from collections.abc import Iterable

from lnbench.render.sheet import Sheet
from lnbench.units import one_line


def sheets_markdown(sheets: Iterable[Sheet]) -> str:
    """Return sheets as tables under headings, notes as lists."""
    return "\n\n".join(_sheet_markdown(sheet) for sheet in sheets) + "\n"


def _sheet_markdown(sheet: Sheet) -> str:
    head = [column.name for column in sheet.columns]
    rule = ["--:" if column.right else ":--" for column in sheet.columns]
    body = (
        [f"**{cell}**" if line.best and cell else cell for cell in line.cells]
        for line in sheet.lines
    )
    lines = [_row(cells) for cells in (head, rule, *body)]
    title = [f"### {sheet.title}", ""] if sheet.title else []
    notes = ["", *(f"- {one_line(note)}" for note in sheet.notes)] if sheet.notes else []
    return "\n".join([*title, *lines, *notes])


def _row(cells: Iterable[str]) -> str:
    escaped = (one_line(cell).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
