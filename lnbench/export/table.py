"""One line a row with a column for everything: CSV, Parquet, and the series that Otava reads."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

from lnbench.errors import LnbenchError
from lnbench.export.entry import Entries, Entry, measured
from lnbench.plan.case import shape_text
from lnbench.record.outcome import Failed, Measured


def _of_measured(name: str) -> Callable[[Entry], Any]:
    """Return what reads an attribute of a row that was measured."""
    read = attrgetter(name)
    return lambda row: read(row.outcome) if isinstance(row.outcome, Measured) else None


def _passes(row: Entry) -> int | None:
    return sum(map(bool, row.outcome.times_s)) if isinstance(row.outcome, Measured) else None


def _samples(row: Entry) -> int | None:
    return sum(map(len, row.outcome.times_s)) if isinstance(row.outcome, Measured) else None


def _caveats(row: Entry) -> str:
    caveats = row.outcome.caveats if isinstance(row.outcome, Measured) else ()
    return " ".join(caveat.kind for caveat in caveats)


def _device_name(row: Entry) -> str:
    environment = row.report.environment
    device = environment.devices.get(row.outcome.benchmark.case.device)
    return device.name if device else environment.cpu.model


COLUMNS: Mapping[str, tuple[type, Callable[[Entry], Any]]] = {
    "name": (str, attrgetter("name")),
    "operation": (str, attrgetter("outcome.operation")),
    "direction": (str, lambda row: str(row.outcome.direction)),
    "shape": (str, lambda row: shape_text(row.outcome.shape)),
    "dtype": (str, lambda row: str(row.outcome.dtype)),
    "device": (str, attrgetter("outcome.benchmark.case.device_type")),
    "backend": (str, attrgetter("outcome.backend")),
    "options": (str, lambda row: row.outcome.benchmark.case.suffix.lstrip(";")),
    "side": (str, attrgetter("outcome.side")),
    "kind": (str, attrgetter("kind")),
    "stage": (str, lambda row: str(row.outcome.stage) if isinstance(row.outcome, Failed) else ""),
    "reason": (str, attrgetter("reason")),
    "time_s": (float, lambda row: row.time.value if row.time else None),
    "time_low_s": (float, lambda row: row.interval[0] if row.interval else None),
    "time_high_s": (float, lambda row: row.interval[1] if row.interval else None),
    "bandwidth_bytes_per_s": (float, attrgetter("bandwidth")),
    "passes": (int, _passes),
    "samples": (int, _samples),
    "iterations": (int, _of_measured("iterations")),
    "first_call_s": (float, _of_measured("first_call_s")),
    "bytes_moved": (int, _of_measured("work.bytes_moved")),
    "flops": (int, _of_measured("work.flops")),
    "max_ulp": (float, _of_measured("agreement.max_ulp")),
    "page_faults": (float, _of_measured("page_faults")),
    "peak_extra_bytes": (int, _of_measured("peak_extra_bytes")),
    "energy_j": (float, _of_measured("energy")),
    "caveats": (str, _caveats),
    "suite": (str, attrgetter("report.suite")),
    "created": (str, lambda row: row.report.created.isoformat()),
    "commit": (str, lambda row: row.report.revision.commit if row.report.revision else ""),
    "lnbench": (str, attrgetter("report.tool.version")),
    "torch": (str, lambda row: row.report.environment.packages.get("torch", "")),
    "device_name": (str, _device_name),
    "threads": (int, attrgetter("report.environment.threads")),
    "machine_id": (str, attrgetter("report.environment.machine_id")),
}
"""Each column's type, and what reads it from a row; None is a cell without a value."""


def to_csv(rows: Entries) -> bytes:
    """Return a table with a line a row; what a spreadsheet takes for a formula begins with '."""
    lines = ([read(row) for _, read in COLUMNS.values()] for row in rows)
    return _csv(COLUMNS, lines)


def to_parquet(rows: Entries) -> bytes:
    """Return the same table with the times of every pass; LnbenchError without pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        hint = "pip install 'lnbench[parquet]', or take --format csv"
        raise LnbenchError("--format parquet needs pyarrow", hint) from None
    types = {str: pa.string(), float: pa.float64(), int: pa.int64()}
    fields = {name: types[kind] for name, (kind, _) in COLUMNS.items()}
    values = {name: [read(row) for row in rows] for name, (_, read) in COLUMNS.items()}
    fields["times_s"] = pa.list_(pa.list_(pa.float64()))
    values["times_s"] = list(map(_of_measured("times_s"), rows))
    sink = io.BytesIO()
    pq.write_table(pa.table(values, schema=pa.schema(list(fields.items()))), sink)
    return sink.getvalue()


def to_otava(rows: Entries) -> bytes:
    """Return a line a report, oldest first, and a column a name.

    A cell without a time is empty: Otava refuses such a column by its name. With `nan` it would
    go on, and find no change in it any more.
    """
    series: dict[tuple[str, str], dict[str, float]] = {}
    for row, _, time in measured(rows):
        revision = row.report.revision
        line = (row.report.created.isoformat(), revision.commit if revision else "")
        series.setdefault(line, {})[row.name] = time.value
    names = list(dict.fromkeys(name for times in series.values() for name in times))
    lines = ([*line, *map(times.get, names)] for line, times in sorted(series.items()))
    return _csv(["time", "commit", *names], lines)


def _csv(head: Iterable[str], lines: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_plain(cell) for cell in line] for line in (head, *lines))
    return text.getvalue().encode()


def _plain(cell: Any) -> Any:
    """Return a cell that no spreadsheet runs (owasp.org/www-community/attacks/CSV_Injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(tuple("=+-@\t\r")) else cell
