"""Files that are there whole or not at all, hold no path of the machine, and read well in git.

Every failure is one sentence that names the path.
"""

import codecs
import contextlib
import json
import math
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from lnbench.errors import ReportError
from lnbench.units import format_bytes

LARGEST_BYTES = 512 * 2**20
"""Largest file that is read: about 50,000 rows of 40 passes, in memory three times that."""

_PROBE = bytes(1 << 20)
"""As much as a large report: a full disk shows itself before the run."""


def read(path: Path) -> bytes:
    """Return the bytes of a file; ReportError where it has no end, or one out of reach."""
    with _sentence(path, "read"):
        status = path.stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise ReportError(f"{path} is not a regular file", "save it to one first")
        if status.st_size > LARGEST_BYTES:
            size, limit = format_bytes(status.st_size), format_bytes(LARGEST_BYTES)
            hint = "split the suite over several reports: diff takes them together"
            raise ReportError(f"{path} is too large: {size}, and at most {limit} are read", hint)
        return path.read_bytes().removeprefix(codecs.BOM_UTF8)


def decode(data: bytes, path: Path, kinds: Any, hint: str) -> Any:
    """Return what JSON says; ReportError where it is none, ValidationError where it is another."""
    try:
        return msgspec.json.decode(data, type=kinds)
    except RecursionError:
        raise ReportError(f"{path}: nested without end", hint) from None
    except UnicodeDecodeError:
        raise ReportError(f"{path} is not UTF-8 text", hint) from None
    except msgspec.DecodeError as error:
        if isinstance(error, msgspec.ValidationError):
            raise
        raise ReportError(f"{path} {_malformed(error, data)}", hint) from None


def misfit(error: msgspec.ValidationError) -> str:
    """Return what msgspec found, with its path as users write one: `outcomes[3].times_s[0][1]`."""
    what, _, path = str(error).partition(" - at `")
    path = path.removesuffix("`").removeprefix("$").removeprefix(".").replace("[...]", "")
    what = what[:1].lower() + what[1:].replace("`", "'")
    return f"{path}: {what}" if path else what


def _malformed(error: msgspec.DecodeError, data: bytes) -> str:
    if not data.strip():
        return "is empty"
    if "truncated" in str(error) or f"invalid number (byte {len(data)})" in str(error):
        return "is cut short: its end is missing"
    return f"is no JSON: {str(error).removeprefix('JSON is malformed: ')}"


def replace(path: Path, data: bytes) -> None:
    """Put `data` in the place of a file, in one step, and let it reach the disk."""
    with _sentence(path, "written"):
        target = path.resolve()  # a link stays a link
        beside = _beside(target)
        try:
            _write(beside, data)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
        _sync_folder(target.parent)


def prepare(path: Path, *, force: bool) -> None:
    """Make the folder and write a probe there; ReportError where the file could not be written."""
    with _sentence(path, "written"):
        if path.exists() and not path.is_file():
            raise ReportError(f"{path} is not a regular file", "choose another --output")
        if path.exists() and not force:
            raise ReportError(f"{path} exists", "choose another --output, or --force to replace it")
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = _beside(target)
        try:
            _write(beside, _PROBE)
        finally:
            beside.unlink(missing_ok=True)


def _beside(target: Path) -> Path:
    """Return a name in the same folder, hence on the same disk, that no other process takes."""
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # Only then does a crash of the machine not bring back the old name. Windows opens no folder.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _sentence(path: Path, deed: str) -> Iterator[None]:
    try:
        yield
    # A name with a zero byte is a ValueError, a loop of links a RuntimeError.
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ReportError(f"{path} cannot be {deed}: {reason}") from None


# The folders of a path that begins at the root, at ~ or at a drive; the last name is kept. An id
# such as layernorm/forward/… begins with a letter and stays, and so does a web address.
_FOLDERS = re.compile(
    r"(?<![\w./~-])(?:~?/(?:[^\s/'\",:;()<>]+/)+|~/|[A-Za-z]:[\\/](?:[^\s/\\'\",:;()<>]+[\\/])*)"
)


def without_paths(value: Any) -> Any:
    """Return a text, or all texts in a value, without folders: reports get committed."""
    if isinstance(value, dict):
        return {without_paths(key): without_paths(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(item) for item in value]
    if not isinstance(value, str):
        return value
    if any(mark in value for mark in "/\\~"):
        home = os.path.expanduser("~")  # noqa: PTH111  (Path.home raises where there is none)
        if len(home) > 1:
            value = re.sub(re.escape(home) + r"(?![\w-])", "~", value)
        while (shorter := _FOLDERS.sub("", value)) != value:
            value = shorter
    # An undecodable file name has halves of surrogates, for which UTF-8 has no bytes.
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def layout(value: Any, indent: str = "") -> str:
    """Return JSON in which what holds only scalars is one line, so that git shows what changed.

    JSON has no number that is not finite: null stands for it.
    """
    inner = indent + "  "
    if isinstance(value, dict) and _nested(value.values()):
        lines = [f"{inner}{_line(key)}: {layout(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    # A list holds values of one kind: the first tells.
    if isinstance(value, list | tuple) and _nested(value[:1]):
        return "[\n" + ",\n".join(inner + layout(item, inner) for item in value) + f"\n{indent}]"
    try:
        return _line(value)
    except ValueError:
        return _line(_finite(value))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_CONTAINERS = (dict, list, tuple)


def _nested(values: Iterable[Any]) -> bool:
    return any(isinstance(value, _CONTAINERS) for value in values)


# The report is written after every case: one encoder for all its lines saves a third of the time.
_line = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
