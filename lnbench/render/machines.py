"""The same rows across kinds of machine, and what nodes of a kind show each by itself."""

import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from lnbench.judge.comparison import Comparison
from lnbench.judge.stats import Estimate
from lnbench.judge.summary import Row, rows
from lnbench.judge.verdict import Verdict
from lnbench.plan.case import Benchmark, shape_text
from lnbench.record.environment import Environment
from lnbench.record.kind import by_kind, called
from lnbench.record.outcome import Skipped
from lnbench.record.report import Report
from lnbench.registry import SPEED_LIMIT
from lnbench.render.charts import figures, styles
from lnbench.render.diff_text import number
from lnbench.render.sheet import Column, Figure, Sheet, View, group_title, grouped, objects, sheet
from lnbench.units import format_percent, format_time

_NOTE = "time, and share of that machine's copy; of several machines of a kind the median"
_ALONE = "each node by itself, as lnbench ab judges one machine; least, most: ratios of nodes"


class _Line(NamedTuple):
    """A row on every kind of machine."""

    benchmark: Benchmark
    machines: dict[str, Row]
    """As charts draw it: a line that is called by the machine, in place of the backend."""


def _ratios(row: Sequence[Comparison]) -> list[float]:
    return [one.ratio.value for one in row]


def _count(row: Sequence[Comparison], verdict: Verdict) -> int:
    return sum(one.verdict is verdict for one in row)


_BY_NODE = (
    Column(None, lambda row: row[0].benchmark.id, key="benchmark"),
    Column("shape", lambda row: shape_text(row[0].benchmark.case.shape), once=True),
    Column("backend", lambda row: row[0].benchmark.backend, right=False),
    Column("nodes", len, key="nodes"),
    Column("slower", partial(_count, verdict=Verdict.REGRESSED), key="regressed"),
    Column("faster", partial(_count, verdict=Verdict.IMPROVED), key="improved"),
    Column("same", partial(_count, verdict=Verdict.UNCHANGED), key="unchanged"),
    Column("open", partial(_count, verdict=Verdict.INCONCLUSIVE), key="inconclusive"),
    Column("least", lambda row: min(_ratios(row)), number, key="least_ratio"),
    Column("most", lambda row: max(_ratios(row)), number, key="most_ratio"),
)


def by_node_sheet(by_node: Sequence[Sequence[Comparison]]) -> Sheet:
    """Return how many nodes show what, each by itself."""
    return sheet("by the nodes themselves", _BY_NODE, by_node, [_ALONE])


def by_node_data(by_node: Sequence[Sequence[Comparison]]) -> object:
    """Return the same for scripts."""
    return objects(_BY_NODE, by_node)


def machines_view(reports: Sequence[Report]) -> View:
    """Return the rows of reports with a column a kind of machine: time, and share of its copy."""
    kinds = by_kind(reports)
    names = called(kinds)
    lines: dict[str, _Line] = {}
    for kind, members in kinds.items():
        found: dict[str, list[Row]] = {}
        for row in (row for report in members for row in rows(report) if row.time):
            found.setdefault(row.benchmark.id, []).append(row)
        for name, alike in found.items():
            line = lines.setdefault(name, _Line(alike[0].benchmark, {}))
            line.machines[names[kind]] = _together(alike, names[kind])
    counts = {names[kind]: len(members) for kind, members in kinds.items()}
    head = [f"{name}: {count} machine{'s' * (count > 1)}" for name, count in counts.items()]
    columns = (
        Column("shape", lambda line: shape_text(line.benchmark.case.shape), once=True),
        Column("backend", lambda line: line.benchmark.backend, right=False),
        *(Column(name, partial(_of, name), _cell) for name in counts),
    )
    sheets = tuple(
        sheet(
            title,
            columns,
            members,
            [_NOTE],
            dim=lambda line: line.benchmark.backend == SPEED_LIMIT,
            figures=partial(_figures, members, reports[0].environment),
        )
        for title, members in grouped(lines.values(), _title).items()
    )
    return View(tuple(head), sheets, [each for line in lines.values() for each in _data(line)])


def _title(line: _Line) -> str:
    return group_title(line.benchmark.case)


def _of(name: str, line: _Line) -> Row | None:
    return line.machines.get(name)


def _cell(row: Row) -> str:
    share = f" · {format_percent(row.share_of_copy.value)}" if row.share_of_copy else ""
    return f"{format_time(row.time.value)}{share}" if row.time else ""


def _data(line: _Line) -> Iterator[dict[str, object]]:
    for name, row in line.machines.items():
        known = {"machine": name, "machines": row.passes, "time_s": row.time}
        yield {"benchmark": line.benchmark.id, **known, "share_of_copy": row.share_of_copy}


def _together(alike: Sequence[Row], name: str) -> Row:
    """Return a row of machines of one kind, with between which two they lie; caches are of one."""
    benchmark = Benchmark(alike[0].benchmark.case, name)
    times = [row.time for row in alike if row.time]
    shares = [row.share_of_copy for row in alike if row.share_of_copy]
    return Row(
        benchmark,
        Skipped.of(benchmark, reason=""),
        time=_middle(times),
        share_of_copy=_middle(shares) if shares else None,
        passes=len(alike),
    )


def _middle(values: Sequence[Estimate]) -> Estimate:
    if len(values) == 1:
        return values[0]
    known = [each.value for each in values]
    return Estimate(statistics.median(known), min(known), max(known), 1.0)


def _figures(lines: Sequence[_Line], environment: Environment) -> Iterator[Figure]:
    """Yield the charts of each backend with a line a machine."""
    for backend, members in grouped(lines, lambda line: line.benchmark.backend).items():
        drawn = [row for line in members for row in line.machines.values()]
        for figure in figures(drawn, environment, styles(drawn)):
            if figure.kind != "passes":
                yield msgspec.structs.replace(figure, title=f"{backend}: {figure.title}")
