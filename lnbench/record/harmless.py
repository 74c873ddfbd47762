"""Texts of a report that steer nothing that shows them: no terminal, page or CI service."""

import re
from pathlib import Path
from typing import Any

from lnbench.errors import ReportError
from lnbench.units import harmless as shown
from lnbench.units import one_line

_NAMES = {"backend": "a backend", "operation": "an operation"}
STEERING = re.compile(
    rb"\\[bfnrtu]|[\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|::|##\["
)
"""What may change in a text by `one_line`: escapes, controls, marks of direction, commands."""


def harmless(value: Any, path: Path, key: str = "") -> Any:
    """Return JSON whose texts steer nothing that shows them; ReportError for such a name."""
    if isinstance(value, dict):
        return {shown(name): harmless(each, path, name) for name, each in value.items()}
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], int | float):  # a row's times: lists hold one kind
            return value
        return [harmless(each, path, key) for each in value]
    if not isinstance(value, str):
        return value
    if key in _NAMES and (line := one_line(value)) != value:
        raise ReportError(
            f"{path}: '{line}' cannot be the name of {_NAMES[key]}", "the file was changed by hand"
        )
    return shown(value)
