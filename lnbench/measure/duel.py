"""Two sides in one session: pairs of processes, side by side, until each row is decided."""

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from lnbench import registry
from lnbench.measure import shared
from lnbench.measure.contest import NAMES, Contest, Match
from lnbench.measure.home import Ground, Home, settle
from lnbench.measure.pass_workers import PassWorkers
from lnbench.measure.row import known
from lnbench.measure.session import NURSERY_PASSES, Progress
from lnbench.measure.sides import Side
from lnbench.measure.visit import Setting, Visit, clear
from lnbench.plan.case import Case
from lnbench.record.outcome import Measured, Outcome, Stopped

_LARGEST_PADDING = 4096  # a page: the stack of a process begins where its variables end

Decide = Callable[[Measured, Measured], bool]
"""Whether the pairs of a row show what there is to show."""


def run(
    matches: Sequence[Match],
    sides: tuple[Side, Side],
    setting: Setting,
    looks: Sequence[int],
    decide: Decide,
    *,
    spawn: bool = False,
    unable: Iterable[Outcome] = (),
    resume: Iterable[Outcome] = (),
) -> Iterator[Progress]:
    """Measure pairs, yielding all outcomes so far after each visit of a row.

    Args:
        matches: the rows.
        sides: baseline and candidate.
        setting: what holds for the whole session; its budget's `time_s` is a row's.
        looks: numbers of pairs at which a row may be decided, ascending; the last ends it.
        decide: whether a row is decided.
        spawn: start each worker anew instead of forking it.
        unable: outcomes known beforehand, such as backends that a side does not have.
        resume: outcomes of an earlier session to go on from.
    """
    duel = _Duel(matches, sides, setting, looks, decide, known(resume, unable))
    yield duel.progress(None)
    with ExitStack() as stack:
        folder = stack.enter_context(shared.folder(duel.largest_bytes()))
        nurseries = stack.enter_context(ExitStack())
        homes: dict[str, Home] = {}
        for number in itertools.count():
            rows = duel.open_rows()
            if not rows:
                return
            if duel.wants_new_homes(number):
                nurseries.close()
                homes = duel.homes(nurseries, spawn=spawn)
            with PassWorkers(homes, duel.grounds, folder) as workers:
                for row in rows:
                    duel.visit(row, workers, folder)
                    yield duel.progress(row.case)


class _Duel:
    """The rows of a session of two sides."""

    def __init__(
        self,
        matches: Sequence[Match],
        sides: tuple[Side, Side],
        setting: Setting,
        looks: Sequence[int],
        decide: Decide,
        outcomes: Sequence[Outcome],
    ) -> None:
        self._sides, self._setting, self._decide = sides, setting, decide
        self.grounds: dict[str, Ground] = {"": setting.ground}
        """What the workers of each side run under, and with "" those that make the inputs."""
        self.grounds.update(zip(NAMES, (side.ground for side in sides), strict=True))
        self._looks = tuple(looks)
        self._started = time.monotonic()
        slowdowns = (sides[0].spec.slowdown, sides[1].spec.slowdown)
        found = {(each.benchmark, each.side): each for each in outcomes}
        self._contests = [Contest(match, slowdowns, found) for match in matches]
        # A session that goes on must not draw the orders of its first pairs once more.
        taken = sum(contest.rows[0].passes for contest in self._contests)
        self._rng = random.Random(f"{setting.seed}/{taken}")  # noqa: S311  (no secret)

    def open_rows(self) -> list[Contest]:
        """Return the rows that want another pair, in a fresh random order."""
        rows = [contest for contest in self._contests if contest.open]
        self._rng.shuffle(rows)
        return rows

    def wants_new_homes(self, number: int) -> bool:
        """Return whether this pass begins with new nurseries.

        An interpreter's luck is mixed up with a side that has it to itself: then every pass.
        """
        return any(side.apart for side in self._sides) or number % NURSERY_PASSES == 0

    def homes(self, stack: ExitStack, *, spawn: bool) -> dict[str, Home]:
        """Return what starts the workers of each side, and in "" those that make the inputs."""
        own = self._setting.ground
        names = sorted({row.benchmark.backend for each in self._contests for row in each.rows})
        if not any(side.apart for side in self._sides):
            (home,) = (own,) if spawn else settle(names, (own,), stack)
            return dict.fromkeys(("", *NAMES), home)
        grounds = {name: self._padded(self.grounds[name]) for name in NAMES}
        order = self._rng.sample(NAMES, 2)  # whoever comes first is favoured
        wanted: dict[str, Ground] = {"": own}
        wanted.update((name, grounds[name]) for name in order)
        if spawn:
            return {**wanted}
        started = time.monotonic()
        homes = settle(names, tuple(wanted.values()), stack)
        rows = [contest for contest in self._contests if contest.open]
        for contest in rows:
            contest.spent_s += (time.monotonic() - started) / len(rows)
        return dict(zip(wanted, homes, strict=True))

    def visit(self, contest: Contest, workers: PassWorkers, folder: Path) -> None:
        """Take one pair of a row, and close it where it has had enough."""
        if self._out_of_time():
            contest.close(Stopped.TIME)
            return
        beside, refusal = self._setting.room(contest.case, len(contest.rows))
        start = time.monotonic()
        if refusal:
            for row in contest.rows:
                row.skip(refusal)
        else:
            try:
                Visit(self._setting, contest.rows, workers, folder, self._rng).take(beside)
            finally:
                clear(folder)
        contest.spent_s += time.monotonic() - start
        if contest.open:
            self._look(contest)

    def progress(self, case: Case | None) -> Progress:
        """Return where the session stands."""
        rows = [row for contest in self._contests for row in contest.rows]
        outcomes = [row.outcome() for row in rows]
        return Progress(
            outcomes=tuple(outcome for outcome in outcomes if outcome is not None),
            done=sum(not contest.open for contest in self._contests),
            total=len(self._contests),
            passes=max((row.passes for row in rows), default=0),
            case=case,
            left_s=self._left_s(),
        )

    def largest_bytes(self) -> int:
        """Return what the largest case needs in shared arrays, as an order of magnitude."""
        cases = {contest.case for contest in self._contests}
        sizes = (registry.operation(case.operation).memory_bytes(case) for case in cases)
        return max(sizes, default=0)

    def _look(self, contest: Contest) -> None:
        """Close a row that is decided at this number of pairs, or has had all of its time."""
        baseline, candidate = (row.outcome() for row in contest.rows)
        pairs = contest.rows[0].passes
        if pairs >= self._looks[-1]:
            why = Stopped.PASSES
        elif contest.spent_s >= self._setting.budget.time_s or self._out_of_time():
            why = Stopped.TIME
        elif pairs in self._looks:
            why = None
        else:
            return
        match baseline, candidate:
            case Measured(), Measured() if self._decide(baseline, candidate):
                why = Stopped.DECIDED
        if why is not None:
            contest.close(why)

    def _padded(self, ground: Ground) -> Ground:
        """Return a side's ground with a little more in its variables: another place in memory.

        The length of a path shifts the stack of its interpreter, and with it every time of a
        side (Mytkowicz et al. 2009); drawn anew for each pass, it is noise like any other.
        """
        padding = "x" * self._rng.randrange(_LARGEST_PADDING)
        return Ground({**ground.environment, "LNBENCH_PADDING": padding}, ground.python)

    def _out_of_time(self) -> bool:
        limit = self._setting.budget.max_time_s
        return limit is not None and time.monotonic() - self._started >= limit

    def _left_s(self) -> float:
        budget = self._setting.budget
        left = 0.0
        for contest in self._contests:
            if contest.open:
                taken = contest.rows[0].passes
                each = contest.spent_s / taken if taken else budget.time_s / self._looks[-1]
                left += min(budget.time_s - contest.spent_s, (self._looks[-1] - taken) * each)
        if budget.max_time_s is not None:
            left = min(left, budget.max_time_s - (time.monotonic() - self._started))
        return max(0.0, left)
