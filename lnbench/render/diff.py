"""A diff on a terminal, as Markdown and as JSON."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from lnbench.judge.comparison import Comparison
from lnbench.judge.diff import Change, Diff
from lnbench.judge.verdict import Verdict
from lnbench.render import diff_text as words
from lnbench.render.json import json_text
from lnbench.units import format_time

SCHEMA = 1
"""Number of the JSON's form."""

_STYLES = {
    Verdict.REGRESSED: "bold red",
    Verdict.IMPROVED: "bold green",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.UNCHANGED: "",
    None: "dim",
}
_COLUMNS = (("baseline", 8), ("candidate", 9), ("ratio", 17), ("detects", 7))
_VERDICT_WIDTH = 14
_NOTES_BESIDE = 120
"""Columns from which on a note stands beside its row, not below the tables."""
_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def diff_table(diff: Diff) -> RenderableType:
    """Return a diff for a terminal; it lays itself out for the width that it is given."""
    return _DiffTable(diff)


class _DiffTable:
    """A diff on a terminal."""

    def __init__(self, diff: Diff) -> None:
        self._diff = diff

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield header, tables, notes, means, what only one side has, and the counts."""
        beside = options.max_width >= _NOTES_BESIDE
        notes = _numbered(self._diff)
        yield _header(self._diff)
        blocks = words.blocks(self._diff)
        label_width = max((cell_len(text) for text in _labels(blocks)), default=0)
        for i, (title, rows) in enumerate(blocks):
            yield Text(f"\n{title}", style="bold")
            table = _table(rows, label_width, {} if beside else notes, beside=beside)
            table.show_header = i == 0
            yield table
        if notes and not beside:
            yield Text()
            yield _pairs((mark, note) for note, mark in notes.items())
        if means := words.means(self._diff):
            yield Text("\ngeometric means, for orientation", style="bold")
            yield _pairs(means)
        for title, lines in words.changes(self._diff):
            yield Text(f"\n{title}", style="bold red" if title == "newly failing" else "bold")
            yield from (Text(f"  {line}") for line in lines)
        yield Text()
        if refusal := words.refusal(self._diff):
            yield Text(refusal, style="bold yellow")
        yield Text(words.summary(self._diff), style="bold")


def _header(diff: Diff) -> Table:
    grid = _pairs(words.header(diff))
    for i, (text, serious) in enumerate(words.environment(diff)):
        grid.add_row(
            Text("" if i else "environment", style="dim"),
            Text(text, style="bold yellow" if serious else ""),
        )
    return grid


def _pairs(lines: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, text in lines:
        grid.add_row(Text(name, style="dim"), Text(text))
    return grid


def _labels(blocks: Sequence[words.Block]) -> Iterator[str]:
    for _, rows in blocks:
        for shape, members in words.shapes(rows):
            yield shape
            yield from (_backend(row) for row in members)


def _backend(row: Comparison) -> str:
    return f"  {row.benchmark.backend}"


def _numbered(diff: Diff) -> dict[str, str]:
    """Return each note with its mark, numbered in the order in which they are met."""
    ordered = (
        words.note(row)
        for _, rows in words.blocks(diff)
        for _, members in words.shapes(rows)
        for row in members
    )
    notes = dict.fromkeys(filter(None, ordered))
    return {note: str(i).translate(_DIGITS) for i, note in enumerate(notes, 1)}


def _table(
    rows: Sequence[Comparison], label_width: int, notes: Mapping[str, str], *, beside: bool
) -> Table:
    """Return the rows of one block; equal widths keep the blocks in line with each other."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", min_width=label_width, overflow="fold")
    for heading, width in _COLUMNS:
        table.add_column(heading, min_width=width, justify="right", no_wrap=True)
    table.add_column("verdict", min_width=_VERDICT_WIDTH, no_wrap=True)
    if beside:
        table.add_column("next step and caveats", overflow="fold")
    for shape, members in words.shapes(rows):
        table.add_row(Text(shape))
        for row in members:
            style = _STYLES[row.verdict]
            note = words.note(row)
            verdict = Text(row.verdict or words.CONTROL, style=style).append(
                f" {notes[note]}" if note in notes else ""
            )
            texts = (Text(text, style="dim" if row.verdict is None else "") for text in _cells(row))
            table.add_row(*texts, verdict, *([Text(note, style="dim")] if beside else []))
    return table


def _cells(row: Comparison) -> tuple[str, ...]:
    return (
        _backend(row),
        format_time(row.baseline.value),
        format_time(row.candidate.value),
        words.ratio(row.ratio),
        words.detects(row),
    )


def diff_markdown(diff: Diff) -> str:
    """Return a diff as Markdown, for a pull request or a summary."""
    parts = [f"**{_escaped(words.summary(diff))}**"]
    if refusal := words.refusal(diff):
        parts.append(_escaped(refusal))
    header = [f"- {name}: {_escaped(text)}" for name, text in words.header(diff)]
    header += [
        f"- {'**environment**' if serious else 'environment'}: {_escaped(text)}"
        for text, serious in words.environment(diff)
    ]
    parts.append("\n".join(header))
    for title, rows in words.blocks(diff):
        parts += [f"### {_escaped(title)}", "\n".join(_markdown_table(rows))]
    if means := words.means(diff):
        text = "\n".join(f"- {title}: {text}" for title, text in means)
        parts += ["### geometric means, for orientation", _escaped(text)]
    for title, lines in words.changes(diff):
        parts += [f"### {title}", "\n".join(f"- {_escaped(line)}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def _markdown_table(rows: Sequence[Comparison]) -> Iterator[str]:
    yield "| shape | backend | baseline | candidate | ratio | detects | verdict | next step |"
    yield "|:--|:--|--:|--:|--:|--:|:--|:--|"
    for shape, members in words.shapes(rows):
        for row in members:
            verdict = row.verdict or words.CONTROL
            if row.verdict in (Verdict.REGRESSED, Verdict.IMPROVED):
                verdict = f"**{verdict}**"
            _, *numbers = _cells(row)
            cells = (shape, row.benchmark.backend, *numbers, verdict, words.note(row))
            yield f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    """Return a text that Markdown shows as it is; what we write ourselves has no such marks."""
    return text.replace("|", "\\|").replace("<", "&lt;")


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
        "drift": {"tau": diff.tau, "controls": diff.controls, "widened_by": diff.rule.drift},
        "counts": {verdict.value: diff.count(verdict) for verdict in Verdict},
        "comparisons": [_comparison(row) for row in diff.comparisons],
        "groups": diff.groups,
        "newly_failing": [_change(change) for change in diff.newly_failing],
        "still_failing": [_change(change) for change in diff.still_failing],
        "newly_skipped": [_change(change) for change in diff.newly_skipped],
        "removed": [benchmark.id for benchmark in diff.removed],
        "added": [benchmark.id for benchmark in diff.added],
    }
    # msgspec writes null for a float that is not finite.
    return json_text(data)


def _comparison(row: Comparison) -> dict[str, Any]:
    return {
        "benchmark": row.benchmark.id,
        "baseline_s": row.baseline,
        "candidate_s": row.candidate,
        "ratio": row.ratio,
        "detectable": row.detectable,
        "verdict": row.verdict,
        "reason": row.reason,
        "caveats": row.caveats,
    }


def _change(change: Change) -> dict[str, str]:
    return {"benchmark": change.benchmark.id, "detail": change.detail}
