"""Rows of a run as charts: a metric against M or N, and the passes behind every row."""

import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lnbench.judge.regime import cache_bytes
from lnbench.judge.stats import Estimate
from lnbench.judge.summary import Row
from lnbench.plan.case import shape_text
from lnbench.record.environment import Environment
from lnbench.record.outcome import Measured
from lnbench.registry import SPEED_LIMIT
from lnbench.render.columns import interval_text, passes_text
from lnbench.render.sheet import Figure, grouped
from lnbench.units import format_bytes, format_percent, format_time, one_line, significant

PALETTE = (
    *("#3d85d1", "#e08a1e", "#1fa37a", "#d6568b", "#8a6fd6", "#c8503a", "#7d9431", "#2aa5b8"),
    "#a3785f",
)
"""Colours that stand out on white and on black; a line's marks differ in their shape as well."""

_COPY_COLOUR = "#888888"
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_WIDTH, _HEIGHT, _STEP = 380, 240, 16


class Metric(msgspec.Struct, frozen=True):
    """What a chart shows of a row."""

    title: str
    """The heading of its axis."""
    of: Callable[[Row], Estimate | None]
    """Its value with an interval; None where it is not known."""
    text: Callable[[float], str]
    """A value for people."""
    ticks: str
    """Vega's expression for the text at a tick."""


def _bandwidth(row: Row) -> Estimate | None:
    if not (row.time and row.bandwidth and isinstance(row.outcome, Measured)):
        return None
    moved, time = row.outcome.work.bytes_moved, row.time
    ends = (moved / time.high, moved / time.low if time.low else math.inf)
    return Estimate(row.bandwidth, *ends, time.confidence)


METRICS: Mapping[str, Metric] = {
    "time": Metric("time", lambda row: row.time, format_time, "format(datum.value, '~s') + 's'"),
    "bandwidth": Metric(
        "bandwidth",
        _bandwidth,
        lambda rate: f"{significant(rate / 1e9, 3)} GB/s",
        "format(datum.value, '~s') + 'B/s'",
    ),
    "copy": Metric(
        "% of copy", lambda row: row.share_of_copy, format_percent, "format(datum.value, '.3~%')"
    ),
}
"""What is drawn, by the names of `show --metric`."""


class Sweep(msgspec.Struct, frozen=True):
    """Rows along which only M or N varies, or both together."""

    axis: str
    """`M` or `N`."""
    beside: str
    """What the other one is: `M = 4096`."""
    rows: tuple[Row, ...]
    """In the order of the report."""

    def place(self, row: Row) -> int:
        """Return where a row stands on the axis."""
        case = row.benchmark.case
        return case.rows if self.axis == "M" else case.columns


def colours(rows: Sequence[Row]) -> dict[str, str]:
    """Return the colour of each backend, the same in all charts of a report."""
    names = dict.fromkeys(row.benchmark.backend for row in rows)
    others = (name for name in names if name != SPEED_LIMIT)
    found = dict(zip(others, itertools.cycle(PALETTE)))
    return found | {SPEED_LIMIT: _COPY_COLOUR}


def figures(
    rows: Sequence[Row], environment: Environment, palette: Mapping[str, str]
) -> Iterator[Figure]:
    """Yield the charts of one table: each metric over each sweep, then the passes.

    Args:
        rows: what was measured of one operation, direction, type, device and set of options.
        environment: the machine, whose caches are marked.
        palette: the colours of the backends.
    """
    drawn = [
        row for row in rows if row.time and row.benchmark.case.rows * row.benchmark.case.columns
    ]
    for (name, metric), sweep in itertools.product(METRICS.items(), sweeps(drawn)):
        known = [row for row in sweep.rows if metric.of(row)]
        if known:
            title = f"{metric.title} against {sweep.axis} · {sweep.beside}"
            yield Figure(name, title, _lines(sweep, known, metric, environment, palette))
    if drawn:
        yield Figure("passes", "each pass ÷ the median of its row", _passes(drawn, palette))


def sweeps(rows: Sequence[Row]) -> Iterator[Sweep]:
    """Yield the rows along N for each M, then along M for each N; a sole line where one is enough.

    Where M and N vary together, as at constant volume, N is the axis of all.
    """
    places = {(row.benchmark.case.rows, row.benchmark.case.columns) for row in rows}
    by_m = grouped(rows, lambda row: f"M = {row.benchmark.case.rows}")
    by_n = grouped(rows, lambda row: f"N = {row.benchmark.case.columns}")
    if len(by_n) == len(places) > 1 or len(places) == 1:
        volumes = {m * n for m, n in places}
        beside = f"M × N = {volumes.pop()}" if len(volumes) == 1 else "each with its M"
        yield Sweep("N", next(iter(by_m)) if len(by_m) == 1 else beside, tuple(rows))
        return
    for axis, groups in (("N", by_m), ("M", by_n)):
        for beside, members in groups.items():
            if len({row.benchmark.case.shape for row in members}) > 1:
                yield Sweep(axis, beside, tuple(members))


def cache_crossings(sweep: Sweep, environment: Environment) -> list[dict[str, Any]]:
    """Return where on the axis a call begins to move more bytes than the last-level cache holds."""
    moved = {
        sweep.place(row): (row.outcome.work.bytes_moved, cache_bytes(row.outcome, environment))
        for row in sweep.rows
        if isinstance(row.outcome, Measured) and row.benchmark.backend != SPEED_LIMIT
    }
    found = []
    for (low, (less, cache)), (high, (more, _)) in itertools.pairwise(sorted(moved.items())):
        if 0 < less <= cache < more:
            share = math.log(cache / less) / math.log(more / less)
            place = low * (high / low) ** share
            found.append({"x": place, "label": f"cache {format_bytes(cache)}"})
    return found


def _lines(
    sweep: Sweep,
    rows: Sequence[Row],
    metric: Metric,
    environment: Environment,
    palette: Mapping[str, str],
) -> Any:
    """Return a line a backend with the band of its interval, and what it is held against."""
    import altair as alt

    values = [_point(sweep, row, metric) for row in rows]
    names = list(dict.fromkeys(value["backend"] for value in values))
    x_scale = alt.Scale(type="log", base=2, nice=False, padding=12)
    y_scale = alt.Scale(type="log", nice=False, padding=8)
    ticks = sorted({value["x"] for value in values})
    x = alt.X("x:Q", scale=x_scale, title=sweep.axis, axis=alt.Axis(values=ticks, format="d"))
    y = alt.Y(
        "y:Q",
        scale=y_scale,
        title=metric.title,
        axis=alt.Axis(labelExpr=metric.ticks, tickCount=5, labelOverlap=True),
    )
    base = alt.Chart(alt.Data(values=values), width=_WIDTH, height=_HEIGHT).encode(
        x=x, color=_colour(names, palette)
    )
    shape = alt.Shape("backend:N", scale=alt.Scale(domain=names, range=_cycle(_SHAPES, names)))
    dash = alt.condition(f"datum.backend == '{SPEED_LIMIT}'", alt.value([5, 4]), alt.value([1, 0]))
    layers = [
        base.mark_area(opacity=0.2, aria=False).encode(
            y=alt.Y("low:Q", scale=y_scale), y2="high:Q"
        ),
        base.mark_rule(opacity=0.6, aria=False).encode(y="low:Q", y2="high:Q"),
        base.mark_line(aria=False).encode(y=y, strokeDash=dash),
        base.mark_point(filled=True, size=36, opacity=1).encode(
            y=y, shape=shape, description="said:N"
        ),
    ]
    if metric is METRICS["copy"]:
        layers.append(_level(1.0))
    return alt.layer(*layers, *_caches(cache_crossings(sweep, environment)))


def _point(sweep: Sweep, row: Row, metric: Metric) -> dict[str, Any]:
    """Return a row as the charts have it: without an interval its ends are its value."""
    estimate = metric.of(row)
    assert estimate is not None  # noqa: S101  (the caller has looked)
    known = 0 < estimate.low <= estimate.high < math.inf
    low, high = (estimate.low, estimate.high) if known else (estimate.value, estimate.value)
    name = one_line(row.benchmark.backend)
    said = f"{name} · {shape_text(row.benchmark.case.shape)}: {metric.text(estimate.value)} "
    said += f"{interval_text(estimate)} · {passes_text(row.passes)}"
    place = {"x": sweep.place(row), "y": estimate.value, "low": low, "high": high}
    return place | {"backend": name, "said": said}


def _passes(rows: Sequence[Row], palette: Mapping[str, str]) -> Any:
    """Return a tick a pass: its median sample ÷ the time of its row."""
    import altair as alt

    values = [
        {
            "row": one_line(f"{shape_text(row.benchmark.case.shape)}  {row.benchmark.backend}"),
            "backend": one_line(row.benchmark.backend),
            "x": statistics.median(samples) / row.time.value,
        }
        for row in rows
        if isinstance(row.outcome, Measured) and row.time
        for samples in row.outcome.times_s
        if samples
    ]
    names = list(dict.fromkeys(value["backend"] for value in values))
    order = list(dict.fromkeys(value["row"] for value in values))
    axis = alt.Axis(format="~%", orient="top", tickCount=5)
    ticks = alt.Chart(alt.Data(values=values), width=_WIDTH, height=alt.Step(_STEP)).mark_tick(
        thickness=1.5, aria=False
    )
    return ticks.encode(
        x=alt.X("x:Q", scale=alt.Scale(zero=False), title=None, axis=axis),
        y=alt.Y("row:N", sort=order, title=None, axis=alt.Axis(labelLimit=260, grid=True)),
        color=_colour(names, palette, legend=False),
    )


def _colour(names: Sequence[str], palette: Mapping[str, str], *, legend: bool = True) -> Any:
    import altair as alt

    shown = {one_line(name): colour for name, colour in palette.items()}
    scale = alt.Scale(domain=list(names), range=[shown[name] for name in names])
    return alt.Color("backend:N", scale=scale, title=None, **({} if legend else {"legend": None}))


def _level(value: float) -> Any:
    import altair as alt

    line = alt.Chart(alt.Data(values=[{"y": value}]))
    return line.mark_rule(strokeDash=[5, 4], color=_COPY_COLOUR, aria=False).encode(y="y:Q")


def _caches(crossings: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    import altair as alt

    for crossing in crossings:
        base = alt.Chart(alt.Data(values=[crossing])).encode(x="x:Q")
        yield base.mark_rule(strokeDash=[2, 3], color=_COPY_COLOUR, aria=False)
        yield base.mark_text(align="left", dx=4, baseline="top", color=_COPY_COLOUR).encode(
            y=alt.value(2), text="label:N"
        )


def _cycle(values: Sequence[str], names: Sequence[str]) -> list[str]:
    return list(itertools.islice(itertools.cycle(values), len(names)))
