"""A history as charts: the time of each backend over the reports, and where it changed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lnbench.judge.history import Line, Row
from lnbench.judge.verdict import Verdict
from lnbench.plan.case import shape_text
from lnbench.registry import SPEED_LIMIT
from lnbench.render.charts import COPY_COLOUR, HEIGHT, METRICS, WIDTH, Style, colour, value_axis
from lnbench.render.sheet import Figure, grouped
from lnbench.units import format_time, one_line

MOST_POINTS = 60
"""Reports of a line up to which each is a point: of more only changes are."""

_LABELS = 5
_SIGNS = {Verdict.REGRESSED: "triangle-up", Verdict.IMPROVED: "triangle-down"}
_BESIDE = {"triangle-up": ("right", -6), "triangle-down": ("left", 6)}
"""Where the number of a change stands: above its line, on the side where that is lower."""


def figures(
    line: Line, rows: Sequence[Row], commits: Sequence[str], palette: Mapping[str, Style]
) -> Iterator[Figure]:
    """Yield a chart for each case: a line a backend, and the changes that are shown.

    Args:
        line: reports that can be compared.
        rows: those of one table.
        commits: what names each report.
        palette: the styles of the backends.
    """
    if len(line.readings) > 1:
        for shape, members in grouped(
            rows, lambda row: shape_text(row.benchmark.case.shape)
        ).items():
            yield Figure("time", f"time of {shape} over commits", _chart(members, commits, palette))


def _chart(rows: Sequence[Row], commits: Sequence[str], palette: Mapping[str, Style]) -> Any:
    """Return a line a backend, broken where a report has no time of it."""
    import altair as alt

    names = list(dict.fromkeys(one_line(row.benchmark.backend) for row in rows))
    changes = [change for row in rows for change in _changes(row, commits)]
    times = [time for row in rows for time in row.known]
    x = alt.X("x:Q", title=None, axis=_commit_axis(commits, {change["x"] for change in changes}))
    y_scale = alt.Scale(type="log", nice=False, padding=12)
    y = alt.Y("y:Q", title="time", axis=value_axis(METRICS["time"], times), scale=y_scale)
    base = alt.Chart().encode(x=x, y=y, color=colour(names, palette))
    dash = alt.condition(f"datum.backend == '{SPEED_LIMIT}'", alt.value([5, 4]), alt.value([1, 0]))
    layers = [base.mark_line(strokeCap="round", aria=False).encode(strokeDash=dash)]
    if len(commits) <= MOST_POINTS:
        points = base.mark_point(filled=True, size=14, opacity=1)
        layers.append(points.encode(description="said:N"))
    # One set of data for all layers: Altair looks at each value of every set that there is.
    data = alt.Data(values=[point for row in rows for point in _points(row, commits)])
    layers += _marks(base, changes) if changes else ()
    return alt.layer(*layers, data=data).properties(width=WIDTH, height=HEIGHT)


def _points(row: Row, commits: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a row's time in each report, in words too where each is a point."""
    name = one_line(row.benchmark.backend)
    for place, (time, commit) in enumerate(zip(row.times, commits, strict=True)):
        said = f"{name} · {one_line(commit)}: {format_time(time)}" if time else ""
        words = {"said": said} if len(commits) <= MOST_POINTS else {}
        yield {"x": place, "y": time, "backend": name, **words}


def _changes(row: Row, commits: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what is shown to have changed in a row."""
    name = one_line(row.benchmark.backend)
    for change in row.changes:
        moved = f"{change.ratio.value - 1:+.0%}"
        yield {
            "x": change.place,
            "y": row.times[change.place],
            "backend": name,
            "change": moved,
            "sign": _SIGNS[change.verdict],
            "said": f"{name} · {one_line(commits[change.place])}: {moved}",
        }


def _marks(base: Any, changes: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    """Yield a rule at each commit with a change, and a triangle on the line that changed."""
    import altair as alt

    data = alt.Data(values=list(changes))
    rule = alt.Chart(data).mark_rule(strokeDash=[2, 3], color=COPY_COLOUR, aria=False)
    yield rule.encode(x="x:Q")
    marks = base.properties(data=data)
    for sign, (align, right) in _BESIDE.items():
        own = marks.transform_filter(f"datum.sign == '{sign}'")
        point = own.mark_point(filled=True, shape=sign, size=90, opacity=1)
        yield point.encode(description="said:N")
        yield own.mark_text(align=align, dx=right, dy=-16, aria=False).encode(text="change:N")


def _commit_axis(commits: Sequence[str], changed: set[int]) -> Any:
    """Return an axis that names the reports with a change, and some where there is room."""
    import altair as alt

    last = len(commits) - 1
    evenly = {round(last * turn / (_LABELS - 1)) for turn in range(_LABELS)}
    roomy = {at for at in evenly if all(abs(at - own) * _LABELS > last for own in changed)}
    # Commits come from files: as JSON they are a literal, whatever they hold.
    names = json.dumps([one_line(commit) for commit in commits])
    places = sorted(changed | roomy)
    return alt.Axis(values=places, labelExpr=f"{names}[datum.value]", labelOverlap="greedy")
