"""The table engine: columns that say a row as text and as data, sheets of them, views of sheets."""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from lnbench.errors import UnknownNameError
from lnbench.plan.case import Case

BEST = "★"
"""Marks every backend that is not shown to be slower than the fastest."""

ABSENT = "–"
"""What stands in a table where something is not known."""

T = TypeVar("T")


class Column(msgspec.Struct, frozen=True):
    """One thing that is said of every row, in tables and in JSON."""

    name: str | None
    """Its heading; None where only JSON has it."""
    value: Callable[[Any], Any] = str
    """What it is for a row; None where that is not known."""
    text: Callable[[Any], str] = str
    """A value as a table shows it."""
    key: str = ""
    """Its name in JSON, with the unit; empty where only tables have it."""
    right: bool = True
    """Whether its cells are aligned to the right."""
    worth: int = 0
    """Its rank where the screen has no room for all: 1 goes last; 0, a name or an answer, stays."""
    once: bool = False
    """Whether only the first line of a group has it; a group is where all such cells are equal."""
    if_known: bool = False
    """Whether a table that knows it of no row does without it."""
    words: tuple[str, ...] = ()
    """What `--columns` calls it, besides its heading; without any it comes along with all."""
    unit: str | None = None
    """What follows its text in a table of this alone; None where there is no such table."""

    def cell(self, row: object) -> str:
        """Return what a table says of a row."""
        value = self.value(row)
        return ABSENT if value is None else self.text(value)


class Choice(msgspec.Struct, frozen=True):
    """Which columns a person wants, whatever the width of the screen."""

    names: tuple[str, ...] = ()
    """By their words, in this order; none for those that fit."""
    wide: bool = False
    """Whether to show all, fit or not."""

    @classmethod
    def of(cls, text: str, columns: Sequence[Column], *, wide: bool = False) -> "Choice":
        """Return the choice of `time,ratio`; UnknownNameError where a name is no column's."""
        choice = cls(tuple(part.strip().lower() for part in text.split(",") if part.strip()), wide)
        choice.among(columns)
        return choice

    def among(self, columns: Sequence[Column]) -> list[Column]:
        """Return the columns that are wanted, between those that come along with all."""
        kept = {"worth": 0} | ({"if_known": False} if self.names else {})
        if not self.names:
            return [replace(column, **kept) if self.wide else column for column in columns]
        first = next(i for i, column in enumerate(columns) if column.words)
        found = list(columns[:first])
        for name in self.names:
            named = [column for column in columns if name in called(column)]
            if not named:
                raise UnknownNameError("column", name, column_words(columns), "--columns")
            found += [replace(column, **kept) for column in named]
        found += [column for column in columns[first:] if not column.words]
        return list(dict.fromkeys(found))


def called(column: Column) -> tuple[str, ...]:
    """Return what `--columns` takes for a column."""
    return (*column.words, (column.name or "").lower()) if column.words else ()


def column_words(columns: Iterable[Column]) -> list[str]:
    """Return the first word of each column that can be chosen, once."""
    return list(dict.fromkeys(column.words[0] for column in columns if column.words))


class Line(msgspec.Struct, frozen=True):
    """One line of a sheet."""

    cells: tuple[str, ...]
    """One text a column."""
    best: bool = False
    """Whether to bring it out."""
    dim: bool = False
    """Whether it is no contestant: the speed limit, a skipped row."""
    first: bool = False
    """Whether a group of lines begins here."""


class Figure(msgspec.Struct, frozen=True):
    """A picture of rows; only pages and files of pictures draw it."""

    kind: str
    """What it shows: a metric, `passes` or `ratio`; figures of a kind stand together."""
    title: str
    """Its heading."""
    chart: Any
    """An Altair chart."""


class Sheet(msgspec.Struct, frozen=True):
    """A table and what must be said below it."""

    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    """What the table says, in sentences, between it and its notes."""
    figures: Callable[[], Iterable[Figure]] = tuple
    """What draws it."""


class View(msgspec.Struct, frozen=True):
    """What a command shows, whatever its form."""

    head: tuple[str, ...]
    """Lines above the tables."""
    sheets: tuple[Sheet, ...]
    """The tables."""
    data: object
    """The same for scripts: what JSON is made of."""
    details: tuple[Sheet, ...] = ()
    """Tables that only a page has room for."""
    document: Callable[[], bytes] | None = None
    """What returns the JSON that a page lets its reader download; None for that of `data`."""


def sheet(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Any],
    notes: Sequence[str] = (),
    answer: Sequence[str] = (),
    *,
    best: Callable[[Any], bool] = lambda _: False,
    dim: Callable[[Any], bool] = lambda _: False,
    figures: Callable[[], Iterable[Figure]] = tuple,
) -> Sheet:
    """Return rows as a table.

    Args:
        title: what stands above it; empty for none.
        columns: what is said of every row.
        rows: one entry a line.
        notes: what must be said below it.
        answer: what it says, in sentences.
        best: whether to bring a row out.
        dim: whether a row is no contestant.
        figures: what draws them.
    """
    named = [
        (column, list(map(column.cell, rows))) for column in columns if column.name is not None
    ]
    shown = [pair for pair in named if not pair[0].if_known or set(pair[1]) - {ABSENT}]
    lines: list[Line] = []
    above: list[str] | None = None
    for place, row in enumerate(rows):
        group = [cells[place] for column, cells in shown if column.once]
        first = group != above
        texts = ("" if column.once and not first else cells[place] for column, cells in shown)
        lines.append(Line(tuple(texts), best(row), dim(row), first))
        above = group
    heads = tuple(column for column, _ in shown)
    return Sheet(title, heads, tuple(lines), tuple(notes), tuple(answer), figures)


def objects(columns: Sequence[Column], rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Return one object a row for JSON, keys in the order of the columns."""
    keyed = [column for column in columns if column.key]
    return [{column.key: column.value(row) for column in keyed} for row in rows]


def plain_view(head: Sequence[str], rows: Sequence[Sequence[str]]) -> View:
    """Return texts under headings, which are their names in JSON too."""
    columns = [Column(name, itemgetter(i), key=name, right=False) for i, name in enumerate(head)]
    return View((), (sheet("", columns, rows),), objects(columns, rows))


def group_title(case: Case) -> str:
    """Return what the cases of one table share: `layernorm · forward · float32 · cpu`."""
    options = case.suffix.lstrip(";").replace(";", ", ")
    parts = [case.operation, case.direction, case.dtype, case.device_type, options]
    return " · ".join(part for part in parts if part)


def grouped(rows: Iterable[T], name: Callable[[T], str]) -> dict[str, list[T]]:
    """Return rows by name, names and rows in the order in which they are met."""
    groups: dict[str, list[T]] = {}
    for row in rows:
        groups.setdefault(name(row), []).append(row)
    return groups
