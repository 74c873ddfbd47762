"""Rows of a run as charts: a metric against M or N, and the passes behind every row."""

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from lnbench.judge.stats import Estimate
from lnbench.judge.summary import Row
from lnbench.plan.case import shape_text
from lnbench.record.environment import Environment
from lnbench.record.outcome import Measured
from lnbench.registry import SPEED_LIMIT
from lnbench.render.columns import interval_text, passes_text
from lnbench.render.sheet import Figure
from lnbench.render.sweeps import Sweep, cache_crossings, sweeps
from lnbench.units import format_percent, format_time, one_line, significant

PALETTE = (
    *("#3d85d1", "#e08a1e", "#1fa37a", "#d6568b", "#8a6fd6", "#c8503a", "#7d9431", "#2aa5b8"),
    "#a3785f",
)
"""Colours that stand out on white and on black; a line's marks differ in their shape as well."""

COPY_COLOUR = "#888888"
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
WIDTH, HEIGHT, _STEP = 380, 240, 16
_FEWEST_TICKS = 3
_LADDERS = (
    (1,),
    (1, 2, 5),
    range(1, 10),
    [1 + i / 2 for i in range(18)],
    [1 + i / 10 for i in range(90)],
)
"""Round numbers between two powers of ten, ever denser."""


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


class Style(NamedTuple):
    """How a backend is drawn, the same in all charts of a report."""

    colour: str
    shape: str


def styles(backends: Iterable[str]) -> dict[str, Style]:
    """Return the style of each backend by the name that charts show."""
    names = dict.fromkeys(map(one_line, backends))
    others = (name for name in names if name != SPEED_LIMIT)
    pairs = zip(itertools.cycle(PALETTE), itertools.cycle(_SHAPES), strict=False)
    found = {name: Style(*pair) for name, pair in zip(others, pairs, strict=False)}
    return found | {SPEED_LIMIT: Style(COPY_COLOUR, "circle")}


def figures(
    rows: Sequence[Row], environment: Environment, palette: Mapping[str, Style]
) -> Iterator[Figure]:
    """Yield the charts of one table: each metric over each sweep, then the passes.

    Args:
        rows: what was measured of one operation, direction, type, device and set of options.
        environment: the machine, whose caches are marked.
        palette: the styles of the backends.
    """
    drawn = [
        row for row in rows if row.time and row.benchmark.case.rows * row.benchmark.case.columns
    ]
    for (name, metric), sweep in itertools.product(METRICS.items(), sweeps(drawn)):
        known = [row for row in sweep.rows if metric.of(row)]
        if known:
            title = f"{metric.title} against {sweep.axis} · {sweep.beside}"
            yield Figure(name, title, _lines(sweep, known, metric, environment, palette))
    if any(row.passes > 1 for row in drawn):
        yield Figure("passes", "each pass ÷ the median of its row", _passes(drawn, palette))


def _lines(
    sweep: Sweep,
    rows: Sequence[Row],
    metric: Metric,
    environment: Environment,
    palette: Mapping[str, Style],
) -> Any:
    """Return a line a backend with the band of its interval, and what it is held against."""
    import altair as alt

    values = [_point(sweep, row, metric) for row in rows]
    names = list(dict.fromkeys(value["backend"] for value in values))
    x_scale = alt.Scale(type="log", base=2, nice=False, padding=12)
    y_scale = alt.Scale(type="log", nice=False, padding=8)
    places = alt.Axis(values=sorted({value["x"] for value in values}), format="d")
    x = alt.X("x:Q", scale=x_scale, title=sweep.axis, axis=places)
    y = alt.Y(
        "y:Q",
        scale=y_scale,
        title=metric.title,
        axis=value_axis(metric, [value[end] for value in values for end in ("low", "high")]),
    )
    base = alt.Chart(alt.Data(values=values), width=WIDTH, height=HEIGHT).encode(
        x=x, color=colour(names, palette)
    )
    shapes = alt.Scale(domain=names, range=[palette[name].shape for name in names])
    dash = alt.condition(f"datum.backend == '{SPEED_LIMIT}'", alt.value([5, 4]), alt.value([1, 0]))
    layers = [
        base.mark_area(opacity=0.2, aria=False).encode(
            y=alt.Y("low:Q", scale=y_scale), y2="high:Q"
        ),
        base.mark_rule(opacity=0.6, aria=False).encode(y="low:Q", y2="high:Q"),
        base.mark_line(aria=False).encode(y=y, strokeDash=dash),
        base.mark_point(filled=True, size=36, opacity=1).encode(
            y=y, shape=alt.Shape("backend:N", scale=shapes), description="said:N"
        ),
    ]
    if metric is METRICS["copy"]:
        layers.append(_level(1.0))
    return alt.layer(*layers, *_caches(cache_crossings(sweep, environment)))


def value_axis(metric: Metric, values: Sequence[float]) -> Any:
    """Return a logarithmic axis with round numbers, of the coarsest ladder that has three."""
    import altair as alt

    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for ladder in _LADDERS:
        steps = (step * 10.0**power for power in powers for step in ladder)
        ticks = [tick for tick in steps if low * 0.95 <= tick <= high * 1.05]
        if len(ticks) >= _FEWEST_TICKS:
            break
    return alt.Axis(labelExpr=metric.ticks, values=ticks, labelOverlap=True)


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


def _passes(rows: Sequence[Row], palette: Mapping[str, Style]) -> Any:
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
    names = list(dict.fromkeys(str(value["backend"]) for value in values))
    order = list(dict.fromkeys(value["row"] for value in values))
    edges = [0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10]
    axis = alt.Axis(format="~%", orient="top", values=edges, labelOverlap=True)
    scale = alt.Scale(type="log", nice=False, padding=8)
    ticks = alt.Chart(alt.Data(values=values), width=WIDTH, height=alt.Step(_STEP)).mark_tick(
        thickness=1.5, aria=False
    )
    return ticks.encode(
        x=alt.X("x:Q", scale=scale, title=None, axis=axis),
        y=alt.Y("row:N", sort=order, title=None, axis=alt.Axis(labelLimit=260, grid=True)),
        color=colour(names, palette, legend=False),
    )


def colour(names: Sequence[str], palette: Mapping[str, Style], *, legend: bool = True) -> Any:
    """Return who is drawn in which colour."""
    import altair as alt

    scale = alt.Scale(domain=list(names), range=[palette[name].colour for name in names])
    return alt.Color("backend:N", scale=scale, title=None, **({} if legend else {"legend": None}))


def _level(value: float) -> Any:
    import altair as alt

    line = alt.Chart(alt.Data(values=[{"y": value}]))
    return line.mark_rule(strokeDash=[5, 4], color=COPY_COLOUR, aria=False).encode(y="y:Q")


def _caches(crossings: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    import altair as alt

    for crossing in crossings:
        base = alt.Chart(alt.Data(values=[crossing])).encode(x="x:Q")
        yield base.mark_rule(strokeDash=[2, 3], color=COPY_COLOUR, aria=False)
        yield base.mark_text(align="left", dx=4, baseline="top", color=COPY_COLOUR).encode(
            y=alt.value(2), text="label:N"
        )
