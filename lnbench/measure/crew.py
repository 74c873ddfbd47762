"""The session's side of its workers: start, ask, stop while they wait, and bury them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

import msgspec

from lnbench.errors import LnbenchError
from lnbench.measure import messages, nursery
from lnbench.measure.messages import Reply, Request

_START_LIMIT_S = 300.0  # a first import of torch from a cold disk
_BURIAL_LIMIT_S = 5.0
_STOP_LIMIT_S = 0.05  # a signal takes microseconds, on a core that others want a time slice

_Answer = TypeVar("_Answer", bound=Reply)


class WorkerError(Exception):
    """A worker refused, died, hung or talked nonsense; the text is its last words."""

    def __init__(self, text: str, refused: messages.Refused | None = None) -> None:
        super().__init__(text)
        self.refused = refused


class WorkerHandle:
    """One worker as the session sees it."""

    def __init__(self, connection: Connection, pid: int, log: Path, home: "Nursery | None") -> None:
        self.pid = pid
        self._connection = connection
        self._log = log
        self._home = home
        self._stopped = False

    def ask(self, request: Request, answer: type[_Answer], limit_s: float) -> _Answer:
        """Return the worker's answer; WorkerError where it gives none, or another."""
        self.go_on()
        try:
            self._connection.send_bytes(messages.encode(request))
            if not self._connection.poll(limit_s):
                raise WorkerError(f"no answer within {limit_s:g} s{self._log_tail()}")
            reply = messages.decode_reply(self._connection.recv_bytes())
        except (EOFError, OSError):
            raise WorkerError(self._epitaph()) from None
        except msgspec.DecodeError as error:
            raise WorkerError(f"answered nonsense: {error}") from None
        if isinstance(reply, messages.Refused):
            raise WorkerError(reply.error, reply)
        if not isinstance(reply, answer):
            raise WorkerError(f"answered {type(reply).__name__} instead of {answer.__name__}")
        return reply

    def stop(self) -> None:
        """Keep the worker from using any CPU until it is asked again.

        The signal arrives later at a thread that spins on another core: only when all of them
        have stopped is the machine the next worker's alone.
        """
        self._signal(signal.SIGSTOP)
        self._stopped = True
        deadline = time.monotonic() + _STOP_LIMIT_S
        while self.pid and _any_runs(self.pid) and time.monotonic() < deadline:
            time.sleep(0)

    def go_on(self) -> None:
        """Let a stopped worker run."""
        if self._stopped:
            self._signal(signal.SIGCONT)
            self._stopped = False

    def end(self) -> None:
        """Kill the worker, stopped or not, and wait until it is gone."""
        self._connection.close()
        self._signal(signal.SIGKILL)
        self._wait()
        self._log.unlink(missing_ok=True)

    def _signal(self, number: int) -> None:
        if self.pid:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def _wait(self) -> int | None:
        """Return how the worker ended, once."""
        if not self.pid:
            return None
        pid, self.pid = self.pid, 0
        if self._home is not None:
            return self._home.wait(pid)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _epitaph(self) -> str:
        """Return how a worker that hung up ended, and the last thing that it printed."""
        self._signal(signal.SIGCONT)
        deadline = time.monotonic() + _BURIAL_LIMIT_S
        while time.monotonic() < deadline and _runs(self.pid):
            time.sleep(0.01)
        self._signal(signal.SIGKILL)
        status = self._wait()
        if status is None:
            return f"the worker is gone{self._log_tail()}"
        if status < 0:
            name = signal.Signals(-status).name
            cause = " (out of memory?)" if -status == signal.SIGKILL else ""
            return f"killed by {name}{cause}{self._log_tail()}"
        return f"exited with {status}{self._log_tail()}"

    def _log_tail(self) -> str:
        try:
            text = self._log.read_bytes()[-8000:].decode(errors="replace")
        except OSError:
            return ""
        words = last_words([line.strip() for line in text.splitlines() if line.strip()])
        return f"; it printed: {' | '.join(words)[:400]}" if words else ""


def last_words(lines: list[str]) -> list[str]:
    """Return the lines that tell most: those of Python's crash report, or else the last."""
    for place, line in enumerate(lines):
        if line.startswith("Fatal Python error:"):
            frames = [each for each in lines[place:] if each.startswith("File ")]
            return [*lines[max(0, place - 2) : place], line, *frames[:1]]
    return lines[-3:]


class Nursery:
    """A nursery process and the line to it."""

    def __init__(self, backends: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603
                [
                    *(sys.executable, "-P", "-m", "lnbench.measure.nursery"),
                    *(str(theirs.fileno()), str(os.getpid()), *backends),
                ],
                env=dict(environment),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for the session alone
            )
        self._control.settimeout(_START_LIMIT_S)
        try:
            ready = self._news()
        except BaseException:
            self.close()
            raise
        if not isinstance(ready, nursery.Ready):
            self.close()
            raise LnbenchError("the nursery of workers did not come up", "run with spawn")
        self.may_fork = ready.threads == 1

    def fork(self, connection: socket.socket, log: Path) -> int:
        """Return the process of a new worker on the other end of a connection; 0 if it must not."""
        order = nursery.encode(nursery.Fork(str(log)))
        socket.send_fds(self._control, [order], [connection.fileno()])
        news = self._news()
        return news.pid if isinstance(news, nursery.Forked) else 0

    def wait(self, pid: int) -> int | None:
        """Return how a worker ended; None where the nursery itself is gone."""
        try:
            self._control.send(nursery.encode(nursery.Wait(pid)))
            news = self._news()
        except (OSError, LnbenchError):
            return None
        return news.status if isinstance(news, nursery.Ended) else None

    def close(self) -> None:
        """End the nursery and, through the kernel, every worker that is left."""
        self._control.close()
        self._process.kill()
        self._process.wait()

    def _news(self) -> nursery.Forked | nursery.Ended | nursery.Ready:
        message = self._control.recv(nursery.MESSAGE_BYTES)
        if not message:
            raise LnbenchError(
                "the nursery of workers died", "try --start-method spawn, or fewer backends"
            )
        news: nursery.Forked | nursery.Ended | nursery.Ready = nursery.decode_news(message)
        return news


def start(home: Nursery | None, log: Path, environment: Mapping[str, str]) -> WorkerHandle:
    """Return a new worker: forked from a nursery, or spawned where there is none."""
    ours, theirs = socket.socketpair()
    with theirs:
        pid = home.fork(theirs, log) if home is not None else _spawn(theirs, log, environment)
    if not pid:
        ours.close()
        raise WorkerError("the nursery has more than one thread and must not fork")
    return WorkerHandle(Connection(ours.detach()), pid, log, home)


def _spawn(theirs: socket.socket, log: Path, environment: Mapping[str, str]) -> int:
    process = subprocess.Popen(  # noqa: S603
        [
            *(sys.executable, "-P", "-m", "lnbench.measure.worker"),
            *(str(theirs.fileno()), str(log), str(os.getpid())),
        ],
        env=dict(environment),
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    process.returncode = 0  # `WorkerHandle` reaps it by its pid
    return process.pid


def _any_runs(pid: int) -> bool:
    """Return whether any thread of a process is neither stopped nor ended."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False
    return any(_state(thread) not in "TtZX" for thread in threads)


def _runs(pid: int) -> bool:
    """Return whether a process still runs; a zombie does not."""
    return _state(Path(f"/proc/{pid}")) not in "ZX"


def _state(process: Path) -> str:
    """Return the kernel's letter for the state of a process or thread; X where it is gone."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "X"
