"""A diff on a terminal, by rich."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lnbench.judge.comparison import Comparison
from lnbench.judge.diff import Diff
from lnbench.judge.verdict import Verdict
from lnbench.plan.case import shape_text
from lnbench.render import diff_text as words
from lnbench.render.diff import GROUP_NUMBERS, NUMBERS
from lnbench.render.table import MANY_LINES, Lines, Screen, padded

_STYLES = {
    Verdict.REGRESSED: "bold red",
    Verdict.IMPROVED: "bold green",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.UNCHANGED: "",
    None: "dim",
}
_WIDTHS = {
    "baseline": 8,
    "candidate": 9,
    "ratio": 17,
    "detects": 7,
    "rows": 4,
    "against the rest": 17,
}
"""Least widths, which keep blocks in line with each other."""
_VERDICT_WIDTH = 14
_GAP = 2
"""Blanks between two columns."""
_NOTES_BESIDE = 120
"""Columns from which on a note stands beside its row, not below the tables."""
_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def diff_table(diff: Diff) -> Screen:
    """Return header, tables, notes, means, what only one side has, and the counts."""

    def parts(width: int) -> Iterator[RenderableType]:
        beside = width >= _NOTES_BESIDE
        notes = {} if beside else _numbered(diff)
        yield _header(diff)
        if drifted := words.drifted(diff):
            yield Text(drifted, style="bold yellow")
        if unproven := words.unproven(diff):
            yield Text("\nmoved in every pass, not proven", style="bold yellow")
            yield _pairs(unproven)
        blocks = words.blocks(diff)
        labels = [(shape_text(r.benchmark.case.shape), _backend(r)) for r in diff.comparisons]
        label_width = max((cell_len(text) for pair in labels for text in pair), default=0)
        for i, (title, rows) in enumerate(blocks):
            yield Text(f"\n{title}", style="bold")
            yield from _table(rows, label_width, notes, width, beside=beside, header=i == 0)
        if notes:
            yield Text()
            yield _pairs((mark, note) for note, mark in notes.items())
        if left := words.left_out(diff):
            yield Text(f"\n{left}", style="dim")
        yield from _groups(diff)
        if means := words.means(diff):
            yield Text("\ngeometric means, for orientation", style="bold")
            yield _pairs(means)
        for title, lines in words.changes(diff):
            yield Text(f"\n{title}", style="bold red" if title == "newly failing" else "bold")
            yield from (Text(f"  {line}") for line in lines)
        yield Text()
        yield Text(words.summary(diff))
        yield Text(words.headline(diff), style="bold")

    return Screen(parts)


def _header(diff: Diff) -> Table:
    grid = _pairs(words.header(diff))
    for i, (text, serious) in enumerate(words.environment(diff)):
        grid.add_row(
            Text("" if i else "environment", style="dim"),
            Text(text, style="bold yellow" if serious else ""),
        )
    return grid


def _pairs(lines: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, text in lines:
        grid.add_row(Text(name, style="dim"), Text(text))
    return grid


def _groups(diff: Diff) -> Iterator[RenderableType]:
    """Yield the verdicts on groups."""
    names = [group.backend for group in diff.groups]
    for i, (title, groups) in enumerate(words.group_blocks(diff)):
        yield Text(f"\n{title} · all shapes", style="bold")
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
        table.show_header = i == 0
        table.add_column("", min_width=max(map(cell_len, names)) + 2)
        for name in GROUP_NUMBERS:
            table.add_column(name, min_width=_WIDTHS.get(name), justify="right", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
        for group in groups:
            numbers = (cell(group) for cell in GROUP_NUMBERS.values())
            verdict = Text(group.verdict or "", style=_STYLES[group.verdict])
            table.add_row(Text(f"  {group.backend}"), *map(Text, numbers), verdict)
        yield table
    if note := words.group_note(diff):
        yield Text(note, style="dim")


def _backend(row: Comparison) -> str:
    return f"  {row.benchmark.backend}"


def _numbered(diff: Diff) -> dict[str, str]:
    """Return each note with its mark, numbered in the order in which they are met."""
    ordered = (
        words.note(row)
        for _, rows in words.blocks(diff)
        for _, members in words.shapes(rows)
        for row in members
    )
    notes = dict.fromkeys(filter(None, ordered))
    return {note: str(i).translate(_DIGITS) for i, note in enumerate(notes, 1)}


def _table(
    rows: Sequence[Comparison],
    label_width: int,
    notes: Mapping[str, str],
    width: int,
    *,
    beside: bool,
    header: bool,
) -> Iterator[RenderableType]:
    """Yield the rows of one block."""
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
    table.show_header = header
    table.add_column("", min_width=label_width, overflow="fold")
    for column in NUMBERS:
        name = column.name or ""
        table.add_column(name, min_width=_WIDTHS.get(name), justify="right", no_wrap=True)
    table.add_column("verdict", min_width=_VERDICT_WIDTH, no_wrap=True)
    if beside:
        table.add_column("next step and caveats", overflow="fold")
    lines = list(_lines(rows, notes, beside=beside))
    if len(lines) > MANY_LINES and _widen(table, lines, width):
        yield table
        yield Lines(_laid_out(table, line) for line in lines)
        return
    for line in lines:
        table.add_row(*line)
    yield table


def _widen(table: Table, lines: Sequence[Sequence[Text]], width: int) -> bool:
    """Give each column the width of its cells, and return whether the screen has that room."""
    widths = []
    for i, column in enumerate(table.columns):
        cells = [line[i].plain for line in lines if i < len(line)]
        if not all(map(str.isprintable, cells)):
            return False
        cells += [str(column.header)] if table.show_header else []
        widths.append(max(column.min_width or 1, *map(cell_len, cells)))
    if sum(widths) + _GAP * (len(widths) - 1) > width:
        return False
    for column, fitting in zip(table.columns, widths, strict=True):
        column.min_width = fitting
    return True


def _laid_out(table: Table, line: Sequence[Text]) -> Iterator[tuple[str, str]]:
    """Yield the cells of a line as the table has them, with their styles."""
    for i, column in enumerate(table.columns):
        cell = line[i] if i < len(line) else Text()
        right = column.justify == "right"
        yield padded(cell.plain, column.min_width or 0, right=right), str(cell.style)
        if i < len(table.columns) - 1:
            yield " " * _GAP, ""


def _lines(
    rows: Sequence[Comparison], notes: Mapping[str, str], *, beside: bool
) -> Iterator[tuple[Text, ...]]:
    """Yield the cells of each line of a block."""
    for shape, members in words.shapes(rows):
        yield (Text(shape),)
        for row in members:
            note = words.note(row)
            verdict = Text(row.verdict or words.CONTROL, style=_STYLES[row.verdict])
            verdict.append(f" {notes[note]}" if note in notes else "")
            cells = (_backend(row), *(column.cell(row) for column in NUMBERS))
            texts = (Text(text, style="dim" if row.verdict is None else "") for text in cells)
            yield (*texts, verdict, *([Text(note, style="dim")] if beside else []))
