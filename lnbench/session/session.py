"""Groups in, outcomes out: passes around groups, so that each row sees every state of the machine.

The only loop that measures, that of `run` and of `ab`.
"""

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack

import msgspec

from lnbench import activity, registry
from lnbench.measure import shared
from lnbench.plan.case import Case
from lnbench.record.outcome import Outcome, Skipped
from lnbench.session import memory
from lnbench.session.block import Block
from lnbench.session.group import Group, Planned
from lnbench.session.inputs import InputStore
from lnbench.session.setting import Setting
from lnbench.session.stopping import Stopping
from lnbench.workers.launcher import Interpreter, Launcher, start_nurseries
from lnbench.workers.pass_workers import Home, PassWorkers, RefereeProcess

NURSERY_PASSES = 4
"""Passes before a new nursery: forks share their parent's luck with addresses and heap."""

_LARGEST_PADDING = 4096  # a page: the stack of a process begins where its variables end


class Progress(msgspec.Struct, frozen=True):
    """Where a session stands after a group."""

    outcomes: tuple[Outcome, ...]
    """What is known of every row, in the order given; unknown ones are missing."""
    done: int
    """Rows, or pairs, that want no further pass."""
    total: int
    """Rows, or pairs, in all."""
    passes: int
    """Passes begun."""
    case: Case | None
    """The case that was just measured; None at the start."""
    left_s: float
    """Seconds that the rest may take, from the passes so far; an upper bound."""


def run(
    groups: Sequence[Sequence[Planned]],
    interpreters: Mapping[str, Interpreter],
    setting: Setting,
    stopping: Stopping,
    *,
    spawn: bool = False,
    unable: Iterable[Outcome] = (),
    resume: Iterable[Outcome] = (),
) -> Iterator[Progress]:
    """Measure groups of rows, yielding all outcomes so far after each group.

    Args:
        groups: the rows, in groups that are measured side by side.
        interpreters: what the workers of each side run under; "" makes the inputs and has the rows
            of no side. A side with an interpreter of its own has nurseries of its own.
        setting: what holds for the whole session.
        stopping: when a group has had enough.
        spawn: start each worker anew instead of forking it.
        unable: outcomes known beforehand, such as backends that are not available.
        resume: outcomes of an earlier session to go on from; what was skipped may run by now.
    """
    measured = (outcome for outcome in resume if not isinstance(outcome, Skipped))
    session = _Session(groups, interpreters, setting, stopping, [*measured, *unable])
    yield session.progress(None)
    with shared.folder(session.largest_bytes()) as folder, ExitStack() as nurseries:
        inputs = InputStore(folder, memory.kept_bytes(folder))
        for number, open_groups in enumerate(iter(session.open_groups, [])):
            if session.wants_new_launchers(number):
                nurseries.close()
                launchers = session.launchers(open_groups, nurseries, spawn=spawn)
                referee = RefereeProcess(launchers[Home()], interpreters[""], folder)
                nurseries.callback(referee.close)
            with PassWorkers(launchers, interpreters, folder, referee) as workers:
                for group in open_groups:
                    if session.out_of_time():
                        yield session.cut_short(open_groups)
                        return
                    session.measure(group, workers, inputs)
                    yield session.progress(group.case)


class _Session:
    """The groups of a session, and what they run under."""

    def __init__(
        self,
        groups: Sequence[Sequence[Planned]],
        interpreters: Mapping[str, Interpreter],
        setting: Setting,
        stopping: Stopping,
        known: Iterable[Outcome],
    ) -> None:
        outcomes = {(outcome.benchmark, outcome.side): outcome for outcome in known}
        self._groups = [Group(rows, outcomes) for rows in groups]
        self._interpreters, self._setting, self._stopping = interpreters, setting, stopping
        own = interpreters[""]
        self._apart = [name for name in interpreters if interpreters[name] is not own]
        self._started = time.monotonic()
        # A session that goes on must not draw the orders of its first passes once more.
        taken = sum(group.passes for group in self._groups)
        self._rng = random.Random(f"{setting.seed}/{taken}")  # noqa: S311  (an order, no secret)
        for group in self._groups:
            stopping.look(group, last=False)

    def open_groups(self) -> list[Group]:
        """Return the groups that want another pass, in a fresh random order."""
        groups = [group for group in self._groups if group.open]
        self._rng.shuffle(groups)
        return groups

    def wants_new_launchers(self, number: int) -> bool:
        """Return whether this pass begins with new nurseries.

        An interpreter's luck is mixed up with a side that has it to itself: then every pass.
        """
        return bool(self._apart) or number % NURSERY_PASSES == 0

    def launchers(
        self, groups: Sequence[Group], stack: ExitStack, *, spawn: bool
    ) -> dict[Home, Launcher]:
        """Return what starts the workers of each row; nurseries end with the stack.

        Backends that are not lnbench's have a nursery each: what one does to the process that loads
        it, such as to its clock or to autograd, reaches no other row.
        """
        padded = {"": self._interpreters[""]}
        for side in self._rng.sample(self._apart, len(self._apart)):  # the first is favoured
            padded[side] = self._padded(self._interpreters[side])
        rows = [row for group in groups for row in group.open_rows]
        backends: dict[Home, set[str]] = {Home(): set()}
        for side in padded:
            for row in rows:
                if (row.side if row.side in padded else "") == side:
                    home = Home(side, row.home.owner)
                    backends.setdefault(home, set()).add(row.benchmark.backend)
        wanted = [(padded[home.side], sorted(names)) for home, names in backends.items()]
        started: Sequence[Launcher] = [interpreter for interpreter, _ in wanted]
        if not spawn:
            operations = sorted({group.case.operation for group in groups})
            begun = time.monotonic()
            with activity.doing("loading backends"):
                started = start_nurseries(wanted, operations, stack)
            if self._apart:
                for group in groups:
                    group.spent_s += (time.monotonic() - begun) / len(groups)
        launchers = dict(zip(backends, started, strict=True))
        for row in rows:
            if row.home not in launchers:
                launchers[row.home] = launchers[Home("", row.home.owner)]
        return launchers

    def measure(self, group: Group, workers: PassWorkers, inputs: InputStore) -> None:
        """Take one pass of a group, and close the rows that have had enough."""
        rows = group.open_rows
        start = time.monotonic()
        fit = self._setting.fit(group.case, len(rows))
        if fit.concurrent < len(rows) and inputs.forget():
            fit = self._setting.fit(group.case, len(rows))
        if fit.reason:
            for row in rows:
                row.skip(fit.reason)
        else:
            with inputs.lent(group.case) as folder:
                Block(self._setting, rows, workers, folder, self._rng).take(fit.concurrent)
        taken_s = time.monotonic() - start
        if group.last_pass_s:  # the first pass also compiles and makes the truth
            group.spent_s += taken_s
        group.last_pass_s = taken_s
        self._stopping.look(group, last=self.out_of_time())

    def out_of_time(self) -> bool:
        """Return whether the whole session has had its time."""
        limit = self._setting.budget.max_time_s
        return limit is not None and time.monotonic() - self._started >= limit

    def cut_short(self, groups: Sequence[Group]) -> Progress:
        """Return where a session stands that has had its time."""
        for group in groups:
            self._stopping.look(group, last=True)
        return self.progress(None)

    def progress(self, case: Case | None) -> Progress:
        """Return where the session stands."""
        rows = [row for group in self._groups for row in group.rows]
        outcomes = [row.outcome() for row in rows]
        wanting = [each for group in self._groups for each in group.wanting]
        return Progress(
            outcomes=tuple(outcome for outcome in outcomes if outcome is not None),
            done=wanting.count(False),
            total=len(wanting),
            passes=max((row.passes for row in rows), default=0),
            case=case,
            left_s=self._left_s(),
        )

    def largest_bytes(self) -> int:
        """Return what the largest case needs in shared arrays, as an order of magnitude."""
        cases = {group.case for group in self._groups}
        sizes = (registry.operation(case.operation).memory_bytes(case) for case in cases)
        return max(sizes, default=0)

    def _padded(self, interpreter: Interpreter) -> Interpreter:
        """Return an interpreter with a little more in its variables: another place in memory.

        The length of a path shifts the stack of its processes, and with it every time of a side
        (Mytkowicz et al. 2009); drawn anew for each pass, it is noise like any other.
        """
        padding = "x" * self._rng.randrange(_LARGEST_PADDING)
        environment = {**interpreter.environment, "LNBENCH_PADDING": padding}
        return msgspec.structs.replace(interpreter, environment=environment)

    def _left_s(self) -> float:
        passes_s = [group.last_pass_s for group in self._groups if group.last_pass_s]
        typical_s = sum(passes_s) / len(passes_s) if passes_s else 0.0
        left_s = sum(
            self._stopping.left_s(group, group.last_pass_s or typical_s) for group in self._groups
        )
        limit = self._setting.budget.max_time_s
        if limit is not None:
            left_s = min(left_s, limit - (time.monotonic() - self._started))
        return max(0.0, left_s)
