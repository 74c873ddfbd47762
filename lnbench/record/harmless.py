"""Texts of a report that steer nothing that shows them: no terminal, page or CI service."""

import re
from typing import Any

from lnbench.units import harmless as shown

_NAMES = {"backend", "operation"}
_ESCAPED = re.compile(rb"\\[bfnrtu]|\x7f|::|##\[")
"""What may change in a text of ASCII by `one_line`: escapes, the last control, commands."""
_WIDE = re.compile(rb"[\x80-\xff]+")


def may_steer(data: bytes) -> bool:
    """Return whether a text of JSON may change by `one_line`; blanks apart, which steer nothing."""
    if _ESCAPED.search(data):
        return True
    wide = () if data.isascii() else set(_WIDE.findall(data))
    return not all(part.decode("utf-8", "replace").isprintable() for part in wide)


def harmless(value: Any, key: str = "", *, row: bool = False) -> Any:
    """Return JSON whose texts steer nothing that shows them.

    Names in rows, which are the dictionaries of the list `outcomes`, stay, and are checked apart.
    """
    if isinstance(value, dict):
        names = _NAMES if row else ()
        return {
            shown(name): each if name in names else harmless(each, name)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], int | float):  # a row's times: lists hold one kind
            return value
        return [harmless(each, row=key == "outcomes") for each in value]
    return shown(value) if isinstance(value, str) else value
