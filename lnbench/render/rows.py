"""Rows of a run as sheets: the fastest of each shape first, with what must be said of them."""

from collections.abc import Iterable, Sequence

from lnbench.judge.summary import Row
from lnbench.plan.case import Case, shape_text
from lnbench.record.outcome import Failed, Measured, Skipped
from lnbench.record.report import Report
from lnbench.registry import SPEED_LIMIT
from lnbench.render.facts import Fact, fact_text, facts_of
from lnbench.render.sheet import BEST, Column, Line, Sheet


def report_sheets(rows: Sequence[Row]) -> tuple[Sheet, ...]:
    """Return one sheet for each operation, direction, type, device and set of options."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(group_title(row.benchmark.case), []).append(row)
    return tuple(_sheet(title, members) for title, members in groups.items())


def group_title(case: Case) -> str:
    """Return what the cases of one table share: `layernorm · forward · float32 · cpu`."""
    options = case.suffix.lstrip(";").replace(";", ", ")
    parts = [case.operation, case.direction, case.dtype, case.device_type, options]
    return " · ".join(part for part in parts if part)


def head_lines(report: Report) -> tuple[str, ...]:
    """Return what was measured where, in two lines."""
    environment, revision = report.environment, report.revision
    packages = dict(environment.packages)
    torch = f" · torch {packages['torch']}" if "torch" in packages else ""
    commit = ""
    if revision is not None:
        commit = f" · {revision.commit[:9]}{' (dirty)' if revision.dirty else ''}"
    devices = ", ".join(device.name for _, device in environment.devices)
    threads = f"{environment.threads} thread{'s' if environment.threads != 1 else ''}"
    machine = f"{environment.cpu.model}, {threads}"
    measured = (each for each in report.outcomes if isinstance(each, Measured))
    passes = max((len(each.times_s) for each in measured), default=0)
    tool = f"lnbench {report.tool.version}{torch}"
    return (
        f"suite {report.suite} · {report.created:%Y-%m-%d %H:%M} UTC{commit} · {tool}",
        f"{machine}{f' · {devices}' if devices else ''} · {passes} passes",
    )


def _sheet(title: str, rows: Sequence[Row]) -> Sheet:
    facts = facts_of(rows)
    names = (Column("shape", right=False), Column("backend", right=False))
    lines: list[Line] = []
    shapes: dict[tuple[int, ...], list[Row]] = {}
    for row in rows:
        shapes.setdefault(row.benchmark.case.shape, []).append(row)
    for shape, members in shapes.items():
        for place, row in enumerate(sorted(members, key=_order)):
            text = shape_text(shape) if place == 0 else ""
            lines.append(_line(text, row, facts, first=place == 0))
    return Sheet(title, (*names, *(fact.column for fact in facts)), tuple(lines), notes(rows))


def _order(row: Row) -> tuple[int, float]:
    """Sort the speed limit first, then the fastest, then what was not measured."""
    if row.time is None:
        return (2, 0.0)
    return (0 if row.benchmark.backend == SPEED_LIMIT else 1, row.time.value)


def _line(shape: str, row: Row, facts: Sequence[Fact], *, first: bool) -> Line:
    name = row.benchmark.backend
    texts = [fact_text(fact, row) for fact in facts]
    skipped = isinstance(row.outcome, Skipped)
    if row.time is None:
        texts[0] = "skipped" if skipped else "failed"
    cells = (shape, f"{name} {BEST}" if row.best else name, *texts)
    return Line(cells, best=row.best, dim=skipped or name == SPEED_LIMIT, first=first)


def row_notes(row: Row) -> Iterable[str]:
    """Yield what must be said of a row: why it is missing, what to do about it, its caveats."""
    if isinstance(row.outcome, Skipped):
        yield f"skipped: {row.outcome.reason}"
    elif isinstance(row.outcome, Failed):
        yield f"failed ({row.outcome.stage}): {row.outcome.error}"
    if row.regime and row.regime.advice:
        yield f"{row.regime}: {row.regime.advice}"
    for caveat in row.caveats:
        yield f"{caveat.kind}: {caveat.detail}" if caveat.detail else str(caveat.kind)


def notes(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return each thing that must be said once, with the backends and shapes that it is about."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        shape = shape_text(row.benchmark.case.shape)
        for note in row_notes(row):
            found.setdefault(note, {}).setdefault(row.benchmark.backend, []).append(shape)
    return tuple(
        "; ".join(f"{name} {', '.join(dict.fromkeys(shapes))}" for name, shapes in who.items())
        + f": {note}"
        for note, who in found.items()
    )
