"""What one run says about each row: time, speedup, bandwidth, share of the copy, who is best."""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from lnbench.errors import UnknownNameError
from lnbench.judge.stats import (
    SHOWN_CONFIDENCE,
    Estimate,
    Floats,
    estimates,
    locations,
    paired_logs,
    pass_logs,
)
from lnbench.plan.case import Benchmark, Direction
from lnbench.record.environment import Environment
from lnbench.record.outcome import Caveat, CaveatKind, Measured, Outcome
from lnbench.record.report import Report
from lnbench.registry import SPEED_LIMIT

PAGE_BYTES = 4096
"""What one page fault brings at least; a huge page brings more, and then faults are few."""

FAULTED_SHARE = 0.5
"""Share of the output from which on faults decide: each costs more than filling its page."""

PAGE_FAULT_BOUND = "page-fault-bound"
"""Most of the output is memory fresh from the kernel: the allocator is measured, not the kernel."""

CPU_CACHE_BYTES = 32 * 2**20
"""Last-level cache where the report knows none: that of a large desktop."""

DEVICE_CACHE_BYTES = 256 * 2**20
"""Above the last-level cache of any accelerator of 2026."""

Key: TypeAlias = tuple[str, str]
"""Case id and backend."""


class Row(msgspec.Struct, frozen=True):
    """One line of a run's table."""

    benchmark: Benchmark
    """What was asked for."""
    outcome: Outcome
    """What came of it; nothing below is there where it was not measured."""
    time: Estimate | None = None
    """Seconds per iteration, with a 95 % interval over the passes."""
    speedup: Estimate | None = None
    """Time of the chosen backend ÷ time of this one, paired by round: above 1 is faster."""
    bandwidth: float | None = None
    """Compulsory bytes ÷ time, in bytes a second."""
    share_of_copy: Estimate | None = None
    """Bandwidth ÷ that of the copy, paired by round: 1 is the speed limit."""
    best: bool = False
    """Whether no backend of the case is shown to be faster."""
    regime: str = ""
    """What bounds the row, where that is known."""
    caveats: tuple[Caveat, ...] = ()
    """Reasons for care."""


def rows(report: Report, relative_to: str | None = None) -> tuple[Row, ...]:
    """Return one row an outcome, in the order of the report.

    Args:
        report: the run.
        relative_to: the backend that speedups are against; None for no speedups.
    """
    if relative_to is not None:
        _check_backend(report, relative_to)
    measured = _measured(report)
    contestants = {key: outcome for key, outcome in measured.items() if _contends(outcome)}
    times = _times(measured)
    shares = _against(measured, SPEED_LIMIT)
    speedups = _against(contestants, relative_to) if relative_to is not None else {}
    best = _best(contestants, times)
    found = []
    for outcome in report.outcomes:
        key = _key(outcome)
        row = Row(outcome.benchmark, outcome)
        if one := measured.get(key):
            share = _share(one, shares.get(key), measured.get((key[0], SPEED_LIMIT)))
            row = Row(
                benchmark=one.benchmark,
                outcome=one,
                time=times[key],
                speedup=speedups.get(key),
                bandwidth=one.work.bytes_moved / times[key].value,
                share_of_copy=share,
                best=key in best,
                regime=_regime(one),
                caveats=_caveats(one, share, report.environment),
            )
        found.append(row)
    return tuple(found)


def _check_backend(report: Report, name: str) -> None:
    known = {outcome.benchmark.backend for outcome in report.outcomes}
    if name not in known:
        raise UnknownNameError("backend", name, known, "the report")


def _key(outcome: Outcome) -> Key:
    return outcome.benchmark.case.id, outcome.benchmark.backend


def _measured(report: Report) -> dict[Key, Measured]:
    return {
        _key(outcome): outcome
        for outcome in report.outcomes
        if isinstance(outcome, Measured) and any(outcome.times_s)
    }


def _times(measured: Mapping[Key, Measured]) -> dict[Key, Estimate]:
    logs = pass_logs([outcome.times_s for outcome in measured.values()])
    found = estimates(locations(logs, 1 - SHOWN_CONFIDENCE), SHOWN_CONFIDENCE)
    return dict(zip(measured, found, strict=True))


def _contends(outcome: Measured) -> bool:
    """Return whether a time may be compared: not of the limit itself, not of an interpreter."""
    interpreted = any(caveat.kind is CaveatKind.INTERPRETED for caveat in outcome.caveats)
    return outcome.benchmark.backend != SPEED_LIMIT and not interpreted


def _paired(above: Measured, below: Measured) -> Floats:
    """Return log ratios by round, or by pass where the backends did not share their rounds."""
    caveats = (*above.caveats, *below.caveats)
    sequential = any(caveat.kind is CaveatKind.SEQUENTIAL for caveat in caveats)
    return paired_logs(above, below, by_round=not sequential)


def _against(measured: Mapping[Key, Measured], backend: str) -> dict[Key, Estimate]:
    """Return each row's ratio of the time of `backend` in its case to its own."""
    logs = {
        (case, name): _paired(measured[case, backend], outcome)
        for (case, name), outcome in measured.items()
        if (case, backend) in measured
    }
    logs = {key: values for key, values in logs.items() if values.size}
    lines = locations(list(logs.values()), 1 - SHOWN_CONFIDENCE)
    found = dict(zip(logs, estimates(lines, SHOWN_CONFIDENCE), strict=True))
    same = Estimate(1.0, 1.0, 1.0, SHOWN_CONFIDENCE)
    return {key: same if key[1] == backend else ratio for key, ratio in found.items()}


def _best(contestants: Mapping[Key, Measured], times: Mapping[Key, Estimate]) -> set[Key]:
    """Return the fastest row of each case, and all that are not shown to be slower than it."""
    cases: dict[str, list[Key]] = {}
    for key in contestants:
        cases.setdefault(key[0], []).append(key)
    best = set()
    for keys in cases.values():
        fastest = min(keys, key=lambda key: times[key].value)
        level = (1 - SHOWN_CONFIDENCE) / len(keys)
        for key in keys:
            logs = _paired(contestants[key], contestants[fastest])
            if key == fastest or not logs.size or locations([logs], level)[0][1] <= 0:
                best.add(key)
    return best


def _share(row: Measured, faster: Estimate | None, copy: Measured | None) -> Estimate | None:
    """Return the row's bandwidth ÷ the copy's; None for the copy itself or without one."""
    if faster is None or copy is None or row is copy or not copy.work.bytes_moved:
        return None
    bytes_ratio = row.work.bytes_moved / copy.work.bytes_moved
    ends = (faster.value * bytes_ratio, faster.low * bytes_ratio, faster.high * bytes_ratio)
    return Estimate(*ends, faster.confidence)


def _regime(row: Measured) -> str:
    """Return what bounds the row, where the counters say so."""
    case = row.benchmark.case
    results = 2 if case.direction is Direction.STEP else 1
    output_bytes = results * case.rows * case.columns * case.dtype.itemsize
    faults = row.page_faults or 0.0
    # Below a page a call, faults are those of the interpreter around it.
    bound = faults >= 1 and faults * PAGE_BYTES >= FAULTED_SHARE * output_bytes
    return PAGE_FAULT_BOUND if bound else ""


def _caveats(row: Measured, share: Estimate | None, environment: Environment) -> tuple[Caveat, ...]:
    """Return the row's caveats, and that it beats the copy where no cache explains it."""
    on_cpu = row.benchmark.case.device_type == "cpu"
    cache = environment.cpu.last_level_cache_bytes or CPU_CACHE_BYTES
    beyond = row.work.bytes_moved > (cache if on_cpu else DEVICE_CACHE_BYTES)
    if share is None or share.low <= 1 or not beyond:
        return row.caveats
    detail = f"{share.value:.0%} of the copy"
    return (*row.caveats, Caveat(CaveatKind.ABOVE_COPY, detail))
