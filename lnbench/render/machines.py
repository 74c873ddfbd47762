"""The same rows across kinds of machine, and what nodes of a kind show each by itself."""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import TypeAlias

import msgspec

from lnbench.judge.nodes import NodeVerdicts
from lnbench.judge.stats import Estimate
from lnbench.judge.summary import Row, rows
from lnbench.plan.case import Benchmark, shape_text
from lnbench.record.environment import Environment
from lnbench.record.kind import Kind, kind, names
from lnbench.record.outcome import Skipped
from lnbench.record.report import Report
from lnbench.registry import SPEED_LIMIT
from lnbench.render.charts import figures, styles
from lnbench.render.diff_text import number
from lnbench.render.sheet import Column, Figure, Sheet, View, group_title, grouped, objects, sheet
from lnbench.units import format_percent, format_time


class Across(msgspec.Struct, frozen=True):
    """A row on one kind of machine."""

    benchmark: Benchmark
    """What was timed."""
    machine: str
    """The kind's name."""
    nodes: int
    """How many machines measured it."""
    time: Estimate
    """Seconds per iteration: the median over machines, and between which two they lie; of one
    machine its 95 % interval."""
    share: Estimate | None
    """Bandwidth ÷ that of the same machine's copy, likewise; None for the copy."""


_CELLS = "time, and share of that machine's copy; of several machines of a kind the median"

_Line: TypeAlias = Mapping[str, Across]
"""A row by the name of the kind."""

_DATA = (
    Column(None, attrgetter("benchmark.id"), key="benchmark"),
    Column(None, attrgetter("machine"), key="machine"),
    Column(None, attrgetter("nodes"), key="nodes"),
    Column(None, attrgetter("time"), key="time_s"),
    Column(None, attrgetter("share"), key="share_of_copy"),
)

_BY_NODE = (
    Column("shape", lambda row: shape_text(row.benchmark.case.shape), right=False, once=True),
    Column("backend", attrgetter("benchmark.backend"), right=False),
    Column(None, attrgetter("benchmark.id"), key="benchmark"),
    *(Column(name, attrgetter(name), key=name) for name in NodeVerdicts.__struct_fields__[1:6]),
    Column("least", attrgetter("least"), number, key="least_ratio"),
    Column("most", attrgetter("most"), number, key="most_ratio"),
)


def machines_view(reports: Sequence[Report]) -> View:
    """Return the rows of reports with a column a kind of machine: time, and share of its copy."""
    kinds = [kind(report.environment) for report in reports]
    known = list(_across(reports, kinds))
    machines = list(dict.fromkeys(each.machine for each in known))
    counts = {name: max(each.nodes for each in known if each.machine == name) for name in machines}
    head = [f"{name}: {count} machine{'s' * (count > 1)}" for name, count in counts.items()]
    lines: dict[str, dict[str, Across]] = {}
    for each in known:
        lines.setdefault(each.benchmark.id, {})[each.machine] = each
    titled = grouped(lines.values(), lambda line: group_title(_first(line).benchmark.case))
    draw = partial(_figures, environment=reports[0].environment)
    sheets = tuple(_sheet(title, members, machines, draw) for title, members in titled.items())
    return View(tuple(head), sheets, objects(_DATA, known))


def by_node_sheet(verdicts: Sequence[NodeVerdicts]) -> Sheet:
    """Return how many nodes show what, each by itself."""
    note = "each node by itself, as lnbench ab judges one machine; least, most: ratios of nodes"
    return sheet("by the nodes themselves", _BY_NODE, verdicts, [note])


def by_node_data(verdicts: Sequence[NodeVerdicts]) -> object:
    """Return the same for scripts."""
    return objects(_BY_NODE, verdicts)


def _across(reports: Sequence[Report], kinds: Sequence[Kind]) -> Iterator[Across]:
    """Yield each row of each kind, in the order in which reports have them."""
    called = names(list(kinds))
    found: dict[tuple[str, Kind], list[Row]] = {}
    for report, own in zip(reports, kinds, strict=True):
        for row in rows(report):
            if row.time is not None:
                found.setdefault((row.benchmark.id, own), []).append(row)
    for (_, own), members in found.items():
        times = [row.time for row in members if row.time]
        shares = [row.share_of_copy for row in members if row.share_of_copy]
        time, share = _middle(times), _middle(shares) if shares else None
        yield Across(members[0].benchmark, called[own], len(members), time, share)


def _middle(values: Sequence[Estimate]) -> Estimate:
    if len(values) == 1:
        return values[0]
    known = [each.value for each in values]
    middle = math.exp(statistics.median(map(math.log, known)))
    return Estimate(middle, min(known), max(known), 1.0)


def _first(line: _Line) -> Across:
    return next(iter(line.values()))


def _sheet(
    title: str,
    lines: Sequence[_Line],
    machines: Sequence[str],
    draw: Callable[[Sequence[_Line]], Iterator[Figure]],
) -> Sheet:
    columns = (
        Column("shape", lambda line: shape_text(_first(line).benchmark.case.shape), once=True),
        Column("backend", lambda line: _first(line).benchmark.backend, right=False),
        *(Column(name, partial(_of, name=name), _cell) for name in machines),
    )
    return sheet(
        title,
        columns,
        lines,
        [_CELLS],
        dim=lambda line: _first(line).benchmark.backend == SPEED_LIMIT,
        figures=partial(draw, lines),
    )


def _of(line: _Line, name: str) -> Across | None:
    return line.get(name)


def _cell(each: Across) -> str:
    share = "" if each.share is None else f" · {format_percent(each.share.value)}"
    return f"{format_time(each.time.value)}{share}"


def _figures(lines: Sequence[_Line], environment: Environment) -> Iterator[Figure]:
    """Yield the charts of each backend with a line a machine."""
    for backend, members in grouped(lines, lambda line: _first(line).benchmark.backend).items():
        drawn = [_drawn(each) for line in members for each in line.values()]
        for figure in figures(drawn, environment, styles(drawn)):
            yield msgspec.structs.replace(figure, title=f"{backend}: {figure.title}")


def _drawn(each: Across) -> Row:
    """Return a row as charts draw lines, by the name of its backend: here that of the machine."""
    row = Benchmark(each.benchmark.case, each.machine)
    # Caches and passes are of one machine: no outcome tells of them.
    known = Skipped.of(row, reason="of several machines")
    return Row(row, known, time=each.time, share_of_copy=each.share, passes=1)
