"""A pass of a group: every row in a process of its own, side by side, sampled in rounds."""

import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType

import msgspec

from lnbench.measure import messages, shared
from lnbench.plan.budget import Budget
from lnbench.plan.case import Case
from lnbench.record.outcome import CaveatKind, Stage
from lnbench.session import memory
from lnbench.session.ledger import Ledger
from lnbench.workers.handle import WorkerError, WorkerHandle
from lnbench.workers.pass_workers import PassWorkers, shared_by_cases


class Setting(msgspec.Struct, frozen=True):
    """What holds for a whole session."""

    budget: Budget
    seed: int
    threads: int
    memory_bytes: int | None = None
    """Most memory that one worker may take on the CPU; None for no limit."""
    device_bytes: Mapping[str, int] = MappingProxyType({})
    """Memory that was free on each accelerator, by name, where it was asked."""

    def fit(self, case: Case, backends: int) -> memory.MemoryFit:
        """Return how many backends of a case fit beside each other, and why if none does."""
        return memory.fit(case, backends, self.device_bytes)


class Block:
    """Takes one pass of a group; a worker's failure ends its row, not the pass.

    Each row's worker is one of its side, that of the inputs and their truth one of the side "".
    """

    def __init__(
        self,
        setting: Setting,
        rows: Sequence[Ledger],
        workers: PassWorkers,
        folder: Path,
        rng: random.Random,
    ) -> None:
        self._setting = setting
        self._rows = list(rows)
        self._case: Case = rows[0].benchmark.case
        self._workers = workers
        self._folder = folder
        self._rng = rng
        self._torch_errors: dict[str, float] | None = None

    def take(self, concurrent: int) -> None:
        """Take the pass, with at most so many workers alive together."""
        self._rng.shuffle(self._rows)
        for row in self._rows:
            row.begin_pass()
        # Whole outputs are compared in a row's first process; later ones are held to its checksum.
        if not self._make_inputs(truth=any(row.checksum is None for row in self._rows)):
            return
        if concurrent >= len(self._rows):
            self._take_together(self._rows)
            return
        for row in self._rows:
            row.caution(CaveatKind.SEQUENTIAL)
            self._take_together([row])

    def _take_together(self, rows: Sequence[Ledger]) -> None:
        with ExitStack() as stack:
            workers: dict[str, tuple[Ledger, WorkerHandle]] = {}
            for row in rows:
                worker = self._ready(row, stack)
                if worker is not None:
                    workers[row.name] = (row, worker)
            _share_iterations(rows)
            for number in range(self._setting.budget.rounds):
                order = [pair for pair in workers.values() if pair[0].ended is None]
                self._rng.shuffle(order)
                for row, worker in order:
                    if row.name in workers and not self._sample(row, worker, number):
                        del workers[row.name]
            for row, worker in workers.values():
                self._finish(row, worker)

    def _make_inputs(self, *, truth: bool) -> bool:
        """Write what is not there of inputs, and of truth; a failure there fails every row."""
        if shared.written(self._folder / "inputs") and not truth:
            return True
        request = messages.MakeInputs(self._case, self._setting.seed, str(self._folder), truth)
        with ExitStack() as stack:
            try:
                worker = stack.enter_context(self._workers.lent("", "inputs", self._case))
                made = worker.ask(request, messages.InputsMade, self._setting.budget.timeout_s)
            except WorkerError as error:
                for row in self._rows:
                    row.fail(Stage.PREPARE, f"inputs: {error}")
                return False
        self._torch_errors = made.torch_errors if truth else None
        return True

    def _ready(self, row: Ledger, stack: ExitStack) -> WorkerHandle | None:
        """Return a stopped worker whose routine is right; None where it is not."""
        limit = self._setting.budget.timeout_s
        with _Guard(row, Stage.PREPARE):
            if (why := self._workers.spawned(row.side)) is not None:
                row.caution(CaveatKind.SPAWNED, why and f"the nursery must not fork: {why}")
            worker = stack.enter_context(self._workers.lent(row.side, row.name, self._case))
            whole = row.checksum is None
            request = messages.Prepare(
                benchmark=row.benchmark,
                folder=str(self._folder),
                threads=self._setting.threads,
                torch_errors=self._torch_errors if whole else None,
                iterations=row.iterations,
                slowdown=row.slowdown,
                clock=row.clock_beside(self._rows),
                memory_bytes=self._setting.memory_bytes if self._case.device == "cpu" else None,
            )
            prepared = worker.ask(request, messages.Prepared, limit)
            row.prepared(prepared)
            if shared_by_cases(self._case):
                row.details["process"] = "serves all cases of a pass"
            if prepared.agreement is not None:
                row.agreed(prepared.agreement, prepared.checksum)
            elif prepared.checksum != row.checksum:
                self._verify(row, worker)
            worker.stop()
            return worker
        return None

    def _sample(self, row: Ledger, worker: WorkerHandle, number: int) -> bool:
        with _Guard(row, Stage.MEASURE):
            sample = worker.ask(
                messages.TakeSample(row.iterations),
                messages.Sampled,
                self._setting.budget.timeout_s,
            )
            worker.stop()
            row.sampled(number, sample)
            return True
        return False

    def _finish(self, row: Ledger, worker: WorkerHandle) -> None:
        """Compare one more call with what was verified; a result that drifted fails the row."""
        with _Guard(row, Stage.VERIFY):
            limit = self._setting.budget.timeout_s
            unknown = self._case.device_type != "cpu" and "kernels" not in row.details
            request = messages.Finish(count_kernels=unknown)
            finished = worker.ask(request, messages.Finished, limit)
            if finished.kernels is not None:
                row.details["kernels"] = finished.kernels
            if finished.checksum != row.checksum:
                self._verify(row, worker)
            worker.stop()

    def _verify(self, row: Ledger, worker: WorkerHandle) -> None:
        """Have whole outputs compared, after making the truth where it is gone."""
        if self._torch_errors is None and not self._make_inputs(truth=True):
            return
        verified = worker.ask(
            messages.Verify(self._torch_errors or {}),
            messages.Verified,
            self._setting.budget.timeout_s,
        )
        row.agreed(verified.agreement, verified.checksum)


def _share_iterations(rows: Sequence[Ledger]) -> None:
    """Give both sides of one benchmark samples of the same number of calls.

    Each has its own number by a noisy clock, and the first call of a sample is not like the others.
    """
    for row in rows:
        numbers = [side.iterations or 0 for side in rows if side.benchmark == row.benchmark]
        row.iterations = max(numbers) or row.iterations


class _Guard:
    """Turns the failure of a row's worker into the row's."""

    def __init__(self, row: Ledger, stage: Stage) -> None:
        self._row = row
        self._stage = stage

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, WorkerError):
            return False
        if error.refused is not None and error.refused.unsupported:
            self._row.skip(str(error))
        elif error.refused is not None and error.refused.stage is not Stage.MEASURE:
            self._row.fail(error.refused.stage, str(error))
        else:
            self._row.lose_pass(error.refused.stage if error.refused else self._stage, str(error))
        return True
