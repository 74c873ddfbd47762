"""The single-threaded interpreter that workers are forked from.

A fork takes 14 ms where importing torch takes 2 s. It is safe only while the nursery has one
thread, has run no OpenMP region and has not opened a GPU; it looks before each fork.
"""

import contextlib
import importlib
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from lnbench import registry
from lnbench.backend import UnsupportedError
from lnbench.workers import overlay, worker

_TASKS = Path("/proc/self/task")
_DESCRIPTORS = Path("/proc/self/fd")
_MEASURING = (
    *(f"lnbench.measure.{name}" for name in ("check", "devices", "referee", "subject")),
    "ml_dtypes",
    "numpy.random",
)
"""What workers import, whatever the backend."""

_GPUS = ("/dev/nvidia", "/dev/dxg", "/dev/kfd")  # of CUDA, of CUDA within Windows, of ROCm


class Fork(msgspec.Struct, frozen=True, tag=True):
    """Ask for a worker; its descriptor comes along."""

    log: str
    """Where what it prints goes."""


class Forked(msgspec.Struct, frozen=True, tag=True):
    """The worker's process."""

    pid: int
    """0 where the nursery must not fork."""
    obstacle: str = ""
    """Why it must not; empty where it has."""


class Wait(msgspec.Struct, frozen=True, tag=True):
    """Ask how a worker ended; it has ended, or is about to."""

    pid: int


class Ended(msgspec.Struct, frozen=True, tag=True):
    """How it ended."""

    status: int
    """As `os.waitstatus_to_exitcode` gives it: below 0 a signal."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The nursery has loaded what it was asked to."""

    obstacle: str
    """Why it must not fork; empty where it may."""
    broken: dict[str, str]
    """Backends whose preload raised, and what they said."""


decode_order = msgspec.json.Decoder(Fork | Wait).decode
decode_news = msgspec.json.Decoder(Forked | Ended | Ready).decode
encode = msgspec.json.Encoder().encode

MESSAGE_BYTES = 1 << 16


def main(descriptor: int, parent: int, backends: list[str], operations: list[str]) -> None:
    """Load the backends, say so, then fork on demand until the session hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker.die_with_parent(parent)
    overlay.enter()
    control = socket.socket(fileno=descriptor)
    broken = preload(backends, operations)
    control.send(encode(Ready(obstacle(), broken)))
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 1)
        if not message:
            return
        order = decode_order(message)
        match order:
            case Fork(log):
                control.send(encode(_fork(control, descriptors[0], log)))
            case Wait(pid):
                _, status = os.waitpid(pid, 0)
                control.send(encode(Ended(os.waitstatus_to_exitcode(status))))


def preload(backends: list[str], operations: list[str]) -> dict[str, str]:
    """Import all that a worker's first call would; return what the broken backends said."""
    for name in _MEASURING:
        importlib.import_module(name)
    broken = {}
    for name in backends:
        try:
            backend = registry.backend(name)
            backend.preload()
            for operation in map(registry.operation, operations):
                with contextlib.suppress(UnsupportedError):
                    backend.preload_kernels(registry.kernels(backend, operation))
        # The worker of that backend will meet the same error and say so in its row.
        except Exception as error:  # noqa: BLE001
            broken[name] = f"{type(error).__name__}: {error}"
    return broken


def obstacle() -> str:
    """Return why this process must not be forked; empty where it may, or the system cannot tell."""
    if not _TASKS.is_dir():
        return ""
    if len(list(_TASKS.iterdir())) > 1:
        return "it has more than one thread"
    # A child that inherits CUDA can never use it: "Cannot re-initialize CUDA in forked subprocess".
    if any(_target(link).startswith(_GPUS) for link in _DESCRIPTORS.iterdir()):
        return "it has opened a GPU"
    return ""


def _target(link: Path) -> str:
    """Return what a descriptor is open on; empty for one that was closed meanwhile."""
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _fork(control: socket.socket, descriptor: int, log: str) -> Forked:
    """Return a new worker's process, or why there is none."""
    if problem := obstacle():
        os.close(descriptor)
        return Forked(0, problem)
    nursery = os.getpid()
    pid = os.fork()
    if pid == 0:
        control.close()
        worker.run(descriptor, log, nursery)
    os.close(descriptor)
    return Forked(pid)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *(word.split(",") for word in sys.argv[3:5]))
