"""Sessions of two sides on several machines of a kind: the node is the unit, not the pass.

Passes of one node share its luck with silicon, memory and neighbours: together they say how well
that node is known, and nothing of the next one.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from lnbench.judge.comparison import Comparison
from lnbench.judge.diff import Change, Diff
from lnbench.judge.groups import alphas, described, judged_groups, read_pairs
from lnbench.judge.paired import compare_sides
from lnbench.judge.ranks import row_level
from lnbench.judge.stats import SHOWN_CONFIDENCE, Estimate, estimates, location_intervals
from lnbench.judge.verdict import LogInterval, Rule, Verdict, judge
from lnbench.plan.case import Benchmark
from lnbench.record.report import Report

LOOKS = (1,)
"""All nodes are looked at once, when they have ended."""


class NodeVerdicts(msgspec.Struct, frozen=True):
    """What a row shows on each node by itself, by the rule of one session."""

    benchmark: Benchmark
    """The row."""
    nodes: int
    """Nodes that measured both sides."""
    regressed: int
    """Nodes with this verdict; the next three likewise."""
    improved: int
    inconclusive: int
    unchanged: int
    least: float
    """The smallest ratio of any node."""
    most: float
    """The largest one."""


class NodesDiff(msgspec.Struct, frozen=True):
    """What sessions on the nodes of one kind show."""

    diff: Diff
    """By node: what holds for the kind of machine."""
    by_node: tuple[NodeVerdicts, ...] = ()
    """By the nodes themselves; empty where theirs are reports of one side."""


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
    members = [list(row.values()) for row in rows.values()]
    benchmarks = [row[0].benchmark for row in members]
    for_rows, for_groups = alphas(alpha, benchmarks)
    rule = Rule(threshold, row_level(for_rows, len(rows)), drift=0.0, unit="node")
    comparisons = tuple(_comparison(row, rule) for row in members)
    logs = np.full((len(rows), len(sessions)), np.nan)
    for line, nodes in zip(logs, rows.values(), strict=True):
        line[list(nodes)] = [math.log(one.ratio.value) for one in nodes.values()]
    looked = msgspec.structs.replace(rule, looks=LOOKS)
    readings = read_pairs(logs, judged_groups(benchmarks), looked, for_groups)
    diff = msgspec.structs.replace(
        sessions[0],
        comparisons=comparisons,
        groups=described(benchmarks, [math.log(row.ratio.value) for row in comparisons], readings),
        newly_failing=_once(session.newly_failing for session in sessions),
        still_failing=_once(session.still_failing for session in sessions),
        newly_skipped=_once(session.newly_skipped for session in sessions),
        environment=tuple(dict.fromkeys(itertools.chain(*(one.environment for one in sessions)))),
        rule=rule,
    )
    return NodesDiff(diff, tuple(map(_verdicts, members)))


def _comparison(row: Sequence[Comparison], rule: Rule) -> Comparison:
    """Return a row by its nodes."""
    ratios = np.log([one.ratio.value for one in row])
    value, low, high = location_intervals([ratios], rule.level)[0].tolist()
    interval = LogInterval(value, low, high, (len(row), len(row)))
    verdict, reason, reach = judge(interval, rule)
    apart = max(ratios.min(), -ratios.max())
    return Comparison(
        benchmark=row[0].benchmark,
        baseline=_time([one.baseline for one in row]),
        candidate=_time([one.candidate for one in row]),
        ratio=interval.estimate(0, rule.level),
        detectable=reach,
        verdict=verdict,
        reason=reason,
        caveats=tuple(dict.fromkeys(caveat for one in row for caveat in one.caveats)),
        unproven=verdict is Verdict.INCONCLUSIVE and bool(apart > rule.limit),
    )


def _time(times: Sequence[Estimate]) -> Estimate:
    """Return the time over nodes, with an interval of theirs."""
    logs = np.log([max(time.value, 1e-12) for time in times])
    return estimates(location_intervals([logs], 1 - SHOWN_CONFIDENCE), SHOWN_CONFIDENCE)[0]


def _once(changes: Iterable[Iterable[Change]]) -> tuple[Change, ...]:
    """Return what changed on any node, a row once."""
    found = {change.benchmark.id: change for change in itertools.chain(*changes)}
    return tuple(found.values())


def _verdicts(row: Sequence[Comparison]) -> NodeVerdicts:
    ratios = [one.ratio.value for one in row]
    counts = Counter(one.verdict for one in row)
    told = {str(verdict): counts[verdict] for verdict in Verdict}
    benchmark, least, most = row[0].benchmark, min(ratios), max(ratios)
    return NodeVerdicts(benchmark=benchmark, nodes=len(row), least=least, most=most, **told)
