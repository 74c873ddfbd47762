"""Cases in, outcomes out: passes around cases, so that each row sees every state of the machine."""

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from lnbench import registry
from lnbench.measure import shared
from lnbench.measure.home import Home, settle
from lnbench.measure.pass_workers import PassWorkers
from lnbench.measure.row import Row, known, restored
from lnbench.measure.visit import Setting, Visit, clear
from lnbench.plan.budget import Budget
from lnbench.plan.case import Benchmark, Case
from lnbench.record.outcome import Outcome, Stopped

NURSERY_PASSES = 4
"""Passes before a new nursery: forks share their parent's luck with addresses and heap."""

Stop = Callable[[tuple[tuple[float, ...], ...], Budget], bool]
"""Whether the times of a row, one tuple a pass, are precise enough."""


class Progress(msgspec.Struct, frozen=True):
    """Where a session stands after a case."""

    outcomes: tuple[Outcome, ...]
    """What is known of every benchmark, in the order given; unknown ones are missing."""
    done: int
    """Rows that want no further pass."""
    total: int
    """Rows in all."""
    passes: int
    """Passes begun."""
    case: Case | None
    """The case that was just visited; None at the start."""
    left_s: float
    """Seconds that the rest may take, from the cases so far; an upper bound."""


def run(
    benchmarks: Sequence[Benchmark],
    setting: Setting,
    stop: Stop,
    *,
    spawn: bool = False,
    unable: Iterable[Outcome] = (),
    resume: Iterable[Outcome] = (),
) -> Iterator[Progress]:
    """Measure benchmarks, yielding all outcomes so far after each case.

    Args:
        benchmarks: what to time, the backends of one case side by side.
        setting: what holds for the whole session.
        stop: whether a row is precise enough.
        spawn: start each worker anew instead of forking it.
        unable: outcomes known beforehand, such as backends that are not available.
        resume: outcomes of an earlier session to go on from.
    """
    session = _Session(benchmarks, setting, stop, known(resume, unable))
    yield session.progress(None)
    with ExitStack() as stack:
        folder = stack.enter_context(shared.folder(session.largest_bytes()))
        nurseries = stack.enter_context(ExitStack())
        home: Home = setting.ground
        for number in itertools.count():
            cases = session.open_cases()
            if not cases:
                return
            if not spawn and number % NURSERY_PASSES == 0:
                nurseries.close()
                (home,) = settle(session.backends(), (setting.ground,), nurseries)
            with PassWorkers({"": home}, {"": setting.ground}, folder) as workers:
                for case in cases:
                    if session.out_of_time():
                        return
                    session.visit(case, workers, folder)
                    yield session.progress(case)


class _Session:
    """The rows of a session, and when each has had enough."""

    def __init__(
        self,
        benchmarks: Sequence[Benchmark],
        setting: Setting,
        stop: Stop,
        outcomes: Iterable[Outcome],
    ) -> None:
        found = {outcome.benchmark: outcome for outcome in outcomes}
        asked = {each.case for each in benchmarks if each.backend != registry.SPEED_LIMIT}
        self._rows = [
            restored(
                each,
                is_limit=each.backend == registry.SPEED_LIMIT and each.case in asked,
                outcome=found.get(each),
            )
            for each in benchmarks
        ]
        self._setting = setting
        self._stop = stop
        self._rng = random.Random(setting.seed)  # noqa: S311  (an order, not a secret)
        self._started = time.monotonic()
        self._spent: dict[Case, float] = {}
        self._cases: dict[Case, list[Row]] = {}
        for row in self._rows:
            self._cases.setdefault(row.benchmark.case, []).append(row)
        self._close_limits()

    def open_cases(self) -> list[Case]:
        """Return the cases with a row that wants another pass, in a fresh random order."""
        cases = [case for case, rows in self._cases.items() if any(row.open for row in rows)]
        self._rng.shuffle(cases)
        return cases

    def backends(self) -> tuple[str, ...]:
        """Return the backends that are left."""
        return tuple(sorted({row.benchmark.backend for row in self._rows if row.open}))

    def visit(self, case: Case, workers: PassWorkers, folder: Path) -> None:
        """Take one pass of a case, and close the rows that have had enough."""
        rows = [row for row in self._cases[case] if row.open]
        beside, refusal = self._setting.room(case, len(rows))
        start = time.monotonic()
        if refusal:
            for row in rows:
                row.skip(refusal)
        else:
            try:
                Visit(self._setting, rows, workers, folder, self._rng).take(beside)
            finally:
                clear(folder)
        self._spent[case] = time.monotonic() - start
        for row in rows:
            self._close(row)
        self._close_limits()

    def out_of_time(self) -> bool:
        """Return whether the whole run has had its time; what is open stays so, for `--resume`."""
        limit = self._setting.budget.max_time_s
        return limit is not None and time.monotonic() - self._started >= limit

    def progress(self, case: Case | None) -> Progress:
        """Return where the session stands."""
        outcomes = [row.outcome() for row in self._rows]
        return Progress(
            outcomes=tuple(outcome for outcome in outcomes if outcome is not None),
            done=sum(not row.open for row in self._rows),
            total=len(self._rows),
            passes=max((row.passes for row in self._rows), default=0),
            case=case,
            left_s=self._left_s(),
        )

    def largest_bytes(self) -> int:
        """Return what the largest case needs in shared arrays, as an order of magnitude."""
        return max(
            (registry.operation(case.operation).memory_bytes(case) for case in self._cases),
            default=0,
        )

    def _close(self, row: Row) -> None:
        """Say why a row wants no further pass, if it does not."""
        budget = self._setting.budget
        if not row.open or row.is_limit:
            return
        if self._stop(row.times_s, budget):
            row.stopped = Stopped.PRECISION
        elif row.passes >= budget.passes:
            row.stopped = Stopped.PASSES
        elif row.spent_s >= budget.time_s:
            row.stopped = Stopped.TIME

    def _close_limits(self) -> None:
        """Close the speed limit of each case in which no other row is open, once it has times."""
        for rows in self._cases.values():
            others = [row for row in rows if not row.is_limit]
            for row in rows:
                if row.is_limit and row.open and not any(each.open for each in others):
                    reasons = [each.stopped for each in others if each.stopped is not None]
                    if any(row.samples):
                        row.stopped = reasons[-1] if reasons else Stopped.PASSES

    def _left_s(self) -> float:
        budget = self._setting.budget
        # The last visit of a case counts: the first one also compiles and makes the truth.
        known = list(self._spent.values())
        typical = sum(known) / len(known) if known else 0.0
        left = 0.0
        for case, rows in self._cases.items():
            passes = max((budget.passes - row.passes for row in rows if row.open), default=0)
            left += passes * self._spent.get(case, typical)
        if budget.max_time_s is not None:
            left = min(left, budget.max_time_s - (time.monotonic() - self._started))
        return max(0.0, left)
