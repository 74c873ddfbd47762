"""The forms that a view takes: a new one is a function here and its name in FORMS."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias, Union

import msgspec

from lnbench.render.sheet import Sheet, View
from lnbench.units import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

Form: TypeAlias = Union[str, "RenderableType"]
"""Text as it is to be written, or what a terminal lays out."""


def table(view: View) -> Form:
    """Return a view for a terminal."""
    from lnbench.render.table import view_table

    return view_table(view)


def markdown(view: View) -> str:
    """Return a view as GitHub's Markdown: tables under headings, notes as lists."""
    head = "  \n".join(map(escaped, view.head))
    if not view.sheets:
        return f"{head}\n"
    sheets = "\n\n".join("\n".join(_sheet_markdown(sheet)) for sheet in view.sheets)
    return f"{head}\n\n{sheets}\n" if head else f"\n{sheets}\n"


def json(view: View) -> str:
    """Return what a view is made of as JSON."""
    return json_text(view.data)


def html(view: View) -> str:
    """Return a view as a page."""
    from lnbench.render.page import page

    return page([view])


_MARKS = str.maketrans(
    {mark: f"\\{mark}" for mark in "\\`|*~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)
_EMPHASIS = re.compile(r"(?<![^\W_])_|_(?![^\W_])|(?<=\])(?=\()|^(?=#)")
"""Where a backslash keeps a text plain: at the ends of a word, in a link, before a heading."""
_LINKED = re.compile(r"(?i)(?<=@)|(?<=#)(?=\d)|(?<=GH-)(?=\d)|(?<=:)(?=//)|(?<=www)(?=\.)")
"""Where GitHub, which links what is rendered, sees no name, number or address any more."""

FORMS: Mapping[str, Callable[[View], Form]] = {
    "table": table,
    "markdown": markdown,
    "json": json,
    "html": html,
}
"""Every form by the name that `--format` has for it."""


def json_text(data: object) -> str:
    """Return data as JSON that people can read; null stands for a number that is not finite."""
    # msgspec writes that null, and a struct as an object.
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n"


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is: no markup, links, pictures or mentions."""
    plain = _EMPHASIS.sub(r"\\\g<0>", one_line(text).translate(_MARKS))
    return _LINKED.sub("<!-- -->", plain)


def _sheet_markdown(sheet: Sheet) -> Iterator[str]:
    if sheet.title:
        yield from (f"### {escaped(sheet.title)}", "")
    yield _markdown_row(escaped(column.name or "") for column in sheet.columns)
    yield _markdown_row("--:" if column.right else ":--" for column in sheet.columns)
    for line in sheet.lines:
        cells = map(escaped, line.cells)
        yield _markdown_row(f"**{cell}**" if line.best and cell else cell for cell in cells)
    for said in sheet.answer:
        yield from ("", f"**{escaped(said)}**")
    if sheet.notes:
        yield ""
        yield from (f"- {escaped(note)}" for note in sheet.notes)


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
