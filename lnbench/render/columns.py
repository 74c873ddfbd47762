"""What is said of every row of a run, in tables and in JSON: a new column is one entry here."""

from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter
from typing import Any

from lnbench.judge.regime import Regime
from lnbench.judge.stats import Estimate
from lnbench.judge.summary import Row
from lnbench.plan.case import shape_text
from lnbench.record.outcome import Failed, Measured, Skipped, Stopped
from lnbench.render.notes import Note
from lnbench.render.sheet import BEST, Column
from lnbench.units import format_bytes, format_energy, format_percent, format_time, significant

_BOUND_BY = {
    Regime.PAGE_FAULTS: "page faults",
    Regime.CALLS: "calls",
    Regime.LAUNCHES: "launches",
    Regime.LATENCY: "latency",
    Regime.CACHE: "cache",
    Regime.BANDWIDTH: "memory",
}


def kind(row: Row) -> str:
    """Return what came of a row, in a word."""
    if isinstance(row.outcome, Skipped):
        return "skipped"
    return "failed" if isinstance(row.outcome, Failed) else "measured"


def no_time(row: Row) -> str:
    """Return what stands where a row has no time."""
    return "skipped" if isinstance(row.outcome, Skipped) else "failed"


def interval_text(estimate: Estimate) -> str:
    """Return the half-width of an interval as a percentage: `±2.1%`."""
    if not _has_interval(estimate):
        return "±?"
    return f"±{significant(((estimate.high / estimate.low) ** 0.5 - 1) * 100, 2)}%"


def passes_text(most: int, fewest: int | None = None) -> str:
    """Return a number of passes, or a range: `1 to 12 passes`."""
    words = f"{most} pass{'es' if most != 1 else ''}"
    return words if fewest in (None, most) else f"{fewest} to {words}"


def out_of_time(row: Row) -> bool:
    """Return whether time stopped a row before it had the passes of others, or an interval."""
    if not isinstance(row.outcome, Measured) or row.outcome.stopped is not Stopped.TIME:
        return False
    return row.passes < row.most_passes or not _has_interval(row.time)


def row_notes(row: Row) -> Iterator[Note]:
    """Yield what must be said of a row: why it is missing, what to do about it, its caveats."""
    if isinstance(row.outcome, Skipped):
        yield Note("skipped", row.outcome.reason)
    elif isinstance(row.outcome, Failed):
        yield Note(f"failed ({row.outcome.stage})", row.outcome.error)
    if row.regime and row.regime.advice:
        yield Note(str(row.regime), row.regime.advice)
    yield from (Note(str(each.kind), each.detail, folds=True) for each in row.caveats)


def _texts(row: Row) -> list[str]:
    """Return all that must be said of a row, for scripts."""
    late = [f"out of time after {passes_text(row.passes)}"] if out_of_time(row) else []
    return late + [note.text for note in row_notes(row)]


def _backend(row: Row) -> str:
    return f"{row.benchmark.backend} {BEST}" if row.best else row.benchmark.backend


def _time(row: Row) -> str:
    return no_time(row) if row.time is None else format_time(row.time.value)


def _width(row: Row) -> str | None:
    """Return the width of a row's interval, or of how few passes it would be."""
    if row.time is None:
        return None
    return interval_text(row.time) if _has_interval(row.time) else passes_text(row.passes)


def _passes(row: Row) -> str | None:
    """Return how many passes a row has of those of its case, where its time ran out."""
    return f"{row.passes} of {row.most_passes}" if out_of_time(row) else None


def _has_interval(estimate: Estimate | None) -> bool:
    """Return whether there were passes enough for the ends of an interval."""
    return estimate is not None and 0 < estimate.low <= estimate.high < float("inf")


def _measured(name: str) -> Callable[[Row], Any]:
    """Return what reads an attribute of an outcome that was measured."""
    read = attrgetter(name)
    return lambda row: read(row.outcome) if isinstance(row.outcome, Measured) else None


def _bandwidth(row: Row) -> float | None:
    return None if row.bandwidth is None else row.bandwidth / 1e9


def _factor(speedup: Estimate) -> str:
    return f"{speedup.value:.2f}×"


def _share(share: Estimate) -> str:
    return format_percent(share.value)


_max_ulp, _memory = _measured("agreement.max_ulp"), _measured("peak_extra_bytes")
_two, _three = partial(significant, digits=2), partial(significant, digits=3)

COLUMNS = (
    Column(None, attrgetter("benchmark.id"), key="id"),
    Column("shape", lambda row: shape_text(row.benchmark.case.shape), right=False, once=True),
    Column("backend", _backend, right=False),
    Column(None, attrgetter("benchmark.backend"), key="backend"),
    Column(None, kind, key="kind"),
    Column("time", _time, words=("time",), unit=""),
    Column("±", _width, words=("interval",), worth=1),
    Column("out of time", _passes, words=("out-of-time",), worth=5, if_known=True),
    Column(None, attrgetter("time"), key="time_s"),
    Column(
        "speedup",
        attrgetter("speedup"),
        _factor,
        "speedup",
        words=("speedup", "ratio"),
        worth=2,
        if_known=True,
        unit="",
    ),
    Column("GB/s", _bandwidth, _three, words=("bandwidth",), worth=4, unit=" GB/s"),
    Column(None, attrgetter("bandwidth"), key="bandwidth_bytes_per_s"),
    Column(
        "% of copy",
        attrgetter("share_of_copy"),
        _share,
        "share_of_copy",
        words=("copy",),
        worth=3,
        unit="",
    ),
    Column(
        "energy",
        _measured("energy"),
        format_energy,
        "energy_j",
        words=("energy",),
        worth=5,
        if_known=True,
        unit="",
    ),
    Column(None, attrgetter("best"), key="best"),
    Column(None, attrgetter("regime"), key="regime"),
    Column("ulp", _max_ulp, _two, "max_ulp", words=("error",), worth=6, unit=" ulp"),
    Column(
        "memory", _memory, format_bytes, "peak_extra_bytes", words=("memory",), worth=9, unit=""
    ),
    Column(
        "faults",
        _measured("page_faults"),
        _three,
        "page_faults",
        words=("faults",),
        worth=11,
        if_known=True,
    ),
    Column("launch", _measured("launch_s"), format_time, words=("launch",), worth=8, if_known=True),
    Column("kernels", _measured("kernels"), words=("kernels",), worth=12, if_known=True),
    Column(
        "first call",
        _measured("first_call_s"),
        format_time,
        "first_call_s",
        words=("first-call",),
        worth=10,
    ),
    Column(
        "bound by",
        lambda row: _BOUND_BY.get(row.regime),
        right=False,
        words=("bound-by",),
        worth=7,
    ),
    Column(None, _texts, key="notes"),
)
"""In the order of the tables and of JSON's keys."""

METRICS = {column.words[0]: column for column in COLUMNS if column.unit is not None}
"""The columns that a table of one metric can be made of."""
