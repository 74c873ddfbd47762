"""The workers of one pass: a new one for each row, on CUDA one that serves all cases of a backend.

A context of CUDA takes about a second and a forked process of the CPU 14 ms, while what ran before
in a process changes a CPU row by up to five times (docs/method.md): each device has the workers
that cost least and disturb nothing.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from lnbench.measure import messages
from lnbench.plan.case import Case
from lnbench.workers.handle import WorkerError, WorkerHandle
from lnbench.workers.launcher import Interpreter, Launcher, without_dead

_REST_LIMIT_S = 30.0


def shared_by_cases(case: Case) -> bool:
    """Return whether one worker serves all cases of a pass that are like this one."""
    return case.device_type == "cuda"


class PassWorkers:
    """Starts the workers of a pass, and ends them with it.

    Args:
        launchers: where workers of each side come from; those that make inputs are of the side "".
        interpreters: what takes the place of a launcher that has died, by side.
        folder: where their logs go.
    """

    def __init__(
        self,
        launchers: Mapping[str, Launcher],
        interpreters: Mapping[str, Interpreter],
        folder: Path,
    ) -> None:
        self._launchers, self._interpreters, self._folder = dict(launchers), interpreters, folder
        self._resting: dict[str, WorkerHandle] = {}
        self._started = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._resting.values():
            worker.end()

    def spawned(self, side: str) -> str | None:
        """Return why the workers of a side are started anew, empty if asked for; None if forked."""
        launcher = self._launcher(side)
        return launcher.obstacle if isinstance(launcher, Interpreter) else None

    @contextlib.contextmanager
    def lent(self, side: str, name: str, case: Case) -> Iterator[WorkerHandle]:
        """Lend a worker to a row of that name; WorkerError where none can be had."""
        worker = self._lend(side, name, case)
        try:
            yield worker
        finally:
            self._take_back(name, case, worker)

    def _lend(self, side: str, name: str, case: Case) -> WorkerHandle:
        resting = self._resting.pop(name, None) if shared_by_cases(case) else None
        if resting is not None:
            if resting.alive:
                return resting
            resting.end()
        self._started += 1
        return self._launcher(side).start(self._folder / f"{name}-{self._started}.log")

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

    def _launcher(self, side: str) -> Launcher:
        self._launchers[side] = without_dead(self._launchers[side], self._interpreters[side])
        return self._launchers[side]
