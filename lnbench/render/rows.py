"""A run as a view: the fastest of each shape first, or one metric with an axis in the columns."""

from collections.abc import Sequence
from operator import itemgetter

from lnbench.judge.summary import Row
from lnbench.plan.case import Case, shape_text
from lnbench.record.outcome import Measured, Skipped
from lnbench.record.report import Report
from lnbench.registry import SPEED_LIMIT
from lnbench.render.busy import busy_lines
from lnbench.render.columns import COLUMNS, METRICS, no_time, row_notes
from lnbench.render.sheet import BEST, Column, Sheet, View, grouped, objects, said_once, sheet

AXES = ("backend", "shape", "dtype")
"""What can stand in the columns of a table of one metric."""


def report_view(report: Report, rows: Sequence[Row], by: str = "", metric: str = "time") -> View:
    """Return the tables of a run, or those of one metric.

    Args:
        report: the run.
        rows: what it says about each row.
        by: the axis in the columns; empty for that of the metric, if there is one but time.
        metric: what stands in the cells of such a table.
    """
    axis = by or ("backend" if metric != "time" else "")
    sheets = _pivots(rows, axis, metric) if axis else _tables(rows)
    return View(head_lines(report), sheets, objects(COLUMNS, rows))


def group_title(case: Case) -> str:
    """Return what the cases of one table share: `layernorm · forward · float32 · cpu`."""
    options = case.suffix.lstrip(";").replace(";", ", ")
    parts = [case.operation, case.direction, case.dtype, case.device_type, options]
    return " · ".join(part for part in parts if part)


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
    measured = (outcome for outcome in report.outcomes if isinstance(outcome, Measured))
    passes = max((len(outcome.times_s) for outcome in measured), default=0)
    tool = f"lnbench {report.tool.version}{torch}"
    return (
        f"suite {report.suite} · {report.created:%Y-%m-%d %H:%M} UTC{commit} · {tool}",
        f"{machine}{f' · {devices}' if devices else ''} · {passes} passes",
        *busy_lines(report.busy),
    )


def _tables(rows: Sequence[Row]) -> tuple[Sheet, ...]:
    """Return one sheet for each operation, direction, type, device and set of options."""
    titles = grouped(rows, lambda row: group_title(row.benchmark.case))
    return tuple(
        sheet(title, COLUMNS, _ordered(members), _notes(members), best=_is_best, dim=_is_dim)
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
    return said_once(
        (note, row.benchmark.backend, shape_text(row.benchmark.case.shape))
        for row in rows
        for note in row_notes(row)
    )


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
    text = no_time(row) if row.time is None else column.cell(row) + column.unit
    return f"{text} {BEST}" if row.best and metric == "time" else text
