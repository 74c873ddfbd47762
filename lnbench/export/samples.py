"""Every time that was taken, for tools that do their own statistics."""

import statistics
from typing import Any

import msgspec

from lnbench.export.entry import Entries, Entry, measured
from lnbench.judge.stats import LONGEST_S, SHORTEST_S
from lnbench.plan.case import shape_text
from lnbench.record.outcome import Measured
from lnbench.record.report import Report


def to_pyperf(rows: Entries) -> bytes:
    """Return a suite of pyperf: a run a pass, the first call as its first warm-up."""
    benchmarks = []
    for row, outcome, _ in measured(rows):
        runs: list[dict[str, Any]] = [
            {"metadata": {"loops": outcome.iterations}, "values": own} for own in _passes(outcome)
        ]
        runs[0]["warmups"] = [[1, outcome.first_call_s]]
        benchmarks.append({"metadata": {"name": row.name, "unit": "second"}, "runs": runs})
    return _json({"version": "1.0", "metadata": _machine(rows[0].report), "benchmarks": benchmarks})


def to_pytest_benchmark(rows: Entries) -> bytes:
    """Return a run of pytest-benchmark: a group a case, all samples of all passes as its data."""
    report = rows[0].report
    revision = report.revision
    benchmarks = [
        {
            "group": outcome.benchmark.case.id,
            "name": row.name,
            "fullname": row.name,
            "params": _parameters(row),
            "param": outcome.backend,
            "extra_info": {"caveats": [caveat.kind for caveat in outcome.caveats]},
            "options": {},
            "stats": _stats([t for own in _passes(outcome) for t in own], outcome.iterations),
        }
        for row, outcome, _ in measured(rows)
    ]
    commit = {"id": revision.commit, "dirty": revision.dirty} if revision else {"id": "unknown"}
    return _json(
        {
            "machine_info": _machine(report),
            "commit_info": commit,
            "benchmarks": benchmarks,
            "datetime": report.created.isoformat(),
            "version": report.tool.version,
        }
    )


def to_google_benchmark(rows: Entries) -> bytes:
    """Return what Google Benchmark prints: a repetition a pass, with the median of its samples."""
    report, benchmarks = rows[0].report, []
    for row, outcome, _ in measured(rows):
        passes = _passes(outcome)
        for number, own in enumerate(passes):
            time_ns = statistics.median(own) * 1e9
            repetition = {
                "name": row.name,
                "run_name": row.name,
                "run_type": "iteration",
                "repetitions": len(passes),
                "repetition_index": number,
                "threads": report.environment.threads,
                "iterations": outcome.iterations * len(own),
                "real_time": time_ns,
                "cpu_time": time_ns,  # its readers want one, and it is not measured
                "time_unit": "ns",
            }
            benchmarks.append(repetition)
    context = {
        "date": report.created.isoformat(),
        "num_cpus": report.environment.cpu.logical_cores,
        "library_build_type": "release",
        "json_schema_version": 1,
        **_machine(report),
    }
    return _json({"context": context, "benchmarks": benchmarks})


def _passes(outcome: Measured) -> list[list[float]]:
    """Return the times of passes that have any; a reader may divide by one, or add all up."""
    return [[min(max(t, SHORTEST_S), LONGEST_S) for t in own] for own in outcome.times_s if own]


def _stats(times_s: list[float], iterations: int) -> dict[str, Any]:
    """Return the statistics that pytest-benchmark keeps, of times in seconds."""
    times_s = sorted(times_s)
    mean, median = statistics.fmean(times_s), statistics.median(times_s)
    deviation = statistics.stdev(times_s) if len(times_s) > 1 else 0.0
    low, _, high = statistics.quantiles(times_s * (1 if len(times_s) > 1 else 2), n=4)
    fences = (low - 1.5 * (high - low), high + 1.5 * (high - low))
    inner = [t for t in times_s if fences[0] <= t <= fences[1]]
    far = sum(abs(t - mean) > deviation for t in times_s)
    return {
        "min": times_s[0],
        "max": times_s[-1],
        "mean": mean,
        "stddev": deviation,
        "rounds": len(times_s),
        "median": median,
        "iqr": high - low,
        "q1": low,
        "q3": high,
        "iqr_outliers": len(times_s) - len(inner),
        "stddev_outliers": far,
        "outliers": f"{far};{len(times_s) - len(inner)}",
        "ld15iqr": inner[0],
        "hd15iqr": inner[-1],
        "ops": 1 / mean,
        "total": sum(times_s),
        "data": times_s,
        "iterations": iterations,
    }


def _parameters(row: Entry) -> dict[str, str]:
    one = row.outcome
    return {
        "operation": one.operation,
        "direction": str(one.direction),
        "shape": shape_text(one.shape),
        "dtype": str(one.dtype),
        "device": one.benchmark.case.device_type,
        "backend": one.backend,
        **dict(one.options.differing()),
    }


def _machine(report: Report) -> dict[str, Any]:
    """Return what may explain a difference, as pyperf and pytest-benchmark name it."""
    environment = report.environment
    return {
        "cpu_model_name": environment.cpu.model,
        "machine": environment.cpu.architecture,
        "platform": environment.os,
        "python_version": environment.python,
        "threads": environment.threads,
        "machine_id": environment.machine_id,
        "lnbench_version": report.tool.version,
        "torch_version": environment.packages.get("torch", "none"),
    }


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"
