"""A run as a view: the fastest of each shape first, or one metric with an axis in the columns."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import itemgetter

import msgspec

from lnbench.judge.summary import Row
from lnbench.plan.case import shape_text
from lnbench.record.environment import Environment, facts
from lnbench.record.outcome import Measured, Skipped
from lnbench.record.report import Report
from lnbench.registry import SPEED_LIMIT
from lnbench.render.answer import answers
from lnbench.render.busy import busy_lines
from lnbench.render.charts import figures, styles
from lnbench.render.columns import (
    COLUMNS,
    METRICS,
    no_time,
    out_of_time,
    passes_text,
    row_notes,
)
from lnbench.render.notes import note_lines, rows_text
from lnbench.render.sheet import (
    BEST,
    Choice,
    Column,
    Figure,
    Sheet,
    View,
    group_title,
    grouped,
    objects,
    sheet,
)

AXES = ("backend", "shape", "dtype")
"""What can stand in the columns of a table of one metric."""


def report_view(
    report: Report,
    rows: Sequence[Row],
    by: str = "",
    metric: str = "time",
    relative_to: str | None = None,
    choice: Choice | None = None,
) -> View:
    """Return the tables of a run, or those of one metric.

    Args:
        report: the run.
        rows: what it says about each row.
        by: the axis in the columns; empty for that of the metric, if there is one but time.
        metric: what stands in the cells of such a table.
        relative_to: the backend that the fastest of a case is held against.
        choice: which columns tables have; None for those that fit.
    """
    axis = by or ("backend" if metric != "time" else "")
    draw = partial(
        figures,
        environment=report.environment,
        palette=styles(row.benchmark.backend for row in rows),
    )
    sheets = (
        _pivots(rows, axis, metric)
        if axis
        else _tables(rows, relative_to, choice or Choice(), draw)
    )
    details = (environment_sheet(report.environment),)
    encode = partial(msgspec.json.encode, report)
    return View(head_lines(report), sheets, objects(COLUMNS, rows), details, encode)


def environment_sheet(environment: Environment) -> Sheet:
    """Return all that is known of the machine and the software, a line a fact."""
    columns = (
        Column("name", itemgetter(0), right=False),
        Column("value", itemgetter(1), right=False),
    )
    return sheet("environment", columns, tuple(facts(environment).items()))


def head_lines(report: Report) -> tuple[str, ...]:
    """Return what was measured where, in two lines."""
    environment, revision = report.environment, report.revision
    packages = environment.packages
    torch = f" · torch {packages['torch']}" if "torch" in packages else ""
    commit = ""
    if revision is not None:
        commit = f" · {revision.commit[:9]}{' (dirty)' if revision.dirty else ''}"
    devices = ", ".join(device.name for device in environment.devices.values())
    threads = f"{environment.threads} thread{'s' if environment.threads != 1 else ''}"
    machine = f"{environment.cpu.model}, {threads}"
    measured = [outcome for outcome in report.outcomes if isinstance(outcome, Measured)]
    passes = sorted({len(outcome.times_s) for outcome in measured}) or [0]
    tool = f"lnbench {report.tool.version}{torch}"
    return (
        f"suite {report.suite} · {report.created:%Y-%m-%d %H:%M} UTC{commit} · {tool}",
        f"{machine}{f' · {devices}' if devices else ''} · {passes_text(passes[-1], passes[0])}",
        *busy_lines(report.busy),
    )


def _tables(
    rows: Sequence[Row],
    relative_to: str | None,
    choice: Choice,
    draw: Callable[[Sequence[Row]], Iterable[Figure]],
) -> tuple[Sheet, ...]:
    """Return one sheet for each operation, direction, type, device and set of options."""
    columns = choice.among(COLUMNS)
    titles = grouped(rows, lambda row: group_title(row.benchmark.case))
    cases = {row.ranking.case.id: row.ranking for row in rows if row.ranking}
    said = answers(tuple(cases.values()), relative_to)
    return tuple(
        sheet(
            title,
            columns,
            ordered := _ordered(members),
            _notes(members),
            said.get(title, ()),
            best=_is_best,
            dim=_is_dim,
            figures=partial(draw, ordered),
        )
        for title, members in titles.items()
    )


def _ordered(rows: Sequence[Row]) -> list[Row]:
    """Return rows by shape: the speed limit first, then the fastest, then what has no time."""

    def rank(row: Row) -> tuple[int, float]:
        if row.time is None:
            return (2, 0.0)
        return (0 if row.benchmark.backend == SPEED_LIMIT else 1, row.time.value)

    shapes = grouped(rows, lambda row: shape_text(row.benchmark.case.shape))
    return [row for members in shapes.values() for row in sorted(members, key=rank)]


def _is_best(row: Row) -> bool:
    return row.best


def _is_dim(row: Row) -> bool:
    return isinstance(row.outcome, Skipped) or row.benchmark.backend == SPEED_LIMIT


def _notes(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return what must be said below a table: whose time ran out, and the notes of its rows."""

    def named(row: Row) -> tuple[str, str]:
        return row.benchmark.backend, shape_text(row.benchmark.case.shape)

    lines = note_lines((note, *named(row)) for row in rows for note in row_notes(row))
    if not (late := [row for row in rows if out_of_time(row)]):
        return lines
    taken = [row.passes for row in late]
    passes = passes_text(max(taken), min(taken))
    return (f"out of time after {passes}: {rows_text(map(named, late))}", *lines)


def _pivots(rows: Sequence[Row], by: str, metric: str) -> tuple[Sheet, ...]:
    """Return sheets with the values of axis `by` in the columns, and `metric` in the cells."""

    def title(row: Row) -> str:
        case = row.benchmark.case
        parts = (case.operation, case.direction, case.device_type, case.suffix.lstrip(";"), metric)
        return " · ".join(part for part in parts if part)

    return tuple(
        _pivot(name, by, metric, members) for name, members in grouped(rows, title).items()
    )


def _pivot(title: str, by: str, metric: str, rows: Sequence[Row]) -> Sheet:
    beside = tuple(axis for axis in AXES if axis != by)
    lines: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        lines.setdefault(tuple(_value(row, axis) for axis in beside), {})[_value(row, by)] = row
    heads = tuple(dict.fromkeys(_value(row, by) for row in rows))
    texts = [
        (*front, *(_cell(cells.get(head), metric) for head in heads))
        for front, cells in lines.items()
    ]
    columns = [
        Column(name, itemgetter(place), right=place >= len(beside))
        for place, name in enumerate((*beside, *heads))
    ]
    return sheet(title, columns, texts, _notes([row for c in lines.values() for row in c.values()]))


def _value(row: Row, axis: str) -> str:
    case = row.benchmark.case
    if axis == "backend":
        return row.benchmark.backend
    return shape_text(case.shape) if axis == "shape" else str(case.dtype)


def _cell(row: Row | None, metric: str) -> str | None:
    if row is None:
        return None
    column = METRICS[metric]
    text = no_time(row) if row.time is None else column.cell(row) + (column.unit or "")
    return f"{text} {BEST}" if row.best and metric == "time" else text
