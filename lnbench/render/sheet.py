"""Text in columns: what a terminal, Markdown and a person have in common."""

import msgspec

BEST = "★"
"""Marks every backend that is not shown to be slower than the fastest."""

ABSENT = "–"


class Column(msgspec.Struct, frozen=True):
    """One column of a sheet."""

    name: str
    """Its heading."""
    right: bool = True
    """Whether its cells are aligned to the right."""
    wide: bool = False
    """Whether it is left out where the screen is narrow."""


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


class Sheet(msgspec.Struct, frozen=True):
    """A table and what must be said below it."""

    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
