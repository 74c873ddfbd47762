"""One number a row with its interval, for services that draw and watch it over commits."""

import msgspec

from lnbench.export.entry import Entries, measured
from lnbench.units import format_time, significant


def to_bmf(rows: Entries) -> bytes:
    """Return the Bencher Metric Format; Bencher's own measure of latency is in nanoseconds."""
    metrics = {}
    for row, _, time in measured(rows):
        latency = {"value": time.value * 1e9}
        if row.interval:
            latency |= {"lower_value": row.interval[0] * 1e9, "upper_value": row.interval[1] * 1e9}
        metrics[row.name] = {"latency": latency}
    return msgspec.json.format(msgspec.json.encode(metrics)) + b"\n"


def to_github_action_benchmark(rows: Entries) -> bytes:
    """Return what github-action-benchmark reads with `tool: customSmallerIsBetter`."""
    results = []
    for row, outcome, time in measured(rows):
        passes = f"{sum(map(bool, outcome.times_s))} passes"
        result = {"name": row.name, "value": time.value * 1e9, "unit": "ns/iter", "extra": passes}
        if row.interval:
            low, high = row.interval
            result["range"] = f"± {significant(((high / low) ** 0.5 - 1) * 100, 2)}%"
            result["extra"] = f"95% interval {format_time(low)} to {format_time(high)}\n{passes}"
        results.append(result)
    return msgspec.json.format(msgspec.json.encode(results)) + b"\n"
