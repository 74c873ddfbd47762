"""A diff as a view, for pages: the same words and cells as on a terminal."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any

from lnbench.judge.comparison import Comparison
from lnbench.judge.diff import Diff
from lnbench.judge.groups import BackendGroup
from lnbench.judge.verdict import Verdict
from lnbench.plan.case import shape_text
from lnbench.render import diff_text as words
from lnbench.render.diff import COLUMNS, GROUP_NUMBERS, VERDICT, diff_json
from lnbench.render.sheet import Choice, Column, Figure, Sheet, View, sheet
from lnbench.units import one_line

_COLOURS = {
    Verdict.REGRESSED.value: "#d1495b",
    Verdict.IMPROVED.value: "#1fa37a",
    Verdict.UNCHANGED.value: "#3d85d1",
    Verdict.INCONCLUSIVE.value: "#d08a1e",
    words.CONTROL: "#888888",
}


def diff_view(diff: Diff, choice: Choice | None = None) -> View:
    """Return what changed: the answer, counts and rule above, a table a block, the rest."""
    shown = (choice or Choice()).among(COLUMNS)
    head = [words.headline(diff), words.summary(diff)]
    head += filter(None, (words.left_out(diff), words.drifted(diff)))
    head += [f"{name}: {text}" for name, text in words.header(diff)]
    head += [f"environment: {text}" for text, _ in words.environment(diff)]
    sheets = [
        *_pairs("moved in every pass, not proven", words.unproven(diff)),
        *(_block(title, rows, shown, diff.rule.threshold) for title, rows in words.blocks(diff)),
        *(_group(title, groups) for title, groups in words.group_blocks(diff)),
        *_pairs("geometric means, for orientation", words.means(diff)),
    ]
    head += filter(None, [words.group_note(diff)])
    for title, lines in words.changes(diff):
        sheets += _pairs(title, [(line, "") for line in lines])
    return View(tuple(head), tuple(sheets), None, (), lambda: diff_json(diff).encode())


def _block(
    title: str, rows: Sequence[Comparison], shown: Sequence[Column], threshold: float
) -> Sheet:
    ordered = list(chain.from_iterable(members for _, members in words.shapes(rows)))
    columns = (
        _text("shape", lambda row: shape_text(row.benchmark.case.shape), once=True),
        _text("backend", lambda row: row.benchmark.backend),
        *shown,
    )
    draw = partial(_ratios, ordered, threshold)
    return sheet(title, columns, ordered, dim=lambda row: row.verdict is None, figures=draw)


def _group(title: str, groups: Sequence[BackendGroup]) -> Sheet:
    columns = (_text("backend", lambda group: group.backend), *GROUP_NUMBERS, VERDICT)
    return sheet(f"{title} · all shapes", columns, groups)


def _pairs(title: str, lines: Sequence[tuple[str, str]]) -> Iterator[Sheet]:
    if lines:
        yield sheet(title, [_text("", itemgetter(place)) for place in (0, 1)], lines)


def _text(name: str, value: Callable[[Any], Any], *, once: bool = False) -> Column:
    return Column(name, value, right=False, once=once)


def _ratios(rows: Sequence[Comparison], threshold: float) -> Iterator[Figure]:
    """Yield each row's ratio with its interval, and the threshold to both sides of 1."""
    import altair as alt

    values = [
        {
            "row": one_line(f"{shape_text(row.benchmark.case.shape)}  {row.benchmark.backend}"),
            "y": row.ratio.value,
            **_ends(row),
            "verdict": VERDICT.cell(row),
            "said": one_line(f"{row.benchmark.id}: {words.ratio(row.ratio)}, {VERDICT.cell(row)}"),
        }
        for row in rows
    ]
    verdicts = [name for name in _COLOURS if any(value["verdict"] == name for value in values)]
    scale = alt.Scale(domain=verdicts, range=[_COLOURS[name] for name in verdicts])
    x_scale = alt.Scale(type="log", nice=False, padding=10)
    order = list(dict.fromkeys(value["row"] for value in values))
    base = alt.Chart(alt.Data(values=values), width=380, height=alt.Step(16)).encode(
        y=alt.Y("row:N", sort=order, title=None, axis=alt.Axis(labelLimit=260)),
        color=alt.Color("verdict:N", scale=scale, title=None),
    )
    edges = [{"x": edge} for edge in (1 / (1 + threshold), 1.0, 1 + threshold)]
    axis = alt.Axis(format=".3~f", tickCount=6, labelOverlap=True)
    x = alt.X("y:Q", scale=x_scale, title="candidate ÷ baseline: above 1 is slower", axis=axis)
    marks = alt.layer(
        alt.Chart(alt.Data(values=edges))
        .mark_rule(strokeDash=[2, 3], color="#888888", aria=False)
        .encode(x=alt.X("x:Q", scale=x_scale)),
        base.mark_rule(strokeWidth=2, aria=False).encode(
            x=alt.X("low:Q", scale=x_scale), x2="high:Q"
        ),
        base.mark_point(filled=True, size=40, opacity=1).encode(x=x, description="said:N"),
    )
    yield Figure("ratio", "candidate ÷ baseline, with the interval that is judged", marks)


def _ends(row: Comparison) -> dict[str, float]:
    """Return the ends of a ratio's interval; the ratio where there is none."""
    low, value, high = row.ratio.low, row.ratio.value, row.ratio.high
    known = 0 < low <= high < float("inf")
    return {"low": low, "high": high} if known else {"low": value, "high": value}
