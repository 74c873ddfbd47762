"""Rows that are measured beside each other: the backends of a case, or the two sides of a pair."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from lnbench.plan.case import Benchmark, Case
from lnbench.record.outcome import Outcome, SideName
from lnbench.session.ledger import Ledger

SIDES: tuple[SideName, SideName] = ("baseline", "candidate")
"""What the sides are called in a report."""

RowKey: TypeAlias = tuple[Benchmark, SideName]
"""What tells a row from all others of a session."""


class Planned(msgspec.Struct, frozen=True):
    """A row before it is measured."""

    benchmark: Benchmark
    """What is timed."""
    side: SideName = ""
    """`baseline` or `candidate` in a session that compares two, else empty."""
    slowdown: float = 0.0
    """Fraction by which it is slowed on purpose."""


class Group:
    """The rows of a group, and what they have taken; each goes on from its outcome, if it has one.

    A case goes on as long as any of its backends does, a pair until one of its sides ends.
    """

    def __init__(self, planned: Sequence[Planned], outcomes: Mapping[RowKey, Outcome]) -> None:
        self.rows = [Ledger(row.benchmark, row.side, row.slowdown) for row in planned]
        self.case: Case = planned[0].benchmark.case
        self._paired = bool(planned[0].side)
        for row in self.rows:
            if (row.benchmark, row.side) in outcomes:
                row.go_on(outcomes[row.benchmark, row.side])
        self.spent_s = sum(row.spent_s for row in self.rows)
        """Seconds that its passes took but the first, with all that comes before the samples."""
        self.last_pass_s = 0.0
        """Seconds of its last pass; the first one also compiles and makes the truth."""

    @property
    def open_rows(self) -> list[Ledger]:
        """The rows that want another pass."""
        rows = [row for row in self.rows if row.open]
        return [] if self._paired and len(rows) < len(self.rows) else rows

    @property
    def open(self) -> bool:
        """Whether another pass is wanted."""
        return bool(self.open_rows)

    @property
    def wanting(self) -> list[bool]:
        """Whether each row, or the pair as one, wants another pass."""
        return [self.open] if self._paired else [row.open for row in self.rows]

    @property
    def passes(self) -> int:
        """How many passes have been taken."""
        return max(row.passes for row in self.rows)
