"""What `--autotune` finds, kept on disk: the fastest launch configuration on this device.

A key names the device, Triton's version, the kernels' source, the width and type of a row, what is
computed, and a coarse bucket of the number of rows: another batch tunes nothing.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import triton
from triton.runtime.errors import TritonError

from lnbench.operations.rowwise.triton.tiers import Configuration

VARIABLE = "LNBENCH_AUTOTUNE"
"""The variable that `--autotune` sets to 1 for the workers."""

_known: dict[tuple[Path, str], Configuration] = {}
"""What this process has read or found."""

_MARGIN = 0.98  # the table's own configuration stays unless another is faster by more than noise


def wanted() -> bool:
    """Return whether configurations are to be tuned."""
    return os.environ.get(VARIABLE) == "1"


def tuned(
    key: tuple[str, ...],
    candidates: Iterable[Configuration],
    launch: Callable[[Configuration], object],
    clock: Callable[[Callable[[], object]], float] | None = None,
) -> Configuration:
    """Return the fastest candidate, from the disk where it was found before.

    Args:
        key: what the result depends on, beside Triton and the kernels' source.
        candidates: configurations to try, the table's own first.
        launch: runs a candidate; one that does not compile or launch here is passed over.
        clock: the seconds of a call; None asks the device, with a cold cache before each call.
    """
    name, path = "/".join((*key, triton.__version__, _fingerprint())), _path()
    fastest = _known.get((path, name)) or _read(path).get(name)
    if fastest is None:
        fastest = _fastest(candidates, launch, clock or _device_seconds)
        _write(path, name, fastest)
    _known[path, name] = fastest  # every call of the kernels asks, timed ones too
    return fastest


def _fastest(
    candidates: Iterable[Configuration],
    launch: Callable[[Configuration], object],
    clock: Callable[[Callable[[], object]], float],
) -> Configuration:
    best: tuple[float, Configuration] | None = None
    for candidate in candidates:
        try:
            seconds = clock(lambda configuration=candidate: launch(configuration))  # type: ignore[misc]
        # Too many registers, too much shared memory, an assembler that gives up: the next one.
        except (TritonError, RuntimeError):
            continue
        if best is None or seconds < best[0] * _MARGIN:
            best = (seconds, candidate)
    if best is None:
        raise RuntimeError("no candidate of --autotune runs on this device: leave it out")
    return best[1]


def _device_seconds(call: Callable[[], object]) -> float:
    """Return the median seconds of a call on the device, by Triton's own benchmark."""
    milliseconds: float = triton.testing.do_bench(call, warmup=5, rep=25, return_mode="median")
    return milliseconds * 1e-3


def _path() -> Path:
    """Return the file of what was found, in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "lnbench" / "triton.json"


@cache
def _fingerprint() -> str:
    """Return a digest of the kernels' source: another kernel is tuned anew."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    text = b"".join(file.read_bytes() for file in files)
    return hashlib.blake2b(text, digest_size=6).hexdigest()


def _read(path: Path) -> dict[str, Configuration]:
    """Return what is on disk; a file that is damaged counts as empty, and is written anew."""
    try:
        rows: Any = json.loads(path.read_text(encoding="utf-8"))
        return {name: Configuration(str(row[0]), *map(int, row[1:])) for name, row in rows.items()}
    except (OSError, ValueError, AttributeError, TypeError, IndexError):
        return {}


def _write(path: Path, name: str, configuration: Configuration) -> None:
    """Add one entry in one step, after whoever else is writing: two sessions may tune at once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the file is closed
            entries = {**_read(path), name: configuration}
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps(entries, indent=1), encoding="utf-8")
            fresh.replace(path)
    except OSError:  # a folder that cannot be written costs the next session its tuning anew
        return
