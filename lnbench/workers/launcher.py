"""Where workers come from: a nursery that forks them, or the interpreter that starts each anew."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

import msgspec

from lnbench.errors import ConfigError, LnbenchError
from lnbench.measure.devices import WITHOUT_TORCH
from lnbench.measure.telemetry import SESSION
from lnbench.workers import nursery
from lnbench.workers.handle import WorkerError, WorkerHandle

_START_LIMIT_S = 300.0  # a first import of torch from a cold disk


class Interpreter(msgspec.Struct, frozen=True):
    """The interpreter and variables that workers run under; alone, it starts each worker anew."""

    environment: Mapping[str, str]
    """All variables."""
    python: str = sys.executable
    """The interpreter."""
    obstacle: str = ""
    """Why a nursery that would fork workers had to give way; empty where none was tried."""

    def without_torch(self, why: str) -> "Interpreter":
        """Return it with the reason why nothing may import torch; itself where there is none."""
        told = {**self.environment, WITHOUT_TORCH: why}
        return msgspec.structs.replace(self, environment=told) if why else self

    def run(self, module: str, descriptor: int, *words: str) -> "subprocess.Popen[bytes]":
        """Start a module of lnbench on a descriptor of its own, deaf to Ctrl-C and mute."""
        return subprocess.Popen(  # noqa: S603
            [self.python, "-P", "-m", module, str(descriptor), *words],
            env={**self.environment, SESSION: str(os.getpid())},
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for the session alone
        )

    def start(self, log: Path) -> WorkerHandle:
        """Return a new worker that prints to `log`."""
        ours, theirs = socket.socketpair()
        with theirs:
            words = (str(log), str(os.getpid()))
            process = self.run("lnbench.workers.worker", theirs.fileno(), *words)
        process.returncode = 0  # the handle reaps it by its pid
        return WorkerHandle(Connection(ours.detach()), process.pid, log, _reap)


class Nursery:
    """A nursery process and the line to it."""

    def __init__(
        self, backends: Sequence[str], operations: Sequence[str], interpreter: Interpreter
    ) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            words = (str(os.getpid()), ",".join(backends), ",".join(operations))
            self._process = interpreter.run("lnbench.workers.nursery", theirs.fileno(), *words)
        self._control.settimeout(_START_LIMIT_S)
        self._ready: nursery.Ready | None = None

    @property
    def obstacle(self) -> str:
        """Why it must not fork, empty where it may; waits until it has come up."""
        if self._ready is None:
            news = self._news()
            if not isinstance(news, nursery.Ready):
                raise LnbenchError("the nursery of workers did not come up", "run with spawn")
            self._ready = news
        return self._ready.obstacle

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def start(self, log: Path) -> WorkerHandle:
        """Return a new worker that prints to `log`; WorkerError where the nursery has none."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                forked = self._fork(theirs, log)
        except (OSError, LnbenchError) as error:
            ours.close()
            raise WorkerError(f"the nursery of workers is gone: {error}") from None
        if not forked.pid:
            ours.close()
            raise WorkerError(f"the nursery must not fork: {forked.obstacle}")
        return WorkerHandle(Connection(ours.detach()), forked.pid, log, self._wait)

    def close(self) -> None:
        """End the nursery and, through the kernel, every worker that is left."""
        self._control.close()
        self._process.kill()
        self._process.wait()

    def _fork(self, connection: socket.socket, log: Path) -> nursery.Forked:
        """Return the process of a new worker on the other end of a connection, or why not."""
        if self.obstacle:
            return nursery.Forked(0, self.obstacle)
        order = nursery.encode(nursery.Fork(str(log)))
        socket.send_fds(self._control, [order], [connection.fileno()])
        news = self._news()
        return news if isinstance(news, nursery.Forked) else nursery.Forked(0, "it did not answer")

    def _wait(self, pid: int) -> int | None:
        """Return how a worker ended; None where the nursery itself is gone."""
        try:
            self._control.send(nursery.encode(nursery.Wait(pid)))
            news = self._news()
        except (OSError, LnbenchError):
            return None
        return news.status if isinstance(news, nursery.Ended) else None

    def _news(self) -> nursery.Forked | nursery.Ended | nursery.Ready:
        message = self._control.recv(nursery.MESSAGE_BYTES)
        if not message:
            raise LnbenchError(
                "the nursery of workers died", "try --start-method spawn, or fewer backends"
            )
        news: nursery.Forked | nursery.Ended | nursery.Ready = nursery.decode_news(message)
        return news


Launcher: TypeAlias = Nursery | Interpreter
"""What starts workers."""


def without_dead(launcher: Launcher, interpreter: Interpreter) -> Launcher:
    """Return a launcher, or its interpreter where it was a nursery that has died."""
    if isinstance(launcher, Nursery) and not launcher.alive:
        return msgspec.structs.replace(interpreter, obstacle="it has died")
    return launcher


def start_nurseries(
    wanted: Sequence[tuple[Interpreter, Sequence[str]]],
    operations: Sequence[str],
    stack: ExitStack,
) -> list[Launcher]:
    """Return a nursery for each interpreter and its backends, started side by side.

    They end with the stack. Where a nursery must not fork, or dies over a plug-in, its interpreter
    takes its place: then the plug-in takes down its own worker only.
    """
    nurseries = []
    for interpreter, backends in wanted:
        nurseries.append(Nursery(backends, operations, interpreter))
        stack.callback(nurseries[-1].close)
    launchers: list[Launcher] = []
    for launcher, (interpreter, _) in zip(nurseries, wanted, strict=True):
        obstacle = _obstacle(launcher)
        launchers.append(
            msgspec.structs.replace(interpreter, obstacle=obstacle) if obstacle else launcher
        )
    return launchers


def _obstacle(launcher: Nursery) -> str:
    try:
        return launcher.obstacle
    except (OSError, LnbenchError):
        return "it died, or did not come up in time"


def _reap(pid: int) -> int:
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def spawns(method: str | None) -> bool:
    """Return whether workers are spawned, by flag or because this system cannot fork safely."""
    if method not in (None, "fork", "spawn"):
        raise ConfigError(f"--start-method: '{method}' is neither fork nor spawn")
    # Elsewhere a forked child must not touch the system's frameworks: Python spawns on macOS too.
    linux = sys.platform.startswith("linux")
    if method == "fork" and not linux:
        raise ConfigError("--start-method fork: workers are forked on Linux only", "use spawn")
    return method == "spawn" or not linux
