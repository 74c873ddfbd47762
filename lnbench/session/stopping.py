"""When a group has had enough: the only difference between a session of `run` and one of `ab`."""

from collections.abc import Callable, Sequence
from typing import Protocol

from lnbench.plan.budget import Budget
from lnbench.record.outcome import Measured, Stopped
from lnbench.registry import SPEED_LIMIT
from lnbench.session.group import Group
from lnbench.session.ledger import Ledger


class Stopping(Protocol):
    """Closes the rows of a group that want no further pass, and says why."""

    def look(self, group: Group, *, last: bool) -> None:
        """Look at a group after a pass; `last` says that the session's time is over."""

    def left_s(self, group: Group, pass_s: float) -> float:
        """Return the seconds that a group may still take, a pass of it taking `pass_s`."""


class RowStopping:
    """Stops each row by itself, and the speed limit of a case behind its last other row.

    Args:
        precise: whether the times of a row, one tuple a pass, are as precise as a budget asks.
        budget: its passes and seconds of samples are those of each row.
        least_passes: passes before precision or time stops a row; no more than the budget's.
    """

    def __init__(
        self,
        precise: Callable[[tuple[tuple[float, ...], ...], Budget], bool],
        budget: Budget,
        least_passes: int = 1,
    ) -> None:
        self._precise, self._budget = precise, budget
        self._least = min(least_passes, budget.passes)

    def look(self, group: Group, *, last: bool) -> None:  # noqa: ARG002  (open rows stay open)
        """Close the rows that have had enough."""
        others = [row for row in group.rows if row.benchmark.backend != SPEED_LIMIT]
        for row in others or group.rows:
            # A session that goes on may ask for more passes than the one that stopped the row.
            if row.open or (row.stopped is not Stopped.PASSES and _taken(row) < self._least):
                row.stopped = self._why(row)
        if not others:
            return
        wanting = any(row.open for row in others)
        reasons = [row.stopped for row in others if row.stopped is not None]
        for row in group.rows:
            if row.benchmark.backend == SPEED_LIMIT and any(row.samples):
                row.stopped = None if wanting else (reasons or [Stopped.PASSES])[-1]

    def left_s(self, group: Group, pass_s: float) -> float:
        """Return the seconds of all passes that are left; most rows take fewer."""
        passes = max((self._budget.passes - row.passes for row in group.open_rows), default=0)
        return passes * pass_s

    def _why(self, row: Ledger) -> Stopped | None:
        if not _taken(row):
            return None
        enough = _taken(row) >= self._least
        if enough and self._precise(row.times_s, self._budget):
            return Stopped.PRECISION
        if row.passes >= self._budget.passes:
            return Stopped.PASSES
        return Stopped.TIME if enough and row.spent_s >= self._budget.time_s else None


def _taken(row: Ledger) -> int:
    """Return how many passes of a row have samples: those whose process died have none."""
    return sum(map(bool, row.samples))


class PairStopping:
    """Stops both sides of a pair together, when a look decides it.

    Args:
        decided: whether the pairs of two sides show what there is to show.
        looks: numbers of pairs at which a pair may be decided, ascending; the last ends it.
        budget: its `time_s` bounds what the passes of a pair take, from starting its processes on;
            the first one, which also compiles, is left out.
    """

    def __init__(
        self, decided: Callable[[Measured, Measured], bool], looks: Sequence[int], budget: Budget
    ) -> None:
        self._decided, self._looks, self._budget = decided, looks, budget

    def look(self, group: Group, *, last: bool) -> None:
        """Close a pair that is decided at this number of pairs, or has had all of its time."""
        if not group.open:
            return
        why = None
        if group.passes >= self._looks[-1]:
            why = Stopped.PASSES
        elif last or group.spent_s >= self._budget.time_s:
            why = Stopped.TIME
        elif group.passes not in self._looks:
            return
        match [row.outcome() for row in group.rows]:
            case [Measured() as baseline, Measured() as candidate]:
                if self._decided(baseline, candidate):
                    why = Stopped.DECIDED
        for row in group.rows:
            row.stopped = why

    def left_s(self, group: Group, pass_s: float) -> float:
        """Return the seconds of all pairs that are left, at most those of the budget."""
        if not group.open:
            return 0.0
        pairs = self._looks[-1] - group.passes
        share_s = pass_s or self._budget.time_s / self._looks[-1]
        return min(max(0.0, self._budget.time_s - group.spent_s), pairs * share_s)
