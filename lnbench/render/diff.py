"""A diff as Markdown, as JSON and as GitHub's annotations, and the columns of all its forms."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from lnbench.judge.comparison import Comparison
from lnbench.judge.diff import Change, Diff
from lnbench.judge.groups import BackendGroup
from lnbench.judge.verdict import Verdict
from lnbench.render import diff_text as words
from lnbench.render.forms import escaped, json_text
from lnbench.render.sheet import Column, objects
from lnbench.units import format_time

SCHEMA = 1
"""Number of the JSON's form."""

NUMBERS = (
    Column("baseline", attrgetter("baseline"), lambda time: format_time(time.value), "baseline_s"),
    Column(
        "candidate", attrgetter("candidate"), lambda time: format_time(time.value), "candidate_s"
    ),
    Column("ratio", attrgetter("ratio"), words.ratio, "ratio"),
    Column("detects", attrgetter("detectable"), words.number, "detectable"),
)
"""What is said of every row that both sides measured, between its name and its verdict."""

GROUP_NUMBERS: Mapping[str, Callable[[BackendGroup], str]] = {
    "rows": lambda group: str(group.rows),
    "ratio": lambda group: words.reading(group.absolute),
    "against the rest": lambda group: words.reading(group.relative),
    "detects": lambda group: words.number(group.detectable or math.inf),
}
"""What is said of every group that is judged, between its name and its verdict."""

_COMPARISON = (
    Column(None, attrgetter("benchmark.id"), key="benchmark"),
    *NUMBERS,
    Column(None, attrgetter("verdict"), key="verdict"),
    Column(None, attrgetter("reason"), key="reason"),
    Column(None, attrgetter("caveats"), key="caveats"),
    Column(None, attrgetter("unproven"), key="unproven"),
)

_GROUP = (
    *(Column(None, attrgetter(name), key=name) for name in BackendGroup.__struct_fields__),
    Column(None, attrgetter("verdict"), key="verdict"),
    Column(None, attrgetter("detectable"), key="detectable"),
)


def diff_markdown(diff: Diff) -> str:
    """Return a diff as Markdown, for a pull request or a summary."""
    parts = [f"**{escaped(words.headline(diff))}**", escaped(words.summary(diff))]
    header = [f"- {name}: {escaped(text)}" for name, text in words.header(diff)]
    header += [
        f"- {'**environment**' if serious else 'environment'}: {escaped(text)}"
        for text, serious in words.environment(diff)
    ]
    parts.append("\n".join(header))
    if drifted := words.drifted(diff):
        parts.append(escaped(drifted))
    if unproven := words.unproven(diff):
        parts += ["### moved in every pass, not proven", _listed(unproven)]
    for title, rows in words.blocks(diff):
        parts += [f"### {escaped(title)}", "\n".join(_markdown_table(rows))]
    if left := words.left_out(diff):
        parts.append(left)
    for title, groups in words.group_blocks(diff):
        parts += [f"### groups · {escaped(title)}", "\n".join(_group_table(groups))]
    if note := words.group_note(diff):
        parts.append(note)
    if means := words.means(diff):
        parts += ["### geometric means, for orientation", _listed(means)]
    for title, lines in words.changes(diff):
        parts += [f"### {title}", "\n".join(f"- {escaped(line)}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def _listed(lines: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {escaped(name)}: {escaped(text)}" for name, text in lines)


def _group_table(groups: Iterable[BackendGroup]) -> Iterator[str]:
    yield f"| backend | {' | '.join(GROUP_NUMBERS)} | verdict |"
    yield f"|:--|{'--:|' * len(GROUP_NUMBERS)}:--|"
    for group in groups:
        cells = (group.backend, *(cell(group) for cell in GROUP_NUMBERS.values()))
        yield f"| {' | '.join(map(escaped, cells))} | {_marked(group.verdict)} |"


def _marked(verdict: Verdict | None) -> str:
    """Return a verdict in bold where it shows a change."""
    changed = verdict in (Verdict.REGRESSED, Verdict.IMPROVED)
    return f"**{verdict}**" if changed else verdict or words.CONTROL


def _markdown_table(rows: Sequence[Comparison]) -> Iterator[str]:
    yield f"| shape | backend | {' | '.join(c.name or '' for c in NUMBERS)} | verdict | next step |"
    yield f"|:--|:--|{'--:|' * len(NUMBERS)}:--|:--|"
    for shape, members in words.shapes(rows):
        for row in members:
            numbers = (column.cell(row) for column in NUMBERS)
            cells = (shape, row.benchmark.backend, *numbers, _marked(row.verdict), words.note(row))
            yield f"| {' | '.join(map(escaped, cells))} |"


def diff_json(diff: Diff) -> str:
    """Return a diff as JSON: fixed order of keys, null for what is infinite or unknown."""
    data = {
        "schema": SCHEMA,
        "kind": "diff",
        "baseline": diff.baseline,
        "candidate": diff.candidate,
        "comparable": diff.comparable,
        "environment": diff.environment,
        "threshold": diff.rule.threshold,
        "alpha": diff.alpha,
        "level": diff.rule.level,
        "unit": diff.rule.unit,
        "looks": diff.rule.looks,
        "drift": {
            "tau": diff.drift.tau if diff.drift else 0.0,
            "controls": diff.controls,
            "widened_by": diff.rule.drift,
            "by_regime": dict(diff.drift.by_regime) if diff.drift else {},
        },
        "counts": {verdict.value: diff.count(verdict) for verdict in Verdict},
        "comparisons": objects(_COMPARISON, diff.comparisons),
        "groups": objects(_GROUP, diff.groups),
        "newly_failing": _changes(diff.newly_failing),
        "still_failing": _changes(diff.still_failing),
        "newly_skipped": _changes(diff.newly_skipped),
        "removed": [benchmark.id for benchmark in diff.removed],
        "added": [benchmark.id for benchmark in diff.added],
    }
    return json_text(data)


def _changes(changes: Sequence[Change]) -> list[dict[str, str]]:
    return [{"benchmark": change.benchmark.id, "detail": change.detail} for change in changes]


def annotations(diff: Diff) -> Iterator[str]:
    """Yield one line for each failure, regression and improvement, and one with the counts.

    The form is GitHub's: https://docs.github.com/actions/reference/workflow-commands.
    """
    for change in diff.newly_failing:
        yield _command("error", f"newly failing: {change.benchmark.id}", change.detail)
    levels = {Verdict.REGRESSED: "error", Verdict.IMPROVED: "notice"}
    for row in diff.comparisons:
        if row.verdict in levels:
            text = f"candidate ÷ baseline is {words.ratio(row.ratio)}"
            yield _command(levels[row.verdict], f"{row.verdict}: {row.benchmark.id}", text)
    for group in diff.groups:
        if group.verdict in levels:
            name = f"{words.title_of(group)} · {group.backend}"
            yield _command(
                levels[group.verdict], f"{group.verdict}: {name}", words.group_line(group)
            )
    level = "warning" if words.refusal(diff) else "notice"
    yield _command(level, "lnbench", words.headline(diff))
    yield _command("notice", "lnbench", words.summary(diff))


def _command(level: str, title: str, text: str) -> str:
    return f"::{level} title={_percent(title, ':,')}::{_percent(text)}"


def _percent(text: str, marks: str = "") -> str:
    """Return a text as a workflow command takes it."""
    for mark in f"%\r\n{marks}":
        text = text.replace(mark, f"%{ord(mark):02X}")
    return text
