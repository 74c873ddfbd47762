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
    encoded = msgspec.json.encode([_row(row) for row in rows])
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def _row(row: Row) -> dict[str, object]:
    outcome = row.outcome
    return {
        "id": row.benchmark.id,
        "backend": row.benchmark.backend,
        "kind": _kind(row),
        "time_s": _estimate(row.time),
        "speedup": _estimate(row.speedup),
        "bandwidth_bytes_per_s": row.bandwidth,
        "share_of_copy": _estimate(row.share_of_copy),
        "best": row.best,
        "regime": row.regime,
        "max_ulp": _finite(_max_ulp(outcome)) if isinstance(outcome, Measured) else None,
        "peak_extra_bytes": outcome.peak_extra_bytes if isinstance(outcome, Measured) else None,
        "page_faults": outcome.page_faults if isinstance(outcome, Measured) else None,
        "first_call_s": outcome.first_call_s if isinstance(outcome, Measured) else None,
        "notes": list(row_notes(row)),
    }


def _kind(row: Row) -> str:
    if isinstance(row.outcome, Skipped):
        return "skipped"
    return "failed" if isinstance(row.outcome, Failed) else "measured"


def _max_ulp(outcome: Measured) -> Number:
    return max((each.max_ulp for each in outcome.agreement.outputs), default=None)


def _estimate(estimate: Estimate | None) -> dict[str, Number] | None:
    if estimate is None:
        return None
    return {
        "value": _finite(estimate.value),
        "low": _finite(estimate.low),
        "high": _finite(estimate.high),
        "confidence": estimate.confidence,
    }


def _finite(value: Number) -> Number:
    return value if value is not None and math.isfinite(value) else None
