"""JSON laid out for people who read differences."""

import json
from collections.abc import Iterable
from typing import Any


def layout(value: Any, indent: str = "") -> str:
    """Return JSON in which what holds only scalars is one line, so that git shows what changed."""
    inner = indent + "  "
    if isinstance(value, dict) and _nested(value.values()):
        lines = [f"{inner}{_line(key)}: {layout(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    # A list holds values of one kind: the first tells.
    if isinstance(value, list | tuple) and _nested(value[:1]):
        return "[\n" + ",\n".join(inner + layout(item, inner) for item in value) + f"\n{indent}]"
    return _line(value)


_CONTAINERS = (dict, list, tuple)


def _nested(values: Iterable[Any]) -> bool:
    return any(isinstance(value, _CONTAINERS) for value in values)


# The report is written after every case: one encoder for all its lines saves a third of the time.
_line = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
