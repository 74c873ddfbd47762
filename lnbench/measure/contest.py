"""A row of a comparison: one case, a benchmark of each side, and what has been measured of it."""

from collections.abc import Mapping

import msgspec

from lnbench.measure.row import restored
from lnbench.plan.case import Benchmark, Case
from lnbench.record.outcome import Outcome, SideName, Stopped

NAMES: tuple[SideName, SideName] = ("baseline", "candidate")
"""What the sides are called in a report."""


class Match(msgspec.Struct, frozen=True):
    """A row of a comparison: a benchmark of each side, of one case."""

    baseline: Benchmark
    candidate: Benchmark


class Contest:
    """One row: what each side has measured of it."""

    def __init__(
        self,
        match: Match,
        slowdowns: tuple[float, float],
        known: Mapping[tuple[Benchmark, SideName], Outcome],
    ) -> None:
        self.rows = tuple(
            restored(
                benchmark,
                is_limit=False,
                outcome=known.get((benchmark, name)),
                side=name,
                slowdown=slowdown,
            )
            for benchmark, name, slowdown in zip(
                (match.baseline, match.candidate), NAMES, slowdowns, strict=True
            )
        )
        self.spent_s = 0.0

    @property
    def case(self) -> Case:
        """What both compute."""
        return self.rows[0].benchmark.case

    @property
    def open(self) -> bool:
        """Whether another pair is wanted: not once a side has failed."""
        return all(row.open for row in self.rows)

    def close(self, why: Stopped) -> None:
        """Say why no further pair is taken."""
        for row in self.rows:
            row.stopped = why
