"""A row of a report as every export has it: one name, one time, one reason for having none."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from lnbench.judge.stats import (
    SHOWN_CONFIDENCE,
    Estimate,
    estimates,
    location_intervals,
    pass_logs,
)
from lnbench.record.outcome import Failed, Measured, Outcome, SideName, Skipped
from lnbench.record.report import Report
from lnbench.units import one_line


class Entry(msgspec.Struct, frozen=True):
    """A row of a report, ready to be exported."""

    report: Report
    """The report that it stands in."""
    outcome: Outcome
    """What came of it."""
    name: str
    """Its benchmark's id; where both sides are exported, with `;side=baseline` at its end."""
    time: Estimate | None
    """Seconds per iteration; None where it was not measured."""

    @property
    def kind(self) -> str:
        """`measured`, `skipped` or `failed`."""
        return str(self.outcome.__struct_config__.tag)

    @property
    def reason(self) -> str:
        """Why it has no time, on one line; empty where it has one."""
        if isinstance(self.outcome, Skipped):
            return one_line(self.outcome.reason)
        return one_line(self.outcome.error) if isinstance(self.outcome, Failed) else ""

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the time's interval; None where there are too few passes for one."""
        if self.time is None or not 0 < self.time.low <= self.time.high < float("inf"):
            return None
        return self.time.low, self.time.high

    @property
    def bandwidth(self) -> float | None:
        """Compulsory bytes ÷ time, in bytes a second; None where it was not measured."""
        if self.time is None or not isinstance(self.outcome, Measured):
            return None
        return self.outcome.work.bytes_moved / self.time.value


Entries: TypeAlias = Sequence[Entry]


def entries(report: Report, side: SideName = "") -> tuple[Entry, ...]:
    """Return the rows of a report in its order; with a side, its rows alone.

    Rows of one side have the names of a report of one side, so that two exports compare.
    """
    outcomes = [one for one in report.outcomes if not side or one.side == side]
    timed = [one for one in outcomes if isinstance(one, Measured)]
    logs = pass_logs([one.times_s for one in timed])
    found = iter(estimates(location_intervals(logs, 1 - SHOWN_CONFIDENCE), SHOWN_CONFIDENCE))
    return tuple(
        Entry(
            report,
            one,
            one.benchmark.id + (f";side={one.side}" if one.side and not side else ""),
            next(found) if isinstance(one, Measured) else None,
        )
        for one in outcomes
    )


def measured(rows: Entries) -> Iterator[tuple[Entry, Measured, Estimate]]:
    """Yield the rows that have a time, with it and their outcome."""
    for row in rows:
        if row.time is not None and isinstance(row.outcome, Measured):
            yield row, row.outcome, row.time
