"""A diff on a terminal."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from lnbench.judge.comparison import Comparison
from lnbench.judge.diff import Diff
from lnbench.judge.groups import BackendGroup
from lnbench.judge.verdict import Verdict
from lnbench.render import diff_text as words
from lnbench.render.diff import COLUMNS, GROUP_NUMBERS, NOTE, VERDICT
from lnbench.render.layout import Cell, Lines, aligned, fitting, paragraph, widths_of, wrapped
from lnbench.render.sheet import Choice, Column
from lnbench.render.table import Screen, Write

_STYLES = {
    Verdict.REGRESSED: "bold red",
    Verdict.IMPROVED: "bold green",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.UNCHANGED: "",
    None: "dim",
}
_GAP = 2
"""Blanks between two columns."""
_NARROW = 40
"""Columns that a text needs beside its name: with fewer it stands below."""
_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LABEL = Column("", right=False)

_Block: TypeAlias = tuple[str, list[list[Cell]]]
"""A title, and the lines below it."""


def diff_table(diff: Diff, choice: Choice | None = None) -> Screen:
    """Return header, tables, notes, means, what only one side has, and the counts.

    Args:
        diff: what changed.
        choice: which columns to show; None for those that fit.
    """
    columns = (_LABEL, *(choice or Choice()).among(COLUMNS))

    def parts(width: int, write: Write) -> Iterator[RenderableType]:
        def title(text: str, style: str = "bold") -> Iterator[RenderableType]:
            yield from (Text(), paragraph(write(text), width, style))

        yield _header(diff, width, write)
        if drifted := words.drifted(diff):
            yield paragraph(write(drifted), width, "bold yellow")
        if unproven := words.unproven(diff):
            yield from title("moved in every pass, not proven", "bold yellow")
            yield _pairs(unproven, width, write)
        yield from _tables(diff, columns, width, write)
        yield from _groups(diff, width, write)
        if means := words.means(diff):
            yield from title("geometric means, for orientation")
            yield _pairs(means, width, write)
        for name, lines in words.changes(diff):
            yield from title(name, "bold red" if name == "newly failing" else "bold")
            yield from (paragraph(write(line), width, indent=2, hang=2) for line in lines)
        yield from title(words.summary(diff), "")
        yield paragraph(write(words.headline(diff)), width, "bold")

    return Screen(parts)


def standing(diff: Diff) -> Screen:
    """Return the rows alone, without verdicts, which more pairs may change."""
    columns = (_LABEL, *(column for column in COLUMNS if column not in (VERDICT, NOTE)))

    def parts(width: int, write: Write) -> Iterator[RenderableType]:
        return _stacked(columns, _blocks(diff, columns, {}, write), width, write)

    return Screen(parts)


def _header(diff: Diff, width: int, write: Write) -> Lines:
    lines = [(name, text, "") for name, text in words.header(diff)]
    for i, (text, serious) in enumerate(words.environment(diff)):
        lines.append(("" if i else "environment", text, "bold yellow" if serious else ""))
    return _pairs(lines, width, write)


def _pairs(lines: Iterable[tuple[str, ...]], width: int, write: Write) -> Lines:
    """Return names with texts, and their styles where they have one, beside or below them."""
    written = [(write(name), write(text), *style) for name, text, *style in lines]
    start = max(cell_len(name) for name, *_ in written) + _GAP
    below = width - start < _NARROW
    start = _GAP if below else start

    def drawn() -> Iterator[list[Cell]]:
        for name, text, *style in written:
            if below and name:
                yield [(name, "dim")]
            for i, part in enumerate(wrapped(text, max(width - start, _NARROW))):
                label = name if not below and i == 0 else ""
                yield [(label + " " * (start - cell_len(label)), "dim"), (part, "".join(style))]

    return Lines(drawn())


def _tables(
    diff: Diff, table: Sequence[Column], width: int, write: Write
) -> Iterator[RenderableType]:
    """Yield the blocks of rows, and their notes where there is no room beside them."""
    blocks, notes = _blocks(diff, table, {}, write), _numbered(diff)
    shown = chain.from_iterable(fitting(table, _sizes(table, blocks, write), width, _GAP))
    if notes and any(table[i].name == NOTE.name for i in shown):
        notes = {}
    else:
        table = [column for column in table if column.name != NOTE.name]
        blocks = _blocks(diff, table, notes, write)
    yield from _stacked(table, blocks, width, write)
    if notes:
        yield Text()
        yield _pairs(((mark, note) for note, mark in notes.items()), width, write)
    if left := words.left_out(diff):
        yield from (Text(), paragraph(write(left), width, "dim"))


def _groups(diff: Diff, width: int, write: Write) -> Iterator[RenderableType]:
    """Yield the verdicts on groups."""
    table = (_LABEL, *GROUP_NUMBERS, VERDICT)
    blocks = [
        (
            f"{title} · all shapes",
            [_line(group, group.backend, table, {}, write) for group in groups],
        )
        for title, groups in words.group_blocks(diff)
    ]
    yield from _stacked(table, blocks, width, write)
    if note := words.group_note(diff):
        yield paragraph(write(note), width, "dim")


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


def _blocks(
    diff: Diff, table: Sequence[Column], marks: Mapping[str, str], write: Write
) -> list[_Block]:
    """Return the title and the lines of each block: a shape, and below it its rows."""
    blocks = []
    for title, rows in words.blocks(diff):
        lines: list[list[Cell]] = []
        for shape, members in words.shapes(rows):
            lines.append([(shape, ""), *[("", "")] * (len(table) - 1)])
            lines += [_line(row, row.benchmark.backend, table, marks, write) for row in members]
        blocks.append((title, lines))
    return blocks


def _line(
    judged: Comparison | BackendGroup,
    name: str,
    table: Sequence[Column],
    marks: Mapping[str, str],
    write: Write,
) -> list[Cell]:
    """Return the cells of a row or group, with the mark of its note."""
    style = "dim" if judged.verdict is None else ""
    cells = [(f"  {write(name)}", style)]
    for column in table[1:]:
        text = write(column.cell(judged))
        if column.name == VERDICT.name:
            mark = marks.get(words.note(judged), "") if isinstance(judged, Comparison) else ""
            cells.append((f"{text} {write(mark)}".rstrip(), _STYLES[judged.verdict]))
        else:
            cells.append((text, "dim" if column.name == NOTE.name else style))
    return cells


def _sizes(table: Sequence[Column], blocks: Sequence[_Block], write: Write) -> list[int]:
    """Return how wide each column is; a note is as wide as it needs to be read."""
    lines = ([text for text, _ in line] for _, lines in blocks for line in lines)
    sizes = widths_of([write(column.name or "") for column in table], lines)
    return [
        min(size, _NARROW) if column.name == NOTE.name else size
        for column, size in zip(table, sizes, strict=True)
    ]


def _stacked(
    table: Sequence[Column], blocks: Sequence[_Block], width: int, write: Write
) -> Iterator[RenderableType]:
    """Yield blocks below each other, all in line; the first says what its columns are."""
    sizes = _sizes(table, blocks, write)
    parts = fitting(table, sizes, width, _GAP)
    for number, (title, lines) in enumerate(blocks):
        yield from (Text(), paragraph(write(title), width, "bold"))
        for part in parts:
            heads = [(write(column.name or ""), "dim") for column in table]
            shown = [heads, *lines] if number == 0 or len(parts) > 1 else lines
            left = width - sum(sizes[i] + _GAP for i in part if table[i].name != NOTE.name)
            yield Lines(
                aligned(table, folded, part, sizes, _GAP)
                for line in shown
                for folded in _folded(table, line, left)
            )


def _folded(table: Sequence[Column], line: list[Cell], width: int) -> Iterator[list[Cell]]:
    """Yield a line of cells, and what its note says further in lines below."""
    if table[-1].name != NOTE.name:
        yield line
        return
    text, style = line[-1]
    first, *others = wrapped(text, max(width, _NARROW))
    yield [*line[:-1], (first, style)]
    for other in others:
        yield [*[("", "")] * (len(line) - 1), (other, style)]
