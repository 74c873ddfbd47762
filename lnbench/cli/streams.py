"""stdin, stdout and stderr that a command can rely on, and what becomes of errors on them."""

import codecs
import io
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

import typer

from lnbench.errors import ExitCode, LnbenchError, OutputError
from lnbench.units import one_line, plain

_STDERR = 2
_MOST_COLUMNS = 10_000
_BUG = "this is a bug of lnbench: please report it, with the lines above and the command"


class _Descriptor(io.FileIO):
    """A descriptor whose reader may leave: `lnbench diff A B | head` ends with the verdict."""

    _failed = False

    def write(self, data: Any) -> int | None:  # type: ignore[override]
        """Write; nothing where nobody reads any more, OutputError where stdout cannot take it."""
        if self._failed:  # what was kept in buffers is tried again, up to Python's very end
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes
        except OSError as error:
            self._failed = True
            if self.fileno() == _STDERR:
                return memoryview(data).nbytes  # there is no place left to say so
            raise OutputError(f"the output cannot be written: {error.strerror}") from None


def run(command: Callable[[], object]) -> NoReturn:
    """Run a command line, and exit with its code; what is no known error is a bug and says so."""
    for descriptor in range(3):  # a daemon may have closed them: no file of ours may take one
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = _text(1, sys.stdout), _text(2, sys.stderr)
    columns = os.environ.get("COLUMNS", "80")
    if not columns.isdecimal() or not 0 < int(columns[:10]) < _MOST_COLUMNS:  # rich takes any
        del os.environ["COLUMNS"]
    try:
        code = _code(command)
        sys.stdout.flush()
    except OutputError as error:
        code = say_error(error)
    sys.exit(code)


def _text(descriptor: int, stream: TextIO | None) -> TextIO:
    """Return a stream on a descriptor in place of Python's own."""
    encoding = "utf-8"
    if stream is not None:
        try:
            if stream.fileno() != descriptor:
                return stream
        except (OSError, ValueError):  # not on a descriptor: caught by a test
            return stream
        encoding = stream.encoding
    raw = _Descriptor(descriptor, "w", closefd=False)
    lines = raw.isatty() or descriptor == _STDERR
    if raw.isatty() and _said_locale() in ("C", "POSIX"):  # Python takes UTF-8 even there
        encoding = "ascii"
    codecs.register_error("plain", _plainly)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="plain", line_buffering=lines)


def _said_locale() -> str:
    """Return the locale of characters where somebody has chosen one, else nothing."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    return next(filter(None, names), "")


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters that a terminal's encoding has not: µ is no traceback."""
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101  (of a stream that is written)
    return plain(error.object[error.start : error.end]), error.end


def _code(command: Callable[[], object]) -> Any:
    try:
        command()
    except SystemExit as end:
        return end.code
    except OutputError:
        raise
    except Exception:  # noqa: BLE001  (must not end with the code of a regression)
        traceback.print_exc()
        typer.echo(_BUG, err=True)
        return ExitCode.BUG
    return ExitCode.FINE


def say_error(error: LnbenchError) -> ExitCode:
    """Print an error and its hint to stderr; return its code."""
    typer.echo(f"error: {one_line(error.message)}", err=True)
    if error.hint:
        typer.echo(f"hint: {one_line(error.hint)}", err=True)
    return error.exit_code
