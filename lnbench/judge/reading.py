"""What a history keeps of a report: the medians of its passes, row by row."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

import msgspec

from lnbench.judge.regime import memory_level
from lnbench.judge.stats import Floats, pass_logs
from lnbench.plan.case import Benchmark
from lnbench.record.busy import Busy
from lnbench.record.environment import Environment
from lnbench.record.outcome import Measured
from lnbench.record.report import BenchmarkReport

Key: TypeAlias = tuple[str, str]
"""Benchmark id and device."""


class Reading(msgspec.Struct, frozen=True):
    """What is kept of a report."""

    created: datetime
    """When it was begun."""
    commit: str
    """The full hash, with `+` where the tree differed; empty where unknown."""
    environment: Environment
    """What it was measured on."""
    rows: Mapping[Key, tuple[Benchmark, str, Floats]]
    """Benchmark, memory level, and the logarithms of its passes' times, of what was measured."""
    busy: Busy | msgspec.UnsetType = msgspec.UNSET
    """What else kept the machine busy."""

    @property
    def content(self) -> object:
        """What tells it from any report that is not a copy of it."""
        logs = tuple((key, log.tobytes()) for key, (_, _, log) in self.rows.items())
        return self.created, self.commit, self.environment.machine_id, logs


def condense(report: BenchmarkReport) -> Reading:
    """Return what is kept of a report."""
    measured = [row for row in report.outcomes if isinstance(row, Measured) and any(row.times_s)]
    logs = pass_logs([row.times_s for row in measured])
    rows = {
        (row.benchmark.id, row.benchmark.case.device): (
            row.benchmark,
            memory_level(row, report.environment),
            log,
        )
        for row, log in zip(measured, logs, strict=True)
    }
    revision = report.revision
    commit = "" if revision is None else revision.commit + "+" * bool(revision.dirty)
    return Reading(report.created, commit, report.environment, rows, report.busy)
