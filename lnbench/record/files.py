"""Files that are there whole or not at all; every failure is one sentence that names the path."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lnbench.errors import ReportError

_PROBE = bytes(1 << 20)
"""As much as a large report: a full disk shows itself before the run."""


def read(path: Path) -> bytes:
    """Return the bytes of a file."""
    with _sentence(path, "read"):
        return path.read_bytes()


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
