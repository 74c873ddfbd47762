"""What a profiler saw of a call, as a view: where its time goes, its counts, and its bytes."""

from collections.abc import Mapping
from functools import partial
from operator import attrgetter, itemgetter

from lnbench.judge.regime import PAGE_BYTES
from lnbench.judge.traffic import Source, Traffic, traffic
from lnbench.measure.counters import EVENTS, LLC_MISSES
from lnbench.measure.operators import COMPILED_GRAPH
from lnbench.measure.profile_messages import Profiled
from lnbench.plan.case import Benchmark, Work
from lnbench.render.sheet import Column, View, objects, sheet
from lnbench.units import format_bytes, format_percent, format_time, significant

_SHOWN, _LEAST_SHARE = 12, 0.005
_ALIKE = 0.05
"""Share of the compulsory bytes that is not worth a word."""

_ONE_CALL = 0.9
"""Share of the samples in one line from which on they say no more than its name."""

_two = partial(significant, digits=2)

_SPOTS = (
    Column("", attrgetter("name"), key="name", right=False),
    Column("share", attrgetter("share"), partial(format_percent, digits=1), "share"),
    Column("time", attrgetter("time_s"), format_time, "time_s", if_known=True),
    Column("launches", attrgetter("launches"), "{:g}".format, "launches", if_known=True),
    Column("bytes", attrgetter("bytes_moved"), format_bytes, "bytes_moved", if_known=True),
)
_COUNTS = (
    Column("a call", itemgetter(0), right=False),
    Column("count", itemgetter(1), partial(significant, digits=3)),
)
_HEADINGS = {"torch": "operator or kernel", "py-spy": "line"}


def profile_view(benchmark: Benchmark, work: Work, seen: Profiled) -> View:
    """Return what was seen of a benchmark.

    Args:
        benchmark: what was called.
        work: what it must move and compute.
        seen: by whom, and what.
    """
    bytes_ = traffic(work, seen.counters.get(LLC_MISSES), seen.operator_bytes, seen.page_faults)
    said = sentence(benchmark.backend, bytes_, seen)
    heading = _HEADINGS.get(seen.profiler, "")
    where = sheet(
        f"where the time goes, by {seen.profiler or 'nobody'}",
        (Column(heading, _SPOTS[0].value, right=False), *_SPOTS[1:]),
        [spot for spot in seen.spots[:_SHOWN] if spot.share >= _LEAST_SHARE],
        _notes(seen),
    )
    counts: Mapping[str, float | None] = {
        **{name: seen.counters.get(name) for name in EVENTS},
        "page faults": seen.page_faults,
    }
    on_cpu = benchmark.case.device == "cpu"
    why = [f"–: {seen.uncounted}"] if seen.uncounted else []
    sheets = (sheet("counts", _COUNTS, tuple(counts.items()), why),) if on_cpu else ()
    head = f"{format_time(seen.time_s)} a call · verified · {_calls(seen.calls)}"
    answer = sheet("bytes", _BYTES, [bytes_], answer=[said])
    return View(
        (benchmark.id, head), (where, *sheets, answer), _data(benchmark, seen, bytes_, said)
    )


_BYTES = (
    Column("compulsory", attrgetter("compulsory"), format_bytes),
    Column("moved", attrgetter("moved"), format_bytes),
    Column("ratio", attrgetter("ratio"), _two),
    Column("by", attrgetter("source"), right=False),
)


def sentence(backend: str, bytes_: Traffic, seen: Profiled) -> str:
    """Return why a call takes the time that it takes, as far as its bytes say it."""
    perfect = format_bytes(bytes_.compulsory)
    if bytes_.moved is None or bytes_.ratio is None:
        rate = significant(bytes_.compulsory / seen.time_s / 1e9, 3)
        why = seen.uncounted or "its kernels do not say it: --tool ncu counts"
        must = f"the {perfect} that it must move, in its time, are {rate} GB/s"
        return f"how many bytes {backend} moves is not known ({why}); {must}"
    cleared = format_bytes(seen.page_faults * PAGE_BYTES)
    faults = f"{cleared} that the system clears in {seen.page_faults:.0f} page faults"
    least = "at least " * (bytes_.source is Source.PAGE_FAULTS)
    moves = f"{backend} moves {least}{_two(bytes_.ratio)} times the compulsory bytes"
    moved = format_bytes(bytes_.moved)
    match bytes_.source:
        case Source.PAGE_FAULTS:
            return f"{moves}: {perfect}, and {faults}; what more, only counters could say"
        case Source.COUNTERS:
            said = f"{moves}: {moved} come from memory where {perfect} must be moved"
            said += ", the rest stays in the cache" * (bytes_.ratio < 1 - _ALIKE)
        case _:
            said = f"{moves}: {moved} are read and written"
            said += f" where {perfect} must be" * (bytes_.ratio > 1 + _ALIKE)
    many = seen.page_faults * PAGE_BYTES > _ALIKE * bytes_.compulsory
    return f"{said}; and {faults}" if many else said


def _notes(seen: Profiled) -> list[str]:
    """Return why there are no lines, or why they tell little."""
    if seen.unseen:
        return [f"–: {seen.unseen}"]
    most = seen.spots[0] if seen.spots else None
    if most is None or most.share < _ONE_CALL:
        return []
    if seen.profiler == "torch" and most.name != COMPILED_GRAPH:
        return []
    share, of = format_percent(most.share), "time is" if most.time_s else "samples are"
    hidden = "which this profiler does not see from inside: --tool perf does"
    return [f"{share} of the {of} in one call of compiled code, {hidden}"]


def _calls(calls: int) -> str:
    return f"{calls} marked call{'s' if calls != 1 else ''}"


def _data(benchmark: Benchmark, seen: Profiled, bytes_: Traffic, said: str) -> dict[str, object]:
    """Return the same for scripts."""
    return {
        "schema": 1,
        "kind": "profile",
        "benchmark": benchmark.id,
        "backend": benchmark.backend,
        "calls": seen.calls,
        "time_s": seen.time_s,
        "profiler": seen.profiler,
        "spots": objects(_SPOTS, seen.spots),
        "unseen": seen.unseen,
        "page_faults": seen.page_faults,
        "counters": seen.counters,
        "uncounted": seen.uncounted,
        "compulsory_bytes": bytes_.compulsory,
        "moved_bytes": bytes_.moved,
        "moved_ratio": bytes_.ratio,
        "moved_by": bytes_.source,
        "sentence": said,
    }
