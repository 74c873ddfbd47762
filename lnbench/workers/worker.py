"""The child process: it owns the arrays and answers the session's messages, one at a time."""

import contextlib
import ctypes
import faulthandler
import functools
import gc
import importlib
import os
import resource
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lnbench.backend import UnsupportedError
from lnbench.measure import messages
from lnbench.measure.messages import Reply, Request
from lnbench.measure.profile_messages import Profile
from lnbench.record.outcome import Stage
from lnbench.workers import overlay

if TYPE_CHECKING:
    from lnbench.measure.referee import Referee
    from lnbench.measure.subject import Subject

_PACKAGE = Path(__file__).parents[1]
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Worker:
    """Answers requests until the session hangs up."""

    def __init__(self) -> None:
        self._stage = Stage.PREPARE
        self._subject: Subject | None = None
        self._connection: Connection | None = None

    def serve(self, connection: Connection) -> None:
        """Answer every request; a failure is an answer too."""
        self._connection = connection
        while True:
            try:
                request = messages.decode_request(connection.recv_bytes())
            except (EOFError, OSError):
                return
            connection.send_bytes(self._encoded(self._answer(request)))

    def _encoded(self, reply: Reply) -> bytes:
        """Return an answer as it is sent; of one that cannot be, what a plug-in put in it."""
        try:
            return messages.encode(reply)
        except (TypeError, ValueError, OverflowError) as error:  # half a surrogate is a ValueError
            words = f"what it says of itself cannot be sent: {_last_words(error)}"
            return messages.encode(messages.Refused(self._stage, words))

    def _answer(self, request: Request) -> Reply:
        try:
            return self._dispatch(request)
        # Whatever a plug-in raises, SystemExit too, becomes its row's last words.
        except BaseException as error:  # noqa: BLE001
            if isinstance(error, UnsupportedError):
                return messages.Refused(self._stage, _text(error), unsupported=True)
            return messages.Refused(self._stage, _last_words(error))

    def _dispatch(self, request: Request) -> Reply:
        match request:
            case messages.Prepare():
                return self._prepare(request)
            case messages.Deliver(results):
                self._stage = Stage.VERIFY
                return self._prepared.deliver(results)
            case messages.TakeSample():
                self._stage = Stage.MEASURE
                return self._prepared.sample(request)
            case messages.CheckMemory():
                self._stage = Stage.MEASURE
                return self._prepared.check_memory(request)
            case messages.MeasureEnergy():
                self._stage = Stage.MEASURE
                return self._prepared.energy()
            case Profile():
                self._stage = Stage.MEASURE
                return self._prepared.profile(request)
            case messages.Finish():
                self._stage = Stage.MEASURE
                return self._prepared.finish(request)
            case messages.Inspect():
                self._stage = Stage.VERIFY
                return self._inspect(request)
            case messages.Rest():
                return self._rest()
            case _:
                return self._beside(request)

    def _beside(
        self,
        request: messages.MakeInputs
        | messages.Compare
        | messages.CompareRows
        | messages.CompareSets
        | messages.Check,
    ) -> Reply:
        """Answer what belongs to no benchmark that is being timed."""
        from lnbench.measure.check import check, compare_sets

        self._stage = Stage.PREPARE
        match request:
            case messages.MakeInputs():
                return self._referee.make(request)
            case messages.Compare():
                return self._referee.compare(request)
            case messages.CompareRows():
                return self._referee.compare_rows(request)
            case messages.CompareSets():
                return compare_sets(request)
            case messages.Check():
                _limit_memory(request.memory_bytes)
                return check(request)

    def _prepare(self, request: messages.Prepare) -> messages.Prepared:
        from lnbench.measure.subject import Subject

        self._stage = Stage.PREPARE
        _limit_memory(request.memory_bytes)
        self._subject = Subject(request)
        self._subject.first_call()
        self._stage = Stage.VERIFY
        return self._subject.ready(request)

    def _inspect(self, request: messages.Inspect) -> messages.Inspected:
        for name in request.modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        names: dict[str, Any] = {"__name__": "inspection"}
        exec(compile(request.source, "<lnbench>", "exec"), names)  # noqa: S102  (our own)
        parts = self._subject.parts() if self._subject is not None else {}
        return messages.Inspected(
            names["describe"]({"worker": self, "line": self._connection, **parts})
        )

    def _rest(self) -> messages.Rested:
        """Let go of the arrays, in torch's own stock of device memory too."""
        from lnbench.measure.devices import release_memory

        if self._subject is not None:
            self._subject.close()
        self._subject = None
        gc.collect()
        release_memory()
        return messages.Rested()

    @functools.cached_property
    def _referee(self) -> "Referee":
        from lnbench.measure.referee import Referee

        return Referee()

    @property
    def _prepared(self) -> "Subject":
        if self._subject is None:
            raise RuntimeError("asked to measure before it was asked to prepare")
        return self._subject


def run(descriptor: int, log: str, parent: int) -> NoReturn:
    """Be a worker on an inherited descriptor, and exit at once at the end."""
    status = 1
    try:
        _isolate(log, parent)
        Worker().serve(Connection(descriptor))
        status = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # A plug-in's exit handlers and threads are none of the session's business.
        os._exit(status)


def _isolate(log: str, parent: int) -> None:
    """Send what a plug-in prints to a log, leave Ctrl-C to the session, and die with the parent."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    faulthandler.enable(all_threads=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # the first that the kernel kills


def die_with_parent(parent: int) -> None:
    """Have Linux kill this process when its parent dies; elsewhere only the session does."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)


def _limit_memory(size: int | None) -> None:
    """Let an allocation beyond the limit fail, before the machine starts to swap or kill."""
    if size is not None and sys.platform.startswith("linux"):
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        soft = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _last_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {_text(error)[:400]}{_place(error)}"


def _text(error: BaseException) -> str:
    """Return what an exception says, in characters that every file can hold."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  (a plug-in's exception may not even say what it is)
        text = "it cannot say what is wrong"
    return text.encode("utf-8", "replace").decode() or "no message"


def _place(error: BaseException) -> str:
    """Return where in a file that is neither lnbench's nor installed an exception was raised."""
    own = (str(_PACKAGE), *map(str, (sys.prefix, sys.base_prefix)), "<")
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if not frame.filename.startswith(own)]
    if not outside or isinstance(error, SystemExit):
        return ""
    last = outside[-1]
    return f" ({Path(last.filename).name}, line {last.lineno})"


if __name__ == "__main__":
    overlay.enter()
    run(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
