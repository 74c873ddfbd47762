"""A diff as Markdown, as JSON and as GitHub's annotations, and the columns of all its forms."""

import math
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

from lnbench.judge.comparison import Comparison
from lnbench.judge.diff import Change, Diff
from lnbench.judge.groups import BackendGroup
from lnbench.judge.stats import Estimate
from lnbench.judge.verdict import Verdict
from lnbench.render import diff_text as words
from lnbench.render.forms import escaped, json_text
from lnbench.render.sheet import Choice, Column, objects
from lnbench.units import format_time

SCHEMA = 1
"""Number of the JSON's form."""


def _seconds(time: Estimate) -> str:
    return format_time(time.value)


NUMBERS = (
    Column(
        "baseline",
        attrgetter("baseline"),
        _seconds,
        "baseline_s",
        words=("baseline", "time"),
        worth=3,
    ),
    Column(
        "candidate",
        attrgetter("candidate"),
        _seconds,
        "candidate_s",
        words=("candidate", "time"),
        worth=2,
    ),
    Column("ratio", attrgetter("ratio"), words.ratio, "ratio", words=("ratio",), worth=1),
    Column(
        "detects", attrgetter("detectable"), words.number, "detectable", words=("detects",), worth=4
    ),
)
"""What is said of every row that both sides measured, between its name and its verdict."""

VERDICT = Column("verdict", lambda judged: judged.verdict or words.CONTROL, right=False)
NOTE = Column("next step and caveats", words.note, right=False, worth=5)

COLUMNS = (*NUMBERS, VERDICT, NOTE)
"""What tables say of every row behind its name."""

GROUP_NUMBERS = (
    Column("rows", attrgetter("rows"), worth=3),
    Column("ratio", lambda group: words.reading(group.absolute), worth=1),
    Column("against the rest", lambda group: words.reading(group.relative), worth=2),
    Column("detects", lambda group: words.number(group.detectable or math.inf), worth=4),
)
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


def diff_markdown(diff: Diff, choice: Choice | None = None) -> str:
    """Return a diff as Markdown, for a pull request or a summary, in the columns chosen."""
    columns = (choice or Choice()).among(COLUMNS)
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
        parts += [f"### {escaped(title)}", "\n".join(_markdown_table(rows, columns))]
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
    columns = (Column("backend", attrgetter("backend"), right=False), *GROUP_NUMBERS, VERDICT)
    yield from _head(columns)
    for group in groups:
        yield f"| {' | '.join(_cell(column, group) for column in columns)} |"


def _head(columns: Iterable[Column]) -> Iterator[str]:
    yield f"| {' | '.join(column.name or '' for column in columns)} |"
    yield f"|{'|'.join('--:' if column.right else ':--' for column in columns)}|"


def _cell(column: Column, judged: Comparison | BackendGroup) -> str:
    """Return a cell; a verdict in bold where it shows a change."""
    text = escaped(column.cell(judged))
    changed = judged.verdict in (Verdict.REGRESSED, Verdict.IMPROVED)
    return f"**{text}**" if changed and column.name == VERDICT.name else text


def _markdown_table(rows: Sequence[Comparison], columns: Sequence[Column]) -> Iterator[str]:
    backend = Column("backend", attrgetter("benchmark.backend"), right=False)
    yield from _head((Column("shape", right=False), backend, *columns))
    for shape, members in words.shapes(rows):
        for row in members:
            cells = (_cell(column, row) for column in (backend, *columns))
            yield f"| {' | '.join((shape, *cells))} |"


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
