"""What a run's tables say, as JSON for scripts; the raw times are in the report."""

import math
from collections.abc import Sequence

import msgspec

from lnbench.judge.stats import Estimate
from lnbench.judge.summary import Row
from lnbench.record.outcome import Failed, Measured, Skipped
from lnbench.render.rows import row_notes

Number = float | None


def rows_json(rows: Sequence[Row]) -> str:
    """Return one object a row, keys in a fixed order, units in the names of the keys."""
    return json_text([_row(row) for row in rows])


def json_text(data: object) -> str:
    """Return data as JSON that people can read, with a line feed at its end."""
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n"


def estimate_json(estimate: Estimate | None) -> dict[str, Number] | None:
    """Return an estimate with its interval, null for an end that is not finite."""
    if estimate is None:
        return None
    return {
        "value": finite(estimate.value),
        "low": finite(estimate.low),
        "high": finite(estimate.high),
        "confidence": estimate.confidence,
    }


def finite(value: Number) -> Number:
    """Return a number, or None for what JSON has no number for."""
    return value if value is not None and math.isfinite(value) else None


def _row(row: Row) -> dict[str, object]:
    outcome = row.outcome
    return {
        "id": row.benchmark.id,
        "backend": row.benchmark.backend,
        "kind": _kind(row),
        "time_s": estimate_json(row.time),
        "speedup": estimate_json(row.speedup),
        "bandwidth_bytes_per_s": row.bandwidth,
        "share_of_copy": estimate_json(row.share_of_copy),
        "best": row.best,
        "regime": row.regime,
        "max_ulp": finite(outcome.agreement.max_ulp) if isinstance(outcome, Measured) else None,
        "peak_extra_bytes": outcome.peak_extra_bytes if isinstance(outcome, Measured) else None,
        "page_faults": outcome.page_faults if isinstance(outcome, Measured) else None,
        "first_call_s": outcome.first_call_s if isinstance(outcome, Measured) else None,
        "notes": list(row_notes(row)),
    }


def _kind(row: Row) -> str:
    if isinstance(row.outcome, Skipped):
        return "skipped"
    return "failed" if isinstance(row.outcome, Failed) else "measured"
