"""What this machine can run, found out in a child process, so that the session loads no framework.

The child asks CUDA, imports every plug-in and survives none of their crashes; its parent does.
"""

import os
import platform
import signal
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection

import msgspec

from lnbench import activity, registry
from lnbench.backend import Available, Unavailable
from lnbench.errors import LnbenchError
from lnbench.measure.devices import accelerators, torch_problem
from lnbench.plan.case import numbered
from lnbench.record.environment import Device, installed, packages
from lnbench.workers import overlay
from lnbench.workers.launcher import Interpreter

_LIMIT_S = 300.0  # a first import of torch from a cold disk
_GRACE_PERIOD_S = 0.2


class Answer(msgspec.Struct, frozen=True):
    """Whether one backend runs on one device."""

    backend: str
    device: str
    available: bool
    text: str
    """The note of an available backend, the reason of another."""
    broken: bool = False
    """Whether the plug-in itself is at fault: it cannot be loaded, or raised where it must not."""
    packages: dict[str, str] = {}
    """Versions of what an available backend computes with, by name (`Backend.packages`)."""
    variables: tuple[str, ...] = ()
    """Variables that it reads, by name or glob (`Backend.variables`)."""


class Machine(msgspec.Struct, frozen=True):
    """What this machine has."""

    auto: str
    """The device that `auto` means here."""
    devices: dict[str, Device]
    """Accelerators by name, such as `cuda:0`."""
    backends: tuple[Answer, ...]
    """One entry a pair of backend and device that was asked about."""
    python: str
    """Version of the interpreter that answered."""
    packages: dict[str, str]
    """Versions of what matters to times, by name; those of its backends too."""
    free_bytes: dict[str, int] = {}
    """Memory that is free on each accelerator asked for, by name."""
    variables: tuple[str, ...] = ()
    """Variables that its backends read, by name or glob."""
    without_torch: str = ""
    """Why no process may import torch; empty where one may, if only to fail."""

    def find(self, backend: str, device: str) -> Answer:
        """Return the answer for a pair."""
        for answer in self.backends:
            if (answer.backend, answer.device) == (backend, device):
                return answer
        raise KeyError((backend, device))


class _Devices(msgspec.Struct, frozen=True):
    auto: str
    devices: dict[str, Device]
    python: str
    packages: dict[str, str]
    free_bytes: dict[str, int] = {}


def probe(backends: Sequence[str], devices: Iterable[str], interpreter: Interpreter) -> Machine:
    """Return what runs where; a plug-in that kills its child is found broken.

    Where torch itself does, the others are asked without it.
    """
    why = ""
    devices = list(map(numbered, devices))
    pairs = list(dict.fromkeys((name, device) for device in devices for name in backends))
    known: list[Answer] = []
    while True:
        rest = pairs[len(known) :]
        with activity.doing("asking which backends run here"):
            answers, end = _ask(devices, rest, interpreter)
        if not answers and why:
            raise LnbenchError(
                f"what runs here cannot be asked: {interpreter.python} ends with {end}",
                f"see what it says: {interpreter.python} -m lnbench.workers.probe",
            )
        if not answers:
            why = f"torch cannot be imported: it ends the process ({end})"
            interpreter = interpreter.without_torch(why)
            continue
        news = msgspec.json.decode(answers[0], type=_Devices)
        known += [msgspec.json.decode(answer, type=Answer) for answer in answers[1:]]
        if len(known) == len(pairs):
            return msgspec.structs.replace(_machine(news, tuple(known)), without_torch=why)
        backend, device = pairs[len(known)]  # the child died over this one
        text = f"its plug-in ended the process that loaded it ({end})"
        device = news.auto if device == "auto" else device
        known.append(Answer(backend, device, available=False, text=text, broken=True))


def _machine(news: _Devices, answers: tuple[Answer, ...]) -> Machine:
    versions, variables = dict(news.packages), dict[str, None]()
    for answer in answers:
        versions |= answer.packages
        variables |= dict.fromkeys(answer.variables)
    return Machine(
        auto=news.auto,
        devices=news.devices,
        backends=answers,
        python=news.python,
        packages=dict(sorted(versions.items())),
        free_bytes=news.free_bytes,
        variables=tuple(variables),
    )


def _ask(
    devices: Sequence[str], pairs: Sequence[tuple[str, str]], interpreter: Interpreter
) -> tuple[list[bytes], str]:
    """Return what a child answered before it ended, the devices first, and how it ended."""
    ours, theirs = socket.socketpair()
    words = [",".join(devices), *(f"{backend}={device}" for backend, device in pairs)]
    with theirs:
        child = interpreter.run("lnbench.workers.probe", theirs.fileno(), *words)
    answers: list[bytes] = []
    try:
        with Connection(ours.detach()) as connection:
            while len(answers) <= len(pairs) and connection.poll(_LIMIT_S):
                answers.append(connection.recv_bytes())
    except (EOFError, OSError):
        pass
    finally:
        if len(answers) <= len(pairs):
            time.sleep(_GRACE_PERIOD_S)  # a crash takes a moment to be one
            child.kill()
        code = child.wait()
    return answers, signal.Signals(-code).name if code < 0 else f"exit {code}"


def _devices(used: Sequence[str]) -> _Devices:
    """Return what this interpreter has; asked in the child only."""
    devices, free_bytes = accelerators(used)
    versions = packages()
    if torch_problem():
        sys.modules["torch"] = None  # type: ignore[assignment]  # an import of it says so at once
        versions.pop("torch", None)
    auto = next(iter(devices), "cpu")
    return _Devices(auto, devices, platform.python_version(), versions, free_bytes)


def _backend(name: str, device: str) -> Answer:
    try:
        backend = registry.backend(name)
        answer: object = backend.availability(device)
        versions, variables = installed(backend.packages), tuple(backend.variables)
    # A plug-in may raise anything here; the table says what.
    except Exception as error:  # noqa: BLE001
        if _wants_torch(error):
            return Answer(name, device, available=False, text=torch_problem())
        text = getattr(error, "message", f"{type(error).__name__}: {error}")
        return Answer(name, device, available=False, text=text, broken=True)
    if isinstance(answer, Available):
        return Answer(
            name,
            device,
            available=True,
            text=answer.note,
            packages=versions,
            variables=variables,
        )
    if isinstance(answer, Unavailable):
        return Answer(name, device, available=False, text=answer.reason)
    text = f"availability() returned {type(answer).__name__}"
    return Answer(name, device, available=False, text=text, broken=True)


def _wants_torch(error: BaseException) -> bool:
    """Return whether a plug-in failed for want of torch, which cannot be imported here."""
    cause = error.__cause__ or error
    missing = isinstance(cause, ImportError) and (cause.name or "").partition(".")[0] == "torch"
    return missing and bool(torch_problem())


def main(descriptor: int, used: str, pairs: Sequence[str]) -> None:
    """Answer on a descriptor of its own: the devices, then one message a pair."""
    overlay.enter()
    connection = Connection(descriptor)
    news = _devices(used.split(","))
    connection.send_bytes(msgspec.json.encode(news))
    for pair in pairs:
        backend, _, device = pair.partition("=")
        device = news.auto if device == "auto" else device
        connection.send_bytes(msgspec.json.encode(_backend(backend, device)))
    os._exit(0)  # a plug-in's threads and exit handlers are none of our business


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
