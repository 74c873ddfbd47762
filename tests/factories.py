"""Reports with invented times, so that the way from report to verdict is deterministic."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lnbench.plan.budget import Budget
from lnbench.plan.case import Benchmark, Work
from lnbench.record.environment import Cpu, Environment
from lnbench.record.outcome import Agreement, Failed, Measured, Outcome, Skipped, Stage, Stopped
from lnbench.record.report import BenchmarkReport, ComparisonReport, Report, Tool
from lnbench.record.revision import Revision

CASE = "layernorm/forward/4096x1024/float32/cpu"

PLUGINS = Path(__file__).parent / "plugins"
"""Where the faulty plug-ins are."""


def benchmark(name: str = "triton") -> Benchmark:
    """Return a benchmark from its id, or from a backend's name in the usual case."""
    return Benchmark.parse(name if "/" in name else f"{CASE}/{name}")


def measured(
    name: str = "triton",
    time_s: float = 1e-3,
    *,
    noise: float = 0.01,
    passes: int = 12,
    samples: int = 10,
    seed: int = 0,
    times_s: Iterable[Sequence[float]] | None = None,
    **fields: Any,
) -> Measured:
    """Return a measured outcome with `time_s` and noise between passes, or with given times.

    Noise is a share; a pass's samples share its luck and spread by a tenth of it around that.
    """
    if times_s is None:
        rng = np.random.default_rng([seed, *name.encode()])
        luck = rng.normal(0, noise, (passes, 1)) + rng.normal(0, noise / 10, (passes, samples))
        times_s = (time_s * np.exp(luck)).tolist()
    times = tuple(map(tuple, times_s))
    found = benchmark(name)
    moved = 2 * found.case.rows * found.case.columns * found.case.dtype.itemsize
    usual = {
        "iterations": 1,
        "first_call_s": 2 * time_s,
        "rounds": tuple(tuple(range(len(row))) for row in times),
        "work": Work(moved, 0),
        "agreement": Agreement({}),
        "page_faults": 0.0,
        "peak_extra_bytes": None,
        "stopped": Stopped.PASSES,
        "details": {},
        "caveats": (),
    }
    return Measured.of(found, times_s=times, **usual | fields)


def failed(name: str = "triton", error: str = "y is off") -> Failed:
    """Return a benchmark that failed its verification."""
    return Failed.of(benchmark(name), stage=Stage.VERIFY, error=error)


def skipped(name: str = "triton", reason: str = "triton needs a CUDA device") -> Skipped:
    """Return a benchmark that cannot run."""
    return Skipped.of(benchmark(name), reason=reason)


def environment(**fields: Any) -> Environment:
    """Return a small machine."""
    usual = {
        "python": "3.13.1",
        "os": "Linux 6.12",
        "cpu": Cpu("Zen 5", "x86_64", 2, 2, 32 * 2**20),
        "memory_bytes": 8 * 2**30,
        "packages": {"numpy": "2.4.0", "torch": "2.13.0"},
        "devices": {},
        "variables": {},
        "threads": 2,
        "transparent_hugepages": "madvise",
        "governor": None,
        "virtual": True,
        "machine_id": "a1b2c3d4",
    }
    return Environment(**usual | fields)


def report(*outcomes: Outcome, day: int = 1, **fields: Any) -> Report:
    """Return a report of outcomes, made on a day of November 2026."""
    usual = {
        "created": datetime(2026, 11, day, 12, 0, tzinfo=UTC),
        "tool": Tool("lnbench", "0.1.0", ("run", "quick")),
        "revision": Revision(f"{day:02x}" * 20, dirty=False),
        "environment": environment(),
        "suite": "quick",
        "budget": Budget(),
        "seed": 0,
    }
    kind = ComparisonReport if "sides" in fields else BenchmarkReport
    return kind(outcomes=outcomes, **usual | fields)


def invented(benchmark):
    """Return the outcome of a benchmark in a session that measures nothing."""
    return measured(benchmark.id, 1e-3 if benchmark.backend == "copy" else 2e-3, passes=2)
