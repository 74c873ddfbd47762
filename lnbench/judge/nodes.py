"""Sessions of two sides on several machines of a kind: the node is the unit, not the pass.

Passes of one node share its luck with silicon, memory and neighbours: together they say how well
that node is known, and nothing of the next one.
"""

import itertools
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from lnbench.judge.comparison import Comparison
from lnbench.judge.diff import Change, Diff
from lnbench.judge.groups import alphas, described, judged_groups, read_pairs
from lnbench.judge.paired import compare_sides, judged_row
from lnbench.judge.ranks import row_level
from lnbench.judge.stats import (
    SHOWN_CONFIDENCE,
    Estimate,
    Floats,
    estimates,
    location_intervals,
)
from lnbench.judge.verdict import Rule
from lnbench.record.report import Report


class NodesDiff(msgspec.Struct, frozen=True):
    """What the machines of one kind show."""

    diff: Diff
    """What holds for the kind."""
    by_node: tuple[tuple[Comparison, ...], ...] = ()
    """What each node shows by itself, a tuple a row; empty where none has measured both sides."""


def compare_nodes(
    reports: Sequence[Report], *, threshold: float = 0.05, alpha: float = 0.01
) -> NodesDiff:
    """Return what sessions on several machines show; ReportError for any other report.

    Args:
        reports: what `lnbench ab` wrote on each machine, one or more.
        threshold: smallest change worth acting on, as a share.
        alpha: chance, over all rows and groups, that any is called changed where none is.
    """
    sessions = [compare_sides(report, threshold=threshold, alpha=alpha) for report in reports]
    rows: dict[str, dict[int, Comparison]] = {}
    for number, session in enumerate(sessions):
        for row in session.comparisons:
            rows.setdefault(row.benchmark.id, {})[number] = row
    by_node = tuple(tuple(nodes.values()) for nodes in rows.values())
    benchmarks = [row[0].benchmark for row in by_node]
    for_rows, for_groups = alphas(alpha, benchmarks)
    rule = Rule(threshold, row_level(for_rows, len(rows)), drift=0.0, unit="node")
    logs = np.full((len(rows), len(sessions)), np.nan)
    for line, nodes in zip(logs, rows.values(), strict=True):
        line[list(nodes)] = np.log([row.ratio.value for row in nodes.values()])
    once = msgspec.structs.replace(rule, looks=(len(sessions),))
    readings = read_pairs(logs, judged_groups(benchmarks), once, for_groups)
    comparisons = tuple(filter(None, map(_comparison, by_node, logs, itertools.repeat(rule))))
    diff = msgspec.structs.replace(
        sessions[0],
        comparisons=comparisons,
        groups=described(
            benchmarks, np.log([row.ratio.value for row in comparisons]).tolist(), readings
        ),
        newly_failing=_once(session.newly_failing for session in sessions),
        still_failing=_once(session.still_failing for session in sessions),
        newly_skipped=_once(session.newly_skipped for session in sessions),
        environment=tuple(dict.fromkeys(itertools.chain(*(one.environment for one in sessions)))),
        rule=rule,
    )
    return NodesDiff(diff, by_node)


def _comparison(row: Sequence[Comparison], logs: Floats, rule: Rule) -> Comparison | None:
    """Return a row by its nodes."""
    times = _time([one.baseline for one in row]), _time([one.candidate for one in row])
    care = tuple(dict.fromkeys(caveat for one in row for caveat in one.caveats))
    return judged_row(row[0].benchmark, times, logs, rule, care)


def _time(times: Sequence[Estimate]) -> Estimate:
    """Return the time over nodes, with an interval of theirs."""
    logs = np.log([time.value for time in times])
    return estimates(location_intervals([logs], 1 - SHOWN_CONFIDENCE), SHOWN_CONFIDENCE)[0]


def _once(changes: Iterable[Iterable[Change]]) -> tuple[Change, ...]:
    """Return what changed on any node, a row once."""
    return tuple({each.benchmark.id: each for each in itertools.chain(*changes)}.values())
