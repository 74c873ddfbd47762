"""The columns of a run's table: what each says of a row that has times."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from lnbench.judge.regime import Regime
from lnbench.judge.stats import Estimate
from lnbench.judge.summary import Row
from lnbench.record.outcome import Measured, Scalar, Skipped
from lnbench.render.sheet import ABSENT, Column
from lnbench.units import format_bytes, format_percent, format_rate, format_time, significant

_BOUND_BY = {
    Regime.PAGE_FAULTS: "page faults",
    Regime.CALLS: "calls",
    Regime.LAUNCHES: "launches",
    Regime.LATENCY: "latency",
    Regime.CACHE: "cache",
    Regime.BANDWIDTH: "memory",
}


class Fact(NamedTuple):
    """One column of a table."""

    column: Column
    """Its heading, and where it is shown."""
    text: Callable[[Row, Measured, Estimate], str]
    """What it says of a row, its outcome and its time; a dash where that is not known."""
    where_known: bool = False
    """Whether a table that knows it of no row does without the column."""


def facts_of(rows: Sequence[Row]) -> tuple[Fact, ...]:
    """Return the columns that a table of these rows has."""
    return tuple(
        fact
        for fact in _FACTS
        if not fact.where_known or any(fact_text(fact, row) != ABSENT for row in rows)
    )


def fact_text(fact: Fact, row: Row) -> str:
    """Return what a column says of a row; a dash where it has no times."""
    if row.time is None or not isinstance(row.outcome, Measured):
        return ABSENT
    return fact.text(row, row.outcome, row.time)


def metric_text(row: Row, metric: str) -> str:
    """Return one metric of a row: time, speedup, bandwidth, copy, error or memory."""
    if row.time is None or not isinstance(row.outcome, Measured):
        return "skipped" if isinstance(row.outcome, Skipped) else "failed"
    return METRICS[metric](row, row.outcome, row.time)


def interval_text(estimate: Estimate) -> str:
    """Return the half-width of an interval as a percentage: `±2.1%`."""
    if not (0 < estimate.low <= estimate.high < float("inf")):
        return "±?"
    return f"±{significant(((estimate.high / estimate.low) ** 0.5 - 1) * 100, 2)}%"


def _speedup(row: Row, *_: object) -> str:
    return ABSENT if row.speedup is None else f"{row.speedup.value:.2f}×"


def _rate(row: Row, *_: object) -> str:
    return ABSENT if row.bandwidth is None else significant(row.bandwidth / 1e9, 3)


def _rate_with_unit(row: Row, *_: object) -> str:
    return ABSENT if row.bandwidth is None else format_rate(row.bandwidth)


def _share_of_copy(row: Row, *_: object) -> str:
    return ABSENT if row.share_of_copy is None else format_percent(row.share_of_copy.value)


def _ulp(_: Row, measured: Measured, __: Estimate) -> str:
    worst = measured.agreement.max_ulp
    return ABSENT if worst is None else significant(worst, 2)


def _memory(_: Row, measured: Measured, __: Estimate) -> str:
    size = measured.peak_extra_bytes
    return ABSENT if size is None else format_bytes(size)


def _faults(_: Row, measured: Measured, __: Estimate) -> str:
    return ABSENT if measured.page_faults is None else significant(measured.page_faults, 3)


def _launch(_: Row, measured: Measured, __: Estimate) -> str:
    launch_s = _detail(measured, "launch_s")
    return format_time(launch_s) if isinstance(launch_s, float) else ABSENT


def _kernels(_: Row, measured: Measured, __: Estimate) -> str:
    kernels = _detail(measured, "kernels")
    return ABSENT if kernels is None else str(kernels)


def _detail(measured: Measured, name: str) -> Scalar | None:
    return dict(measured.details).get(name)


def _time(_: Row, __: Measured, time: Estimate) -> str:
    return format_time(time.value)


METRICS: Mapping[str, Callable[[Row, Measured, Estimate], str]] = {
    "time": _time,
    "speedup": _speedup,
    "bandwidth": _rate_with_unit,
    "copy": _share_of_copy,
    "error": lambda *each: f"{_ulp(*each)} ulp",
    "memory": _memory,
}
"""What can stand in the cells of a table of one metric."""

_FACTS = (
    Fact(Column("time"), _time),
    Fact(Column("±"), lambda _, __, time: interval_text(time)),
    Fact(Column("speedup"), _speedup, where_known=True),
    Fact(Column("GB/s"), _rate),
    Fact(Column("% of copy"), _share_of_copy),
    Fact(Column("ulp", wide=True), _ulp),
    Fact(Column("memory", wide=True), _memory),
    Fact(Column("faults", wide=True), _faults, where_known=True),
    Fact(Column("launch", wide=True), _launch, where_known=True),
    Fact(Column("kernels", wide=True), _kernels, where_known=True),
    Fact(Column("first call", wide=True), lambda _, each, __: format_time(each.first_call_s)),
    Fact(
        Column("bound by", right=False, wide=True),
        lambda row, *_: _BOUND_BY[row.regime] if row.regime else ABSENT,
    ),
)
