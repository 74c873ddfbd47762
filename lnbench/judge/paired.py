"""Two sides of one session: pairs of processes in, one verdict a row out."""

import itertools
import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from lnbench.errors import ReportError
from lnbench.judge.comparison import Comparison, caveats
from lnbench.judge.diff import Change, Diff, change
from lnbench.judge.groups import (
    BackendGroup,
    alphas,
    described,
    group_key,
    judged_groups,
    read_pairs,
)
from lnbench.judge.ranks import row_level
from lnbench.judge.side import Side
from lnbench.judge.stats import (
    Estimate,
    Floats,
    location_intervals,
    paired_passes,
    time_estimate,
)
from lnbench.judge.verdict import LogInterval, Rule, Verdict, judge
from lnbench.plan.case import Benchmark
from lnbench.record.environment import differences
from lnbench.record.outcome import Caveat, Failed, Measured, Outcome, Skipped
from lnbench.record.report import ComparisonReport, Report


def pair_rule(rows: int, looks: tuple[int, ...], threshold: float, alpha: float) -> Rule:
    """Return what every row is judged by, at every look the same.

    Args:
        rows: how many rows the session has.
        looks: the numbers of pairs at which it looks.
        threshold: smallest change worth acting on, as a share.
        alpha: chance, over all rows and looks, that any is called changed where none is.
    """
    level = row_level(alpha, rows, len(looks))
    return Rule(threshold, level, drift=0.0, unit="pair", looks=looks)


class Decided:
    """The stop rule of a session: whether a row shows anything, or will not.

    A row is done when it is judged; also when its group is shown to be unchanged and the row itself
    lies well within the threshold. That ends rows which only time could prove unchanged, and can
    call none changed.

    Args:
        benchmarks: the rows of the session, one each.
        looks: the numbers of pairs at which it looks.
        threshold: smallest change worth acting on, as a share.
        alpha: chance, over all rows, groups and looks, that any is called changed where none is.
    """

    def __init__(
        self,
        benchmarks: Sequence[Benchmark],
        looks: tuple[int, ...],
        threshold: float = 0.05,
        alpha: float = 0.01,
    ) -> None:
        for_rows, self._alpha = alphas(alpha, benchmarks)
        self._rule = pair_rule(len(benchmarks), looks, threshold, for_rows)
        self._groups = judged_groups(benchmarks)
        self._places = {benchmark: i for i, benchmark in enumerate(benchmarks)}
        self._logs: list[Floats] = [np.empty(0) for _ in benchmarks]

    def __call__(self, baseline: Measured, candidate: Measured) -> bool:
        """Return whether the pairs of a row are enough."""
        logs = paired_passes(candidate, baseline)
        place = self._places[candidate.benchmark]
        self._logs[place] = logs
        interval = _log_interval(logs, self._rule.level)
        if interval is None:
            return False
        if judge(interval, self._rule)[0] is not Verdict.INCONCLUSIVE:
            return True
        key = group_key(candidate.benchmark)
        if key not in self._groups or abs(interval.value) > self._rule.limit / 2:
            return False
        readings = read_pairs(_table(self._logs), self._groups, self._rule, self._alpha)
        return key in readings and readings[key].verdict is Verdict.UNCHANGED


def compare_sides(report: Report, *, threshold: float = 0.05, alpha: float = 0.01) -> Diff:
    """Return what a session of two sides shows; ReportError for any other report.

    Args:
        report: what `lnbench ab` wrote.
        threshold: smallest change worth acting on, as a share.
        alpha: chance, over all rows and looks, that any is called changed where none is.
    """
    if not isinstance(report, ComparisonReport):
        raise ReportError(
            f"a report of kind '{report.kind}' has no pairs", "lnbench show prints it"
        )
    before, after = (_by_row(report, name) for name in ("baseline", "candidate"))
    names = list(dict.fromkeys((*before, *after)))
    benchmarks = [(after.get(name) or before[name]).benchmark for name in names]
    for_rows, for_groups = alphas(alpha, benchmarks)
    rule = pair_rule(len(names), report.looks, threshold, for_rows)
    pairs = [(before.get(name), after.get(name)) for name in names]
    logs = [_logs(*pair) for pair in pairs]
    comparisons = tuple(filter(None, map(partial(_comparison, rule), pairs, logs)))
    sides = report.sides
    return Diff(
        baseline=_side(report, 0),
        candidate=_side(report, 1),
        comparisons=comparisons,
        groups=_groups(
            comparisons, [line for line in logs if np.isfinite(line).any()], rule, for_groups
        ),
        newly_failing=_changes(pairs, Measured, Failed),
        still_failing=_changes(pairs, Failed, Failed),
        newly_skipped=_changes(pairs, Measured, Skipped),
        removed=(),
        added=tuple(
            b.benchmark for a, b in pairs if isinstance(b, Measured) and not isinstance(a, Measured)
        ),
        environment=differences(sides[0].environment, sides[1].environment),
        comparable=True,
        rule=rule,
        alpha=alpha,
    )


def _by_row(report: ComparisonReport, side: str) -> dict[str, Outcome]:
    """Return the outcomes of a side by what they share with the other's."""
    # Of two backends the case is what they share; of two environments the backend too.
    apart = {outcome.benchmark.backend for outcome in report.outcomes if outcome.side == side}
    named = report.sides[0].text.startswith("backend:")
    assert not named or len(apart) <= 1  # noqa: S101  (a session writes no other)
    return {
        outcome.benchmark.case.id if named else outcome.benchmark.id: outcome
        for outcome in report.outcomes
        if outcome.side == side
    }


def _logs(before: Outcome | None, after: Outcome | None) -> Floats:
    """Return a row's logarithms of candidate ÷ baseline by pair; none where a side has none."""
    if not isinstance(before, Measured) or not isinstance(after, Measured):
        return np.empty(0)
    return paired_passes(after, before)


def _comparison(
    rule: Rule, row: tuple[Outcome | None, Outcome | None], logs: Floats
) -> Comparison | None:
    before, after = row
    if not isinstance(before, Measured) or not isinstance(after, Measured):
        return None
    times = time_estimate(before.times_s), time_estimate(after.times_s)
    return judged_row(after.benchmark, times, logs, rule, caveats(((before,), (after,))))


def judged_row(
    benchmark: Benchmark,
    times: tuple[Estimate, Estimate],
    logs: Floats,
    rule: Rule,
    care: tuple[Caveat, ...],
) -> Comparison | None:
    """Return a row by the logarithms of its units; None where no unit has both sides."""
    interval = _log_interval(logs, rule.level)
    if interval is None:
        return None
    verdict, reason, reach = judge(interval, rule)
    units = logs[np.isfinite(logs)]
    apart = max(units.min(), -units.max())
    return Comparison(
        benchmark=benchmark,
        baseline=times[0],
        candidate=times[1],
        ratio=interval.estimate(0, rule.level),
        detectable=reach,
        verdict=verdict,
        reason=reason,
        caveats=care,
        unproven=verdict is Verdict.INCONCLUSIVE and bool(apart > rule.limit),
    )


def _groups(
    comparisons: Sequence[Comparison], logs: Sequence[Floats], rule: Rule, alpha: float
) -> tuple[BackendGroup, ...]:
    benchmarks = [row.benchmark for row in comparisons]
    groups = judged_groups(benchmarks)
    readings = read_pairs(_table(logs), groups, rule, alpha)
    return described(benchmarks, [math.log(row.ratio.value) for row in comparisons], readings)


def _table(lines: Sequence[Floats]) -> Floats:
    """Return lines of different lengths as one table, with NaN where they end."""
    return np.array(list(itertools.zip_longest(*lines, fillvalue=np.nan)), np.float64).T


def _log_interval(logs: Floats, level: float) -> LogInterval | None:
    """Return a row's logarithm of candidate ÷ baseline; None where no pass has both."""
    pairs = logs[np.isfinite(logs)]
    if not pairs.size:
        return None
    value, low, high = location_intervals([pairs], level)[0].tolist()
    return LogInterval(value, low, high, (pairs.size, pairs.size))


def _side(report: ComparisonReport, index: int) -> Side:
    side = report.sides[index]
    measured = (each for each in report.outcomes if isinstance(each, Measured))
    return Side(
        created=(report.created,),
        commits=(side.commit,) if side.commit else (),
        suites=(report.suite,),
        passes=max((len(each.times_s) for each in measured), default=0),
        text=side.text,
        busy=report.busy,
    )


def _changes(
    pairs: list[tuple[Outcome | None, Outcome | None]],
    before: type[Measured] | type[Failed],
    after: type[Failed] | type[Skipped],
) -> tuple[Change, ...]:
    return tuple(
        change(other)
        for one, other in pairs
        if isinstance(one, before) and isinstance(other, after)
    )
