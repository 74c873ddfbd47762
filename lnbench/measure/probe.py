"""What this machine can run, found out in a child process, so that the session loads no framework.

The child asks CUDA, imports every plug-in and survives none of their crashes; its parent does.
"""

import contextlib
import os
import platform
import signal
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection

import msgspec

from lnbench import registry
from lnbench.backend import Available, Unavailable
from lnbench.errors import LnbenchError
from lnbench.measure import overlay
from lnbench.measure.home import Ground
from lnbench.plan.case import numbered
from lnbench.record.environment import Device, packages

_LIMIT_S = 300.0  # a first import of torch from a cold disk
_LAST_BREATH_S = 0.2


class Found(msgspec.Struct, frozen=True):
    """Whether one backend runs on one device."""

    backend: str
    device: str
    available: bool
    text: str
    """The note of an available backend, the reason of another."""
    broken: bool = False
    """Whether the plug-in itself is at fault: it cannot be loaded, or raised where it must not."""


class Machine(msgspec.Struct, frozen=True):
    """What was found."""

    auto: str
    """The device that `auto` means here."""
    devices: tuple[tuple[str, Device], ...]
    """Accelerators by name, such as `cuda:0`."""
    backends: tuple[Found, ...]
    """One entry a pair of backend and device that was asked about."""
    python: str
    """Version of the interpreter that answered."""
    packages: tuple[tuple[str, str], ...]
    """Versions of what matters to times, by name."""
    free_bytes: tuple[tuple[str, int], ...] = ()
    """Memory that is free on each accelerator asked for, by name."""

    def find(self, backend: str, device: str) -> Found:
        """Return what was found for a pair."""
        for found in self.backends:
            if (found.backend, found.device) == (backend, device):
                return found
        raise KeyError((backend, device))


class _Devices(msgspec.Struct, frozen=True):
    auto: str
    devices: tuple[tuple[str, Device], ...]
    python: str
    packages: tuple[tuple[str, str], ...]
    free_bytes: tuple[tuple[str, int], ...] = ()


def probe(backends: Sequence[str], devices: Iterable[str], ground: Ground) -> Machine:
    """Return what runs where; a plug-in that kills its child is found broken."""
    devices = list(map(numbered, devices))
    pairs = list(dict.fromkeys((name, device) for device in devices for name in backends))
    found: list[Found] = []
    while True:
        rest = pairs[len(found) :]
        answers, end = _ask(devices, rest, ground)
        if not answers:
            raise LnbenchError(
                f"torch cannot be asked for its devices ({end})",
                f"see what it says: {ground.python} -c 'import torch; torch.cuda.is_available()'",
            )
        news = msgspec.json.decode(answers[0], type=_Devices)
        found += [msgspec.json.decode(answer, type=Found) for answer in answers[1:]]
        if len(found) == len(pairs):
            return Machine(backends=tuple(found), **msgspec.structs.asdict(news))
        backend, device = pairs[len(found)]  # the child died over this one
        text = f"its plug-in ended the process that loaded it ({end})"
        device = news.auto if device == "auto" else device
        found.append(Found(backend, device, available=False, text=text, broken=True))


def _ask(
    devices: Sequence[str], pairs: Sequence[tuple[str, str]], ground: Ground
) -> tuple[list[bytes], str]:
    """Return what a child answered before it ended, the devices first, and how it ended."""
    ours, theirs = socket.socketpair()
    words = [",".join(devices), *(f"{backend}={device}" for backend, device in pairs)]
    with theirs:
        child = ground.run("lnbench.measure.probe", theirs.fileno(), *words)
    answers: list[bytes] = []
    try:
        with Connection(ours.detach()) as connection:
            while len(answers) <= len(pairs) and connection.poll(_LIMIT_S):
                answers.append(connection.recv_bytes())
    except (EOFError, OSError):
        pass
    finally:
        if len(answers) <= len(pairs):
            time.sleep(_LAST_BREATH_S)  # a crash takes a moment to be one
            child.kill()
        code = child.wait()
    return answers, signal.Signals(-code).name if code < 0 else f"exit {code}"


def _devices(used: Sequence[str]) -> _Devices:
    """Return torch's accelerators, and what is free on those used; asked in the child only."""
    import torch

    found, free = [], []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            found.append(
                (
                    f"cuda:{index}",
                    Device(
                        name=properties.name,
                        driver=_driver(),
                        capability=f"{properties.major}.{properties.minor}",
                        memory_bytes=properties.total_memory,
                        cache_bytes=properties.L2_cache_size,
                        processors=properties.multi_processor_count,
                    ),
                )
            )
            # To be asked, a device gets a context: those that are not used are left alone.
            if f"cuda:{index}" in used or (index == 0 and "auto" in used):
                with contextlib.suppress(RuntimeError):  # another has it for himself
                    free.append((f"cuda:{index}", torch.cuda.mem_get_info(index)[0]))
    auto, python = "cuda:0" if found else "cpu", platform.python_version()
    return _Devices(auto, tuple(found), python, packages(), tuple(free))


def _driver() -> str:
    """Return the version of NVIDIA's kernel driver, or what can be said without it."""
    try:
        with open("/proc/driver/nvidia/version", encoding="utf-8") as file:  # noqa: PTH123
            return file.readline().split("Kernel Module")[-1].split()[0]
    except (OSError, IndexError):
        return "unknown"


def _backend(name: str, device: str) -> Found:
    try:
        backend = registry.backend(name)
        answer: object = backend.availability(device)
    # A plug-in may raise anything here; the table says what.
    except Exception as error:  # noqa: BLE001
        text = getattr(error, "message", f"{type(error).__name__}: {error}")
        return Found(name, device, available=False, text=text, broken=True)
    if isinstance(answer, Available):
        return Found(name, device, available=True, text=answer.note)
    if isinstance(answer, Unavailable):
        return Found(name, device, available=False, text=answer.reason)
    text = f"availability() returned {type(answer).__name__}"
    return Found(name, device, available=False, text=text, broken=True)


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
