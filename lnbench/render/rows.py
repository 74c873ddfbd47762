"""Rows of a run as sheets: the fastest of each shape first, with what must be said of them."""

from collections.abc import Iterable, Sequence

from lnbench.judge.regime import Regime
from lnbench.judge.stats import Estimate
from lnbench.judge.summary import Row
from lnbench.plan.case import Case, shape_text
from lnbench.record.outcome import Failed, Measured, Skipped
from lnbench.record.report import Report
from lnbench.registry import SPEED_LIMIT
from lnbench.render.sheet import ABSENT, BEST, Column, Line, Sheet
from lnbench.units import format_bytes, format_percent, format_rate, format_time, significant

_BOUND_BY = {
    Regime.PAGE_FAULTS: "page faults",
    Regime.CALLS: "calls",
    Regime.LAUNCHES: "launches",
    Regime.LATENCY: "latency",
    Regime.CACHE: "cache",
    Regime.BANDWIDTH: "memory",
}


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
    relative = next((row for row in rows if row.speedup is not None), None)
    columns = (
        Column("shape", right=False),
        Column("backend", right=False),
        Column("time"),
        Column("±"),
        *((Column("speedup"),) if relative else ()),
        Column("GB/s"),
        Column("% of copy"),
        Column("ulp", wide=True),
        Column("memory", wide=True),
        Column("faults", wide=True),
        Column("first call", wide=True),
        Column("bound by", right=False, wide=True),
    )
    lines: list[Line] = []
    shapes: dict[tuple[int, ...], list[Row]] = {}
    for row in rows:
        shapes.setdefault(row.benchmark.case.shape, []).append(row)
    for shape, members in shapes.items():
        for place, row in enumerate(sorted(members, key=_order)):
            text = shape_text(shape) if place == 0 else ""
            lines.append(_line(text, row, speedups=relative is not None, first=place == 0))
    return Sheet(title, columns, tuple(lines), notes(rows))


def _order(row: Row) -> tuple[int, float]:
    """Sort the speed limit first, then the fastest, then what was not measured."""
    if row.time is None:
        return (2, 0.0)
    return (0 if row.benchmark.backend == SPEED_LIMIT else 1, row.time.value)


def _line(shape: str, row: Row, *, speedups: bool, first: bool) -> Line:
    outcome, time = row.outcome, row.time
    name = row.benchmark.backend
    if time is None or not isinstance(outcome, Measured):
        kind = "skipped" if isinstance(outcome, Skipped) else "failed"
        rest = (ABSENT,) * (9 if speedups else 8)
        return Line((shape, name, kind, *rest), dim=kind == "skipped", first=first)
    cells = (
        shape,
        f"{name} {BEST}" if row.best else name,
        format_time(time.value),
        interval_text(time),
        *((speedup_text(row.speedup),) if speedups else ()),
        ABSENT if row.bandwidth is None else significant(row.bandwidth / 1e9, 3),
        share_text(row.share_of_copy),
        ulp_text(outcome),
        ABSENT if outcome.peak_extra_bytes is None else format_bytes(outcome.peak_extra_bytes),
        ABSENT if outcome.page_faults is None else significant(outcome.page_faults, 3),
        format_time(outcome.first_call_s),
        _BOUND_BY[row.regime] if row.regime else ABSENT,
    )
    return Line(cells, best=row.best, dim=name == SPEED_LIMIT, first=first)


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


def interval_text(estimate: Estimate) -> str:
    """Return the half-width of an interval as a percentage: `±2.1%`."""
    if not (0 < estimate.low <= estimate.high < float("inf")):
        return "±?"
    return f"±{significant(((estimate.high / estimate.low) ** 0.5 - 1) * 100, 2)}%"


def speedup_text(speedup: Estimate | None) -> str:
    """Return a speedup: `1.42×`."""
    return ABSENT if speedup is None else f"{speedup.value:.2f}×"


def share_text(share: Estimate | None) -> str:
    """Return a share of the copy's bandwidth: `43%`."""
    return ABSENT if share is None else format_percent(share.value)


def ulp_text(outcome: Measured) -> str:
    """Return the largest error of any output, in units in the last place."""
    worst = outcome.agreement.max_ulp
    return ABSENT if worst is None else significant(worst, 2)


def metric_text(row: Row, metric: str) -> str:
    """Return one metric of a row: time, speedup, bandwidth, copy, error or memory."""
    outcome = row.outcome
    if row.time is None or not isinstance(outcome, Measured):
        return "skipped" if isinstance(outcome, Skipped) else "failed"
    match metric:
        case "time":
            return format_time(row.time.value)
        case "speedup":
            return speedup_text(row.speedup)
        case "bandwidth":
            return ABSENT if row.bandwidth is None else format_rate(row.bandwidth)
        case "copy":
            return share_text(row.share_of_copy)
        case "error":
            return f"{ulp_text(outcome)} ulp"
        case _:
            size = outcome.peak_extra_bytes
            return ABSENT if size is None else format_bytes(size)
