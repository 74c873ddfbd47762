"""The workers of one pass: a new one for each row, on CUDA one that serves all cases of a backend.

A context of CUDA takes about a second and a forked process of the CPU 14 ms, while what ran before
in a process changes a CPU row by up to five times (docs/method.md): each device has the workers
that cost least and disturb nothing.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from lnbench.measure import inspection, messages
from lnbench.measure.messages import Reply, Request
from lnbench.plan.case import Case
from lnbench.workers.handle import WorkerError, WorkerHandle
from lnbench.workers.launcher import Interpreter, Launcher, without_dead

_REST_LIMIT_S = 30.0

_Answer = TypeVar("_Answer", bound=Reply)


class Home(NamedTuple):
    """Where the workers of a row come from: backends that are not lnbench's have one each."""

    side: str = ""
    """`baseline` or `candidate` where sides have interpreters of their own, else empty."""
    owner: str = ""
    """The plug-in that is loaded there; empty for all that comes with lnbench."""


def shared_by_cases(case: Case) -> bool:
    """Return whether one worker serves all cases of a pass that are like this one."""
    return case.device_type == "cuda"


class PassWorkers:
    """Starts the workers of a pass, and ends them with it.

    Args:
        launchers: where workers come from.
        interpreters: what takes the place of a launcher that has died, by side.
        folder: where their logs go.
        referee: who makes inputs and compares outputs in this pass.
    """

    def __init__(
        self,
        launchers: Mapping[Home, Launcher],
        interpreters: Mapping[str, Interpreter],
        folder: Path,
        referee: "RefereeProcess",
    ) -> None:
        self._launchers, self._interpreters, self._folder = dict(launchers), interpreters, folder
        self.referee = referee
        self._resting: dict[str, WorkerHandle] = {}
        self._started = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._resting.values():
            worker.end()

    def spawned(self, home: Home) -> str | None:
        """Return why the workers of a home are started anew, empty if asked for; None if forked."""
        launcher = self._launcher(home)
        return launcher.obstacle if isinstance(launcher, Interpreter) else None

    def changes(self, home: Home, worker: WorkerHandle, limit_s: float) -> list[str]:
        """Return what was done to the process of a worker of that home, in words."""
        own = self._interpreters[""]
        apart = self._interpreters.get(home.side, own) is not own
        return self.referee.changes(worker, limit_s, apart=apart)

    @contextlib.contextmanager
    def lent(self, home: Home, name: str, case: Case) -> Iterator[WorkerHandle]:
        """Lend a worker to a row of that name; WorkerError where none can be had."""
        worker = self._lend(home, name, case)
        try:
            yield worker
        finally:
            self._take_back(name, case, worker)

    def _lend(self, home: Home, name: str, case: Case) -> WorkerHandle:
        resting = self._resting.pop(name, None) if shared_by_cases(case) else None
        if resting is not None:
            if resting.alive:
                return resting
            resting.end()
        self._started += 1
        return self._launcher(home).start(self._folder / f"{name}-{self._started}.log")

    def _take_back(self, name: str, case: Case, worker: WorkerHandle) -> None:
        """Let a worker rest until the next case, if it may serve that and nothing went wrong."""
        if shared_by_cases(case) and worker.intact:
            with contextlib.suppress(WorkerError):
                worker.ask(messages.Rest(), messages.Rested, _REST_LIMIT_S)
                worker.stop()
                worker.forget_log()
                self._resting[name] = worker
                return
        worker.end()

    def _launcher(self, home: Home) -> Launcher:
        launcher = without_dead(self._launchers[home], self._interpreters[home.side])
        self._launchers[home] = launcher
        return launcher


class RefereeProcess:
    """The process that makes inputs and compares outputs, started anew where it has died.

    Args:
        launcher: that of lnbench's own backends, which no plug-in is in.
        interpreter: what takes the place of a launcher that has died.
        folder: where its log goes.
    """

    def __init__(self, launcher: Launcher, interpreter: Interpreter, folder: Path) -> None:
        self._launcher, self._interpreter, self._folder = launcher, interpreter, folder
        self._process: WorkerHandle | None = None
        self._words: dict[tuple[str, ...], Mapping[str, str]] = {}

    def ask(self, request: Request, answer: type[_Answer], limit_s: float) -> _Answer:
        """Return its answer; WorkerError where it gives none, also when it is asked anew."""
        if self._process is not None:
            try:
                return self._process.ask(request, answer, limit_s)
            except WorkerError as error:
                if error.refused is not None:
                    raise
        self.close()
        self._launcher = without_dead(self._launcher, self._interpreter)
        self._process = self._launcher.start(self._folder / "referee.log")
        return self._process.ask(request, answer, limit_s)

    def changes(self, worker: WorkerHandle, limit_s: float, *, apart: bool) -> list[str]:
        """Return what was done to a worker's process that was not to this one, in words.

        WorkerError where either does not say. `apart` is one of a side with its own interpreter.
        """
        found = worker.ask(messages.Inspect(inspection.SOURCE), messages.Inspected, limit_s).words
        worker.stop()
        modules = inspection.known(found)
        if modules not in self._words:
            request = messages.Inspect(inspection.SOURCE, modules)
            self._words[modules] = self.ask(request, messages.Inspected, limit_s).words
        return inspection.changes(found, self._words[modules], apart=apart)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.end()
        self._process = None
