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
from lnbench.record.outcome import Failed, Skipped
from lnbench.record.report import Report
from lnbench.registry import SPEED_LIMIT
from lnbench.render.charts import figures, styles
from lnbench.render.diff_text import number
from lnbench.render.sheet import Column, Figure, Sheet, View, group_title, grouped, objects, sheet
from lnbench.units import format_percent, format_time

_NOTE = "the share is of that machine's own copy; of several machines of a kind the median"
_ALONE = "each node by itself, as lnbench ab judges one machine; least, most: ratios of nodes"


class _Line(NamedTuple):
    """A row on one kind of machine."""

    benchmark: Benchmark
    row: Row
    """As charts draw it: called by the machine, in place of the backend."""


def _ratios(row: Sequence[Comparison]) -> list[float]:
    return [one.ratio.value for one in row]


def _count(row: Sequence[Comparison], verdict: Verdict) -> int:
    return sum(one.verdict is verdict for one in row)


_ACROSS = (
    Column(None, lambda line: line.benchmark.id, key="benchmark"),
    Column("shape", lambda line: shape_text(line.benchmark.case.shape), once=True),
    Column("backend", lambda line: line.benchmark.backend, right=False, once=True),
    Column("machine", lambda line: line.row.benchmark.backend, key="machine", right=False),
    Column(None, lambda line: line.row.passes, key="machines"),
    Column("time", lambda line: line.row.time, lambda time: format_time(time.value), "time_s"),
    Column(
        "% of copy",
        lambda line: line.row.share_of_copy,
        lambda share: format_percent(share.value),
        "share_of_copy",
    ),
)

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
    """Return the rows of reports with a line a kind of machine: time, and share of its copy."""
    kinds = by_kind(reports)
    names = called(kinds)
    lines: dict[str, list[_Line]] = {}
    for kind, name in names.items():
        found: dict[str, list[Row]] = {}
        for row in (row for report in kinds[kind] for row in rows(report) if row.time):
            found.setdefault(row.benchmark.id, []).append(row)
        for id_, alike in found.items():
            line = _Line(alike[0].benchmark, _together(alike, name))
            lines.setdefault(id_, []).append(line)
    counts = {
        name: len({report.environment.machine_id for report in kinds[kind]})
        for kind, name in names.items()
    }
    head = [f"{name}: {count} machine{'s' * (count > 1)}" for name, count in counts.items()]
    flat = [line for alike in lines.values() for line in alike]
    sheets = tuple(
        sheet(
            title,
            _ACROSS,
            members,
            [_NOTE],
            dim=lambda line: line.benchmark.backend == SPEED_LIMIT,
            figures=partial(_figures, members, reports[0].environment),
        )
        for title, members in grouped(flat, lambda line: group_title(line.benchmark.case)).items()
    )
    failed = (f"{name}: {words}" for kind, name in names.items() for words in _failed(kinds[kind]))
    return View((*head, *dict.fromkeys(failed)), sheets, objects(_ACROSS, flat))


def _failed(reports: Sequence[Report]) -> Iterator[str]:
    """Yield the rows that failed on a kind of machine, with the reason."""
    for report in reports:
        for each in report.outcomes:
            if isinstance(each, Failed):
                yield f"{each.benchmark.id} failed ({each.stage}): {each.error}"


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
        drawn = [line.row for line in members]
        palette = styles(row.benchmark.backend for row in drawn)
        for figure in figures(drawn, environment, palette):
            if figure.kind != "passes":
                yield msgspec.structs.replace(figure, title=f"{backend}: {figure.title}")
