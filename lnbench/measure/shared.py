"""Arrays handed from one process to another through files, in memory where the machine has room."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from lnbench.operation import Arrays
from lnbench.plan.case import DType

INPUTS, OTHER = "inputs", "other"
"""Folders of a case's inputs, and of the others that it gets where rows depend on each other."""

_MEMORY = Path("/dev/shm")  # noqa: S108  (a folder of one's own is made inside)
_PREFIX = "lnbench-"
_INDEX = "arrays.json"  # written last


class _Entry(msgspec.Struct, frozen=True):
    name: str
    dtype: DType
    shape: tuple[int, ...]


@contextmanager
def folder(needed_bytes: int) -> Iterator[Path]:
    """Yield a new folder, in memory where `needed_bytes` fit there twice; it goes at the end."""
    _sweep()
    parent = None
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK):
        free = shutil.disk_usage(_MEMORY).free
        parent = _MEMORY if free > 2 * needed_bytes else None
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent) as made:
        yield Path(made)


def write(where: Path, arrays: Arrays) -> None:
    """Write host arrays into a folder, which is made."""
    from lnbench.arrays import dtype_of

    where.mkdir(parents=True, exist_ok=True)
    entries = []
    for name, array in arrays.items():
        array.tofile(where / f"{name}.bin")
        entries.append(_Entry(name, dtype_of(array), array.shape))
    (where / _INDEX).write_bytes(msgspec.json.encode(entries))


def written(where: Path) -> bool:
    """Return whether arrays have been written into a folder, all of them."""
    return (where / _INDEX).is_file()


def read(where: Path) -> dict[str, Any]:
    """Return the arrays of a folder, mapped read-only."""
    import numpy as np

    from lnbench.arrays import numpy_dtype

    entries = msgspec.json.decode((where / _INDEX).read_bytes(), type=list[_Entry])
    arrays: dict[str, Any] = {}
    for entry in entries:
        dtype = numpy_dtype(entry.dtype)
        if 0 in entry.shape:  # nothing cannot be mapped
            arrays[entry.name] = np.empty(entry.shape, dtype)
        else:
            path = where / f"{entry.name}.bin"
            arrays[entry.name] = np.memmap(path, dtype, "r", shape=entry.shape or (1,)).reshape(
                entry.shape
            )
    return arrays


class Packed(msgspec.Struct, frozen=True):
    """A small array as it travels in a message."""

    dtype: DType
    shape: tuple[int, ...]
    data: bytes


def packed(arrays: Arrays) -> dict[str, Packed]:
    """Return host arrays as a message holds them."""
    from lnbench.arrays import dtype_of

    return {n: Packed(dtype_of(a), a.shape, a.tobytes()) for n, a in arrays.items()}


def unpacked(arrays: Mapping[str, Packed]) -> dict[str, Any]:
    """Return the arrays of a message, read-only."""
    import numpy as np

    from lnbench.arrays import numpy_dtype

    return {
        name: np.frombuffer(array.data, numpy_dtype(array.dtype)).reshape(array.shape)
        for name, array in arrays.items()
    }


def size_bytes(where: Path) -> int:
    """Return what the files of a folder and of those in it take, in bytes."""
    return sum(path.stat().st_size for path in where.rglob("*") if path.is_file())


def clear(where: Path) -> None:
    """Remove a folder and what is in it, if it is there."""
    shutil.rmtree(where, ignore_errors=True)


def _sweep() -> None:
    """Remove folders of sessions that were killed, a day ago or more, before they could.

    The day is for containers that share the folder but do not see each other's processes.
    """
    yesterday = time.time() - 86400
    for parent in {_MEMORY, Path(tempfile.gettempdir())}:
        for left in parent.glob(f"{_PREFIX}*-*"):
            pid = left.name.removeprefix(_PREFIX).partition("-")[0]
            if pid.isdigit() and not _alive(int(pid)) and left.stat().st_mtime < yesterday:
                clear(left)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
