"""One metric of a run, with backends, shapes or element types side by side."""

from collections.abc import Sequence

from lnbench.judge.summary import Row
from lnbench.plan.case import shape_text
from lnbench.render.facts import metric_text
from lnbench.render.rows import notes
from lnbench.render.sheet import ABSENT, BEST, Column, Line, Sheet

AXES = ("backend", "shape", "dtype")
"""What can stand in the columns."""


def pivot_sheets(rows: Sequence[Row], by: str, metric: str) -> tuple[Sheet, ...]:
    """Return sheets with the values of axis `by` in the columns, and `metric` in the cells."""
    tables: dict[str, dict[tuple[str, ...], dict[str, Row]]] = {}
    for row in rows:
        case = row.benchmark.case
        values = {
            "backend": row.benchmark.backend,
            "shape": shape_text(case.shape),
            "dtype": str(case.dtype),
        }
        column = values.pop(by)
        fixed = (case.operation, case.direction, case.device_type, case.suffix.lstrip(";"))
        title = " · ".join(part for part in fixed if part)
        tables.setdefault(title, {}).setdefault(tuple(values.values()), {})[column] = row
    names = tuple(axis for axis in AXES if axis != by)
    return tuple(
        _sheet(f"{title} · {metric}", names, lines, metric) for title, lines in tables.items()
    )


def _sheet(
    title: str,
    names: tuple[str, ...],
    lines: dict[tuple[str, ...], dict[str, Row]],
    metric: str,
) -> Sheet:
    heads = tuple(dict.fromkeys(head for cells in lines.values() for head in cells))
    columns = (
        *(Column(name, right=False) for name in names),
        *(Column(head) for head in heads),
    )
    return Sheet(
        title,
        columns,
        tuple(
            Line((*fixed, *(_cell(cells.get(head), metric) for head in heads)))
            for fixed, cells in lines.items()
        ),
        notes([row for cells in lines.values() for row in cells.values()]),
    )


def _cell(row: Row | None, metric: str) -> str:
    if row is None:
        return ABSENT
    mark = f" {BEST}" if row.best and metric == "time" else ""
    return metric_text(row, metric) + mark
