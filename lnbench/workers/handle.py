"""The session's side of a worker: ask, stop it while it waits, and reap it."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

import msgspec

from lnbench.measure import messages
from lnbench.measure.messages import Reply, Request

_REAP_TIMEOUT_S = 5.0
_STOP_LIMIT_S = 0.05  # a signal takes microseconds, on a core that others want a time slice

_Answer = TypeVar("_Answer", bound=Reply)


class WorkerError(Exception):
    """A worker refused, died, hung or talked nonsense; the text is its last words."""

    def __init__(self, text: str, refused: messages.Refused | None = None) -> None:
        super().__init__(text)
        self.refused = refused


class WorkerHandle:
    """One worker as the session sees it."""

    def __init__(
        self, connection: Connection, pid: int, log: Path, reap: Callable[[int], int | None]
    ) -> None:
        self.pid = pid
        self._connection = connection
        self._log = log
        self._reap = reap
        self._stopped = False
        self.intact = True
        """Whether it has done all that it was asked, or said in order that it has no kernel."""

    def ask(self, request: Request, answer: type[_Answer], limit_s: float) -> _Answer:
        """Return the worker's answer; WorkerError where it gives none, or another."""
        self.go_on()
        self.intact = False
        try:
            self._connection.send_bytes(messages.encode(request))
            if not self._connection.poll(limit_s):
                self._signal(signal.SIGKILL)  # nothing is timed beside a worker that hangs
                raise WorkerError(f"no answer within {limit_s:g} s{self._log_tail()}")
            reply = messages.decode_reply(self._connection.recv_bytes())
        except (EOFError, OSError):
            raise WorkerError(self._exit_report()) from None
        except msgspec.DecodeError as error:
            raise WorkerError(f"answered nonsense: {error}") from None
        if isinstance(reply, messages.Refused):
            self.intact = reply.unsupported
            raise WorkerError(reply.error, reply)
        if not isinstance(reply, answer):
            raise WorkerError(f"answered {type(reply).__name__} instead of {answer.__name__}")
        self.intact = True
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

    @property
    def alive(self) -> bool:
        """Whether the process is there, stopped or not."""
        return bool(self.pid) and _runs(self.pid)

    def forget_log(self) -> None:
        """Empty what it has printed: it is about a case that is over."""
        with contextlib.suppress(OSError):
            os.truncate(self._log, 0)

    def kill(self) -> None:
        """Have the worker go, stopped or not, without waiting for it."""
        self._signal(signal.SIGKILL)

    def end(self) -> None:
        """Kill the worker, and wait until it is gone."""
        self._connection.close()
        self.kill()
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
        return self._reap(pid)

    def _exit_report(self) -> str:
        """Return how a worker that hung up ended, and the last thing that it printed."""
        self._signal(signal.SIGCONT)
        deadline = time.monotonic() + _REAP_TIMEOUT_S
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
            frames = [frame for frame in lines[place:] if frame.startswith("File ")]
            return [*lines[max(0, place - 2) : place], line, *frames[:1]]
    return lines[-3:]


def _any_runs(pid: int) -> bool:
    """Return whether any thread of a process is neither stopped nor ended."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False
    return any(_state(thread) not in "TtZX" for thread in threads)


def _runs(pid: int) -> bool:
    """Return whether a process still runs; a zombie does not."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _state(process: Path) -> str:
    """Return the kernel's letter for the state of a process or thread; X where it is gone."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "X"
