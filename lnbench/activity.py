"""What lnbench is doing at the moment, for whoever shows it; nothing is shown while it times."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE_S = 0.5  # samples follow each other, with moments between them
_timing = threading.Lock()
_doing: list[tuple[str, float]] = []


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Say what is being done, such as `installing commit 1a2b3c4`, as long as it is."""
    _doing.append((what, time.monotonic()))
    try:
        yield
    finally:
        _doing.pop()


@contextmanager
def timing() -> Iterator[None]:
    """Keep everybody from drawing: what is timed has the machine to itself."""
    with _timing:
        yield


@contextmanager
def drawing() -> Iterator[bool]:
    """Yield whether something may be drawn now; until it has been, nothing is timed."""
    free = _timing.acquire(timeout=_PATIENCE_S)
    try:
        yield free
    finally:
        if free:
            _timing.release()


def now() -> tuple[str, float]:
    """Return what is being done, the innermost, and for how many seconds."""
    try:
        what, since = _doing[-1]
    except IndexError:
        return "", 0.0
    return what, time.monotonic() - since
