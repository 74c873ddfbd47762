"""One side of a diff: what its reports hold, row by row, and the units that replicate."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice, zip_longest

import msgspec
import numpy as np

from lnbench.errors import ReportError
from lnbench.judge.stats import Floats, locations, pass_logs
from lnbench.record.busy import Busy, together
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
    busy: Busy | msgspec.UnsetType = msgspec.UNSET
    """What else kept the machine busy, in those of its reports that say so."""


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
        busy=together(report.busy for report in reports),
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


def units(rows: Sequence[tuple[Measured, ...]], *, by_report: bool) -> Floats:
    """Return the logarithms of time that replicate, rows × units: of passes or of reports.

    NaN where a pass was lost, or was not taken. What stands in one column ran in one pass, as long
    as the rows have the same reports.
    """
    logs = iter(pass_logs([outcome.times_s for row in rows for outcome in row]))
    if by_report:
        lines = iter(locations(list(logs), level=0.5)[:, 0])
        return _filled([list(islice(lines, len(row))) for row in rows])
    reports = max(map(len, rows), default=0)
    widths = [max(len(row[i].times_s) for row in rows if i < len(row)) for i in range(reports)]
    places = np.cumsum([0, *widths])
    table = np.full((len(rows), places[-1]), np.nan)
    for line, row in zip(table, rows, strict=True):
        for outcome, place in zip(row, places, strict=False):
            taken = [place + number for number, times in enumerate(outcome.times_s) if times]
            line[taken] = next(logs)
    return table


def known(table: Floats) -> list[Floats]:
    """Return each line of a table without its NaNs."""
    return [line[np.isfinite(line)] for line in table]


def _filled(lines: Sequence[Sequence[float]]) -> Floats:
    """Return lines of different lengths as one table, with NaN where they end."""
    return np.array(list(zip_longest(*lines, fillvalue=np.nan)), dtype=np.float64).T
