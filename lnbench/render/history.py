"""A history as a view: a sparkline a row, and the changes in sentences."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import msgspec

from lnbench.judge.history import Change, History, Line, Row
from lnbench.judge.reading import Reading
from lnbench.judge.verdict import Verdict, percent
from lnbench.plan.case import shape_text
from lnbench.record.environment import serious_facts
from lnbench.registry import SPEED_LIMIT
from lnbench.render.busy import busy_lines
from lnbench.render.charts import Style, styles
from lnbench.render.history_charts import figures
from lnbench.render.sheet import Column, Sheet, View, group_title, grouped, objects, sheet
from lnbench.units import format_time

BARS, ASCII_BARS = "▁▂▃▄▅▆▇█", "_.-~=+*#"
"""Signs of a sparkline, the shortest time first."""

WIDEST = 24
"""Signs of a sparkline at most: of more reports neighbours share one."""

LEAST_RANGE = math.log(1.2)
"""Range of a sparkline at least, as a logarithm: noise is no mountain."""

_USUAL = ("cpu", "threads", "torch")
_VERBS = {Verdict.REGRESSED: "slower", Verdict.IMPROVED: "faster"}


def history_view(history: History, *, bars: str = BARS) -> View:
    """Return a sheet for each line and group of cases.

    Args:
        history: the lines.
        bars: signs of a sparkline, lowest first.
    """
    several = len(history.lines) > 1
    sheets: list[Sheet] = []
    palette = styles(row.benchmark.backend for line in history.lines for row in line.rows)
    for number, line in enumerate(history.lines, 1):
        for title, rows in grouped(line.rows, lambda row: group_title(row.benchmark.case)).items():
            name = f"line {number} · {title}" if several else title
            sheets.append(_sheet(name, line, rows, bars, palette))
    changes = sum(len(row.changes) for line in history.lines for row in line.rows)
    threshold = percent(history.rule.threshold)
    found = f"{changes or 'no'} change{'s' * (changes > 1)} of more than {threshold} shown"
    return View((*_head(history), found), tuple(sheets), _data(history))


def sparkline(times: Sequence[float | None], bars: str = BARS) -> str:
    """Return times as signs on a scale of logarithms; a blank where there is none."""
    width = min(len(times), WIDEST)
    places = [range(i * len(times) // width, (i + 1) * len(times) // width) for i in range(width)]
    shared = [[time for i in one if (time := times[i]) is not None] for one in places]
    logs = [math.fsum(map(math.log, one)) / len(one) if one else None for one in shared]
    known = [log for log in logs if log is not None]
    if not known:
        return " " * width
    extent = max(max(known) - min(known), LEAST_RANGE)
    low = (max(known) + min(known) - extent) / 2
    top = len(bars) - 1
    return "".join(
        " " if log is None else bars[min(top, max(0, round((log - low) / extent * top)))]
        for log in logs
    )


def commit_text(reading: Reading) -> str:
    """Return what names a report: its commit, short, or its date."""
    if not reading.commit:
        return f"{reading.created:%Y-%m-%d}"
    return reading.commit[:8] + "+" * reading.commit.endswith("+")


def last_known(line: Line, row: Row, place: int) -> Reading:
    """Return the last report before a place that has the row."""
    return line.readings[max(i for i in range(place) if row.times[i] is not None)]


def _head(history: History) -> Iterator[str]:
    """Yield what each line is of: the usual facts, and those in which lines differ."""
    facts = [serious_facts(line.readings[0].environment) for line in history.lines]
    names = dict.fromkeys((*_USUAL, *(name for each in facts for name in each)))
    told = [name for name in names if name in _USUAL or len({f.get(name) for f in facts}) > 1]
    for number, (line, values) in enumerate(zip(history.lines, facts, strict=True), 1):
        first, last = line.readings[0], line.readings[-1]
        count = len(line.readings)
        span = " to ".join(dict.fromkeys((commit_text(first), commit_text(last))))
        known = ", ".join(f"{name} {values.get(name, 'none')}" for name in told)
        start = f"line {number}: " if len(history.lines) > 1 else ""
        yield f"{start}{count} report{'s' * (count != 1)}, {span}: {known}"
        busy = sum(map(_is_busy, line.readings))
        if busy:
            yield f"{start}the machine was busy during {busy} of them, which can look like a change"


def _is_busy(reading: Reading) -> bool:
    return bool(busy_lines(reading.busy))


def _sheet(
    title: str, line: Line, rows: Sequence[Row], bars: str, palette: Mapping[str, Style]
) -> Sheet:
    said = [_sentence(line, row, change) for row in rows for change in row.changes]
    columns = _columns(partial(_changes, line), bars)
    commits = [commit_text(reading) for reading in line.readings]
    return sheet(
        title,
        columns,
        rows,
        answer=said,
        dim=lambda row: row.benchmark.backend == SPEED_LIMIT,
        figures=partial(figures, line, rows, commits, palette),
    )


def _columns(changes: Any, bars: str) -> tuple[Column, ...]:
    return (
        Column(None, attrgetter("benchmark.id"), key="id"),
        Column("shape", lambda row: shape_text(row.benchmark.case.shape), right=False, once=True),
        Column("backend", attrgetter("benchmark.backend"), right=False),
        Column("times", attrgetter("times"), partial(sparkline, bars=bars), "times_s", right=False),
        Column("first", lambda row: row.known[0], format_time, key="first_s"),
        Column("last", lambda row: row.known[-1], format_time, key="last_s"),
        Column("ratio", attrgetter("ratio"), "{:.3f}".format, key="ratio"),
        Column("copy", attrgetter("copy_ratio"), "{:.3f}".format, key="copy_ratio"),
        Column("changes", lambda row: changes(row) or None, right=False),
    )


def _changes(line: Line, row: Row) -> str:
    return ", ".join(
        f"{change.ratio.value - 1:+.0%} at {commit_text(line.readings[change.place])}"
        for change in row.changes
    )


def _sentence(line: Line, row: Row, change: Change) -> str:
    """Return a change in words: how much, how sure, between which two reports."""
    before, after = last_known(line, row, change.place), line.readings[change.place]
    ends = " to ".join(f"{end - 1:+.0%}" for end in (change.ratio.low, change.ratio.high))
    where = f"between {commit_text(before)} and {commit_text(after)}"
    if before.commit and before.commit == after.commit and not after.commit.endswith("+"):
        where = f"within {commit_text(after)}: not by the code"
    name = f"{shape_text(row.benchmark.case.shape)} {row.benchmark.backend}"
    return f"{name}: {change.ratio.value - 1:+.0%} ({ends}), {_VERBS[change.verdict]} {where}"


def _data(history: History) -> dict[str, Any]:
    return {
        "threshold": history.rule.threshold,
        "level": history.rule.level,
        "lines": [_line_data(line) for line in history.lines],
    }


def _line_data(line: Line) -> dict[str, Any]:
    named = objects(_columns(str, BARS), line.rows)
    changes = [[_change(line, row, change) for change in row.changes] for row in line.rows]
    return {
        "environment": serious_facts(line.readings[0].environment),
        "reports": [
            {"created": one.created, "commit": one.commit, "busy": _is_busy(one)}
            for one in line.readings
        ],
        "rows": [row | {"changes": own} for row, own in zip(named, changes, strict=True)],
    }


def _change(line: Line, row: Row, change: Change) -> dict[str, Any]:
    before, after = last_known(line, row, change.place), line.readings[change.place]
    return {
        **msgspec.structs.asdict(change),
        "from_commit": before.commit,
        "to_commit": after.commit,
    }
