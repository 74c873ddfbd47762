"""What must be said of rows, below a table: one line a kind, with the rows that it is about."""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

_NAMED = 4
"""Most shapes of a backend that a note names; more are counted."""

_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_MEASURE = re.compile(r"(inf|\d+(?:\.\d+)?(?:e[+-]?\d+)?)( ?[^\s,\d]+)")
"""A number and its unit, where a detail begins with them: `83 ulp`, `107%`."""


class Note(msgspec.Struct, frozen=True):
    """One thing that must be said of a row."""

    kind: str
    """What it is, in a word or two."""
    detail: str = ""
    """The particulars; empty where the kind says all."""
    folds: bool = False
    """Whether all notes of its kind are one line, whatever their particulars: a caveat."""

    @property
    def text(self) -> str:
        """The whole of it."""
        return f"{self.kind}: {self.detail}" if self.detail else self.kind


def note_lines(notes: Iterable[tuple[Note, str, str]]) -> tuple[str, ...]:
    """Return notes as lines: a caveat once a kind, the others once a wording.

    Of wordings that differ in their numbers alone, the one with the largest first number is said.

    Args:
        notes: what must be said, and the backend and the shape that it is about.
    """
    about: dict[str, list[tuple[str, str]]] = {}
    said: dict[str, list[Note]] = {}
    for note, backend, shape in notes:
        key = note.kind if note.folds else _NUMBER.sub("#", note.text)
        about.setdefault(key, []).append((backend, shape))
        said.setdefault(key, []).append(note)
    return tuple(_line(said[key], rows_text(about[key])) for key in about)


def said_once(notes: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """Return each text once, behind those that it is about: `triton 8x16, 128x768: skipped`."""
    return note_lines((Note(text), backend, shape) for text, backend, shape in notes)


def rows_text(rows: Iterable[tuple[str, str]]) -> str:
    """Return backends and shapes as text: `numba and numpy at 6 shapes; triton 8x16, 128x768`."""
    shapes: dict[str, dict[str, None]] = {}
    for backend, shape in rows:
        shapes.setdefault(backend, {})[shape] = None
    backends: dict[tuple[str, ...], list[str]] = {}
    for backend, own in shapes.items():
        backends.setdefault(tuple(sorted(own)), []).append(backend)
    return "; ".join(f"{listed(names)} {_shapes(shapes[names[0]])}" for names in backends.values())


def listed(names: Sequence[str]) -> str:
    """Return names as in a sentence: `numba, numpy and triton`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _shapes(shapes: Mapping[str, None]) -> str:
    return ", ".join(shapes) if len(shapes) <= _NAMED else f"at {len(shapes)} shapes"


def _line(notes: Sequence[Note], rows: str) -> str:
    details = tuple(dict.fromkeys(note.detail for note in notes))
    first = notes[0]
    if not first.folds:
        return f"{rows}: {_largest([note.text for note in notes])}"
    if len(details) == 1:
        return f"{first.kind}: {rows}: {details[0]}" if first.detail else f"{first.kind}: {rows}"
    return f"{first.kind}: {rows}, {_together(details)}"


def _largest(texts: Sequence[str]) -> str:
    """Return the text with the largest first number, and of how many it is that."""
    largest = max(texts, key=lambda text: float((_NUMBER.findall(text) or [0])[0]))
    several = len(set(texts)) > 1
    return f"{largest} (the largest value in {len(texts)} rows)" if several else largest


def _together(details: Sequence[str]) -> str:
    """Return the largest of details that measure the same; one of those that do not."""
    measures = {detail: _MEASURE.match(detail) for detail in details}
    sizes = {detail: float(found[1]) for detail, found in measures.items() if found}
    units = {found[2] for found in measures.values() if found}
    if len(sizes) == len(details) and len(units) == 1:
        return f"up to {max(sizes, key=lambda detail: sizes[detail])}"
    return f"for example {next(filter(None, details))}"
