"""OpenMetrics' text: gauges with a label for each part of a name, as Prometheus reads them."""

from collections.abc import Callable, Iterator, Mapping

from lnbench.export.entry import Entries, Entry
from lnbench.plan.case import shape_text
from lnbench.record.outcome import Measured

_FAMILIES: Mapping[str, tuple[str, str, Callable[[Entry], float | None]]] = {
    "lnbench_time_seconds": (
        "seconds",
        "Time of an iteration.",
        lambda row: row.time.value if row.time else None,
    ),
    "lnbench_time_low_seconds": (
        "seconds",
        "Lower end of the 95 % interval of the time.",
        lambda row: row.interval[0] if row.interval else None,
    ),
    "lnbench_time_high_seconds": (
        "seconds",
        "Upper end of the 95 % interval of the time.",
        lambda row: row.interval[1] if row.interval else None,
    ),
    "lnbench_bandwidth_bytes_per_second": (
        "bytes_per_second",
        "Compulsory bytes by time.",
        lambda row: row.bandwidth,
    ),
    "lnbench_error_ulp": (
        "ulp",
        "Largest error of any output.",
        lambda row: row.outcome.agreement.max_ulp if isinstance(row.outcome, Measured) else None,
    ),
    "lnbench_energy_joules": (
        "joules",
        "Energy of an iteration beyond an idle machine.",
        lambda row: row.outcome.energy if isinstance(row.outcome, Measured) else None,
    ),
    "lnbench_created_timestamp_seconds": (
        "seconds",
        "When the run began.",
        lambda row: row.report.created.timestamp(),
    ),
}
"""By the name of a family: its unit, its help, and what reads its value from a row."""

_OUTCOME = "lnbench_outcome"


def to_openmetrics(rows: Entries) -> bytes:
    """Return gauges of what was measured, and of every row what came of it, with the reason."""
    return ("\n".join((*_lines(rows), "# EOF")) + "\n").encode()


def _lines(rows: Entries) -> Iterator[str]:
    for family, (unit, help_, read) in _FAMILIES.items():
        samples = [(row, value) for row in rows if (value := read(row)) is not None]
        if samples:
            yield from (f"# TYPE {family} gauge", f"# UNIT {family} {unit}")
            yield f"# HELP {family} {help_}"
            yield from (f"{family}{_labels(row)} {_number(value)}" for row, value in samples)
    yield from (f"# TYPE {_OUTCOME} gauge", f"# HELP {_OUTCOME} What came of a row: always 1.")
    for row in rows:
        yield f"{_OUTCOME}{_labels(row, kind=row.kind, reason=row.reason)} 1"


def _labels(row: Entry, **more: str) -> str:
    one = row.outcome
    labels = {
        "operation": one.operation,
        "direction": str(one.direction),
        "shape": shape_text(one.shape),
        "dtype": str(one.dtype),
        "device": one.benchmark.case.device_type,
        "backend": one.backend,
        "options": one.benchmark.case.suffix.lstrip(";"),
        "side": one.side,
        **more,
    }
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _number(value: float) -> str:
    return str(value).replace("nan", "NaN").replace("inf", "+Inf")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
