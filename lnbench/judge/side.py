"""One side of a diff: what its reports hold, row by row, and the units that replicate."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

import msgspec

from lnbench.errors import ReportError
from lnbench.judge.stats import Floats, locations, pass_logs
from lnbench.record.outcome import Failed, Measured, Skipped
from lnbench.record.report import ComparisonReport, Report

REPORTS_AS_UNITS = 4
"""Reports a side from which on the report replicates, not the pass, since hours differ more; later
where the level needs more units for any verdict at all."""


class Side(msgspec.Struct, frozen=True):
    """Where the numbers of one side come from."""

    created: tuple[datetime, ...]
    """When each report was begun, in order of time, with a time zone."""
    commits: tuple[str, ...]
    """The commits measured, full hashes, `+` where the tree differed; empty where unknown."""
    suites: tuple[str, ...]
    """The suites measured."""
    passes: int
    """Most passes that any benchmark of a report has."""
    text: str = ""
    """What the user named a side of one session by; empty for reports."""


class Rows(msgspec.Struct, frozen=True):
    """The outcomes of one side by benchmark id, in the order of its reports."""

    measured: dict[str, tuple[Measured, ...]]
    """Outcomes that have times; one entry a report."""
    failed: dict[str, Failed]
    """The first failure."""
    skipped: dict[str, Skipped]
    """The first skip."""


def distinct(reports: Sequence[Report]) -> tuple[Report, ...]:
    """Return the reports without repetitions, which would pass for evidence; ReportError if none.

    A report of another kind than `lnbench run` writes is an error too.
    """
    kept: list[Report] = []
    for report in reports:
        if isinstance(report, ComparisonReport):
            raise ReportError(
                f"a report of kind '{report.kind}' has no benchmarks to compare",
                "diff takes the reports that 'lnbench run' writes",
            )
        if report not in kept:
            kept.append(report)
    if not kept:
        raise ReportError("a side of the diff has no report", "name at least one for each side")
    return tuple(kept)


def describe(reports: Sequence[Report]) -> Side:
    """Return where the numbers of these reports come from."""
    revisions = [report.revision for report in reports if report.revision is not None]
    commits = (revision.commit + "+" * bool(revision.dirty) for revision in revisions)
    passes = (len(o.times_s) for r in reports for o in r.outcomes if isinstance(o, Measured))
    return Side(
        created=tuple(sorted(report.created for report in reports)),
        commits=tuple(dict.fromkeys(commits)),
        suites=tuple(dict.fromkeys(report.suite for report in reports)),
        passes=max(passes, default=0),
    )


def gather(reports: Sequence[Report]) -> Rows:
    """Return the outcomes of these reports by benchmark id."""
    measured: dict[str, tuple[Measured, ...]] = {}
    rows = Rows(measured, {}, {})
    for report in reports:
        for outcome in report.outcomes:
            name = outcome.benchmark.id
            if isinstance(outcome, Failed):
                rows.failed.setdefault(name, outcome)
            elif isinstance(outcome, Skipped):
                rows.skipped.setdefault(name, outcome)
            elif any(outcome.times_s):
                measured[name] = (*measured.get(name, ()), outcome)
    return rows


def units(rows: Sequence[tuple[Measured, ...]], *, by_report: bool) -> list[Floats]:
    """Return the logarithms of time that replicate, one array a row: of passes or of reports."""
    import numpy as np

    logs = pass_logs([outcome.times_s for row in rows for outcome in row])
    if by_report:
        logs = [line[:1] for line in locations(logs, level=0.5)]
    remaining = iter(logs)
    return [np.concatenate(list(islice(remaining, len(row)))) for row in rows]
