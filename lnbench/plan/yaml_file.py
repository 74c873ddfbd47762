"""YAML read strictly: no key twice, no surprise of YAML 1.1, no file that can hurt."""

import math
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from lnbench.errors import ConfigError

LARGEST_BYTES = 256 * 1024
DEEPEST = 32
MOST_NODES = 50_000
"""Far beyond any suite; what exceeds them was made to hurt, such as a bomb of aliases."""
LONGEST_PATH = 60
"""Characters of a path that a message shows."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,30}|[-+]?[0-9]{1,3}(?:_[0-9]{3}){1,9}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}


def load_yaml(path: Path) -> object:
    """Return what the file says, in dicts, lists and scalars; ConfigError where it is wrong."""
    import yaml

    name = shown(path)
    builder = _Builder(name)
    try:
        for event in yaml.parse(_text(path, name), Loader=yaml.BaseLoader):
            builder.take(event)
    except yaml.YAMLError as error:
        raise ConfigError(*_syntax(error, name)) from None
    if not builder.documents:
        raise ConfigError(f"{name} is empty", "lnbench schema suite prints what it may hold")
    return builder.result


def shown(path: Path) -> str:
    """Return a path as messages name it: relative where it lies below the current folder."""
    whole, folder = os.path.abspath(path), os.path.join(os.getcwd(), "")  # noqa: PTH100, PTH109, PTH118  (no symlink is followed, nothing needs to exist)
    return whole.removeprefix(folder)


def _text(path: Path, name: str) -> str:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe may never end
            raise ConfigError(f"{name} is not a regular file", "save it to one first")
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{name} cannot be read: {reason}") from None
    if len(data) > LARGEST_BYTES:
        raise ConfigError(f"{name} is larger than {LARGEST_BYTES // 1024} KiB: no suite file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}: not UTF-8 text", "save the file as UTF-8") from None


def _syntax(error: Exception, name: str) -> tuple[str, str]:
    mark = getattr(error, "problem_mark", None)
    where = f"{name}:{mark.line + 1}" if mark else name
    # A ReaderError has no mark and puts its file name on a second line.
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return f"{where}: not YAML: {problem}", getattr(error, "context", None) or ""


class _Open(msgspec.Struct):
    """A list or mapping whose end was not yet seen."""

    value: list[Any] | dict[str, Any]
    anchor: str | None
    nodes_before: int
    key: str | None = None
    """The key that waits for its value; None in a list, and where a key comes next."""
    lines: dict[str, int] = {}
    """Line of each key so far."""

    @property
    def step(self) -> str:
        """The way from here to the value that comes next."""
        if isinstance(self.value, list):
            return f"[{len(self.value)}]"
        return "" if self.key is None else f".{self.key}"


class _Builder:
    """Builds the document from events, on a stack of its own: depth can never overflow."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.result: object = None
        self.documents = 0
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[object, int]] = {}
        self._nodes = 0

    def take(self, event: Any) -> None:
        """Take the next event of the parser."""
        import yaml

        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise self._error(line, "a second document begins", "keep one document a file")
        elif isinstance(event, yaml.NodeEvent):
            self._count(1, line)
            tag = getattr(event, "tag", None)
            if tag is not None:
                raise self._error(line, f"tag '{tag}' is not read", "leave the tag out")
            if not getattr(event, "value", "").isprintable():
                # Half a surrogate cannot be printed, and an escape sequence must not be.
                raise self._error(line, "text with characters that cannot be shown")
            self._take_node(event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self._stack.pop()
            self._add(done.value, done.anchor, self._nodes - done.nodes_before)

    def _take_node(self, event: Any, line: int) -> None:
        import yaml

        if self._expects_key():
            self._take_key(event, line)
        elif isinstance(event, yaml.ScalarEvent):
            self._add(_scalar(event.value, plain=event.style is None), event.anchor, 1)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise self._error(line, f"alias '*{event.anchor}' has no value before it")
            value, nodes = self._anchors[event.anchor]
            self._count(nodes, line)
            self._add(value, None, nodes)
        else:
            if len(self._stack) == DEEPEST:
                raise self._error(line, f"nested deeper than {DEEPEST} levels")
            opened: list[Any] | dict[str, Any] = (
                [] if isinstance(event, yaml.SequenceStartEvent) else {}
            )
            self._stack.append(_Open(opened, event.anchor, self._nodes - 1))

    def _expects_key(self) -> bool:
        return bool(self._stack) and not self._stack[-1].step

    def _take_key(self, event: Any, line: int) -> None:
        import yaml

        top = self._stack[-1]
        if not isinstance(event, yaml.ScalarEvent):
            raise self._error(line, "a key must be plain text")
        if event.value in top.lines:
            top.key = event.value
            first = top.lines[event.value]
            raise self._error(line, f"key twice, first in line {first}", "keep one of them")
        top.key = event.value
        top.lines[event.value] = line

    def _add(self, value: object, anchor: str | None, nodes: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, nodes)
        if not self._stack:
            self.result = value
            return
        top = self._stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is not None:
            top.value[top.key] = value
            top.key = None

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise self._error(line, f"more than {MOST_NODES} values, aliases included")

    def _error(self, line: int, what: str, hint: str = "") -> ConfigError:
        path = "".join(frame.step for frame in self._stack).removeprefix(".")
        if len(path) > LONGEST_PATH:
            path = path[: LONGEST_PATH - 1] + "…"
        where = f"{self.name}:{line}: {path}" if path else f"{self.name}:{line}"
        return ConfigError(f"{where}: {what}", hint)


def _scalar(text: str, *, plain: bool) -> object:
    """Return the value of a scalar as YAML 1.2 has it, where 1e-5 is a number and `no` is text."""
    if not plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
