"""A pass of a group: every row in a process of its own, side by side, sampled in rounds."""

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from lnbench import activity, registry
from lnbench.measure import energy, messages, shared
from lnbench.measure.shared import INPUTS
from lnbench.plan.case import Case
from lnbench.record.outcome import CaveatKind, Stage
from lnbench.session.guard import Guard
from lnbench.session.ledger import Ledger
from lnbench.session.second_clock import (
    CLOCK_PASSES,
    WATCHED_PASSES,
    clock_problem,
    new_row,
    sample_problem,
)
from lnbench.session.setting import Setting
from lnbench.session.taker import Taker
from lnbench.workers.handle import WorkerError
from lnbench.workers.pass_workers import PassWorkers, shared_by_cases


class Block:
    """Takes one pass of a group; a worker's failure ends its row, not the pass.

    Each row's worker is one of its side; the referee makes the inputs and compares the outputs.
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
        self._knows_truth = False
        self._limit_s = setting.budget.timeout_s
        operation = registry.operation(self._case.operation)
        self._by_row = operation.rows_stand_alone
        own = type(operation).__module__.startswith("lnbench.")  # others may name inputs otherwise
        self._writable = own and self._case.rows * self._case.columns

    def take(self, concurrent: int) -> None:
        """Take the pass, with at most so many workers alive together."""
        self._rng.shuffle(self._rows)
        for row in self._rows:
            row.begin_pass()
        # Whole outputs are compared in a row's first process; later ones are held to its checksum.
        if not self.make_inputs(truth=any(row.checksum is None for row in self._rows)):
            return
        if concurrent >= len(self._rows):
            self._take_together(self._rows)
            return
        for row in self._rows:
            row.caution(CaveatKind.SEQUENTIAL)
            self._take_together([row])

    def _take_together(self, rows: Sequence[Ledger]) -> None:
        with ExitStack() as stack:
            taken: dict[str, Taker] = {}
            for row in rows:
                taker = self.ready(row, stack)
                if taker is not None:
                    taken[row.name] = taker
            _share_iterations(rows)
            self._take_rounds(taken)
            for taker in taken.values():
                self._finish(taker)
            if not shared_by_cases(self._case):
                for taker in taken.values():  # side by side: each takes 8 ms to give memory back
                    taker.worker.kill()

    def _take_rounds(self, taken: dict[str, Taker]) -> None:
        rounds = self._setting.budget.rounds
        for number in range(rounds):
            order = [taker for taker in taken.values() if taker.row.ended is None]
            self._rng.shuffle(order)
            for taker in order:
                if not self._sample(taker, number, last=number == rounds - 1):
                    del taken[taker.row.name]

    def make_inputs(self, *, truth: bool) -> bool:
        """Write what is not there of inputs, and of truth; a failure there fails every row."""
        if shared.written(self._folder / INPUTS) and not truth:
            return True
        request = messages.MakeInputs(self._case, self._setting.seed, str(self._folder), truth)
        try:
            with activity.doing("making inputs and the truth"):
                made = self._workers.referee.ask(request, messages.InputsMade, self._limit_s)
        except WorkerError as error:
            for row in self._rows:
                row.fail(Stage.PREPARE, f"inputs: {error}")
            return False
        self._knows_truth = truth
        for row in self._rows if truth else ():
            row.torch_errors = made.torch_errors
        return True

    def ready(self, row: Ledger, stack: ExitStack) -> Taker | None:
        """Return a stopped worker whose routine is right; None where it is not."""
        with Guard(row, Stage.PREPARE):
            if (why := self._workers.spawned(row.home)) is not None:
                row.caution(CaveatKind.SPAWNED, why and f"the nursery must not fork: {why}")
            worker = stack.enter_context(self._workers.lent(row.home, row.name, self._case))
            whole, results = row.checksum is None, self._folder / f"results-{row.name}"
            request = messages.Prepare(
                benchmark=row.benchmark,
                folder=str(self._folder),
                results=str(results) if whole else "",
                threads=self._setting.threads,
                iterations=row.iterations,
                slowdown=row.slowdown,
                clock=row.clock_beside(self._rows),
                memory_bytes=self._setting.memory_bytes if self._case.device == "cpu" else None,
            )
            with activity.doing(f"first call of {row.name}"):
                prepared = worker.ask(request, messages.Prepared, self._limit_s)
            worker.stop()
            # Who wrote a kernel for one process may know which one it is in.
            threads, sums = self._setting.threads, prepared.sums
            taker = Taker(row, worker, results, threads, prepared.watched, whole, sums)
            if not (whole or taker.foreign):
                taker.watched &= not self._rng.randrange(WATCHED_PASSES)
            row.prepared(prepared)
            unable = self._writable and not prepared.watched
            if unable and not taker.plug_in:
                row.fail(Stage.PREPARE, "its inputs cannot be written: the harness was changed")
                return None
            if shared_by_cases(self._case):
                row.details["process"] = "serves all cases of a pass"
            if whole:
                self._compare(taker, prepared.checksum)
            elif prepared.checksum != row.checksum:
                self._verify(taker)
            return taker if row.ended is None else None
        return None

    def _sample(self, taker: Taker, number: int, *, last: bool) -> bool:
        row = taker.row
        with Guard(row, Stage.MEASURE):
            new = None
            if taker.watched and (self._by_row or last):
                new = new_row(self._case.rows, self._rng, whole=last)
            request = messages.TakeSample(row.iterations, new, last, str(taker.results))
            with activity.timing():
                begun = time.monotonic()
                sample = taker.worker.ask(request, messages.Sampled, self._limit_s)
                passed_s = time.monotonic() - begun
                taker.worker.stop()
            if problem := sample_problem(row, sample, passed_s):
                row.fail(Stage.MEASURE, problem)
                return False
            taker.sampled(new, sample)
            row.sampled(number, sample)
            return True
        return False

    def _finish(self, taker: Taker) -> None:
        """Have the referee look at what samples returned, and at a call after them."""
        row, worker = taker.row, taker.worker
        with Guard(row, Stage.VERIFY):
            if taker.watched and not self._by_row and not self._kept(taker):
                return
            often = WATCHED_PASSES if taker.foreign else CLOCK_PASSES
            looked = taker.first or not self._rng.randrange(often)
            with activity.timing():
                problem = looked and clock_problem(taker, self._case, self._limit_s, self._rng)
            if problem:
                row.fail(Stage.MEASURE, problem)
                return
            unknown = self._case.device_type != "cpu" and "kernels" not in row.details
            closely = looked and not registry.is_limit(row.benchmark.backend)
            inspected = taker.foreign and (looked or taker.watched)
            if inspected and (done := self._workers.changes(row.home, worker, self._limit_s)):
                row.fail(Stage.VERIFY, f"{row.benchmark.backend} {', '.join(done)}")
                return
            if self._setting.energy and taker.first and not row.energy_j:
                self._measure_energy(taker)
            request = messages.Finish(unknown, closely)
            finished = worker.ask(request, messages.Finished, self._limit_s)
            worker.stop()
            if finished.kernels is not None:
                row.details["kernels"] = finished.kernels
            if self._by_row and taker.rows and not self._kept(taker):
                return
            if finished.checksum != row.checksum:
                self._verify(taker)

    def _measure_energy(self, taker: Taker) -> None:
        """Have a row's energy measured, while every other worker is stopped."""
        with activity.doing(f"energy of {taker.row.name}"):
            answer = messages.EnergyMeasured
            limit_s = self._limit_s + energy.WHOLE_S
            found = taker.worker.ask(messages.MeasureEnergy(), answer, limit_s)
        taker.worker.stop()
        taker.row.energy_j = found.joules
        if found.reason:
            taker.row.caution(CaveatKind.NO_ENERGY, found.reason)

    def _kept(self, taker: Taker) -> bool:
        """Return whether what samples returned follows from what they were given."""
        row = taker.row
        if taker.kept is not None:
            if taker.kept == row.other_checksum:
                shared.clear(taker.results)
                return True
            return self._compare(taker, taker.kept, other=True)
        request = messages.CompareRows(
            benchmark=row.benchmark,
            folder=str(self._folder),
            rows=tuple(taker.rows),
            sums=taker.sums if taker.watched else {},
            torch_errors=row.torch_errors,
        )
        found = self._workers.referee.ask(request, messages.Compared, self._limit_s)
        if found.error:
            row.fail(Stage.VERIFY, found.error)
        return not found.error

    def _verify(self, taker: Taker) -> None:
        """Have the outputs of a call compared whole, after making the truth where it is gone."""
        request = messages.Deliver(str(taker.results))
        delivered = taker.worker.ask(request, messages.Delivered, self._limit_s)
        taker.worker.stop()
        self._compare(taker, delivered.checksum)

    def _compare(self, taker: Taker, checksum: int, *, other: bool = False) -> bool:
        """Have delivered outputs compared with the truth; return whether they may be timed."""
        row = taker.row
        if not self._knows_truth and not self.make_inputs(truth=True):
            return False
        request = messages.Compare(row.benchmark, str(taker.results), other)
        found = self._workers.referee.ask(request, messages.Compared, self._limit_s)
        if found.agreement is None:
            row.fail(Stage.VERIFY, found.error)
            return False
        if other:
            row.other_checksum = checksum
        else:
            row.agreed(found.agreement, checksum)
        return True


def _share_iterations(rows: Sequence[Ledger]) -> None:
    """Give both sides of one benchmark samples of the same number of calls.

    Each has its own number by a noisy clock, and the first call of a sample is not like the others.
    """
    for row in rows:
        numbers = [side.iterations or 0 for side in rows if side.benchmark == row.benchmark]
        row.iterations = max(numbers) or row.iterations
