"""Two sides of one session: pairs of processes in, one verdict a row out."""

from collections.abc import Callable

from lnbench.errors import ReportError
from lnbench.judge.comparison import Comparison, caveats
from lnbench.judge.diff import Change, Diff, change, groups
from lnbench.judge.ranks import row_level
from lnbench.judge.side import Side
from lnbench.judge.stats import locations, paired_logs, time_estimate
from lnbench.judge.verdict import LogInterval, Rule, Verdict, judge
from lnbench.record.environment import differences
from lnbench.record.outcome import Failed, Measured, Outcome, Skipped
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


def decided(rule: Rule) -> Callable[[Measured, Measured], bool]:
    """Return the stop rule of a session: whether the pairs of a row show anything."""

    def is_decided(baseline: Measured, candidate: Measured) -> bool:
        interval = _log_interval(baseline, candidate, rule.level)
        return interval is not None and judge(interval, rule)[0] is not Verdict.INCONCLUSIVE

    return is_decided


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
    rule = pair_rule(len(names), report.looks, threshold, alpha)
    found = (_comparison(before.get(name), after.get(name), rule) for name in names)
    comparisons = tuple(row for row in found if row is not None)
    sides = report.sides
    pairs = [(before.get(name), after.get(name)) for name in names]
    return Diff(
        baseline=_side(report, 0),
        candidate=_side(report, 1),
        comparisons=comparisons,
        groups=groups(comparisons),
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


def _comparison(before: Outcome | None, after: Outcome | None, rule: Rule) -> Comparison | None:
    if not isinstance(before, Measured) or not isinstance(after, Measured):
        return None
    interval = _log_interval(before, after, rule.level)
    if interval is None:
        return None
    verdict, reason, reach = judge(interval, rule)
    return Comparison(
        benchmark=after.benchmark,
        baseline=time_estimate(before.times_s),
        candidate=time_estimate(after.times_s),
        ratio=interval.estimate(0, rule.level),
        detectable=reach,
        verdict=verdict,
        reason=reason,
        caveats=caveats(((before,), (after,))),
    )


def _log_interval(baseline: Measured, candidate: Measured, level: float) -> LogInterval | None:
    """Return a row's logarithm of candidate ÷ baseline; None where no pass has both."""
    logs = paired_logs(candidate, baseline)
    if not logs.size:
        return None
    value, low, high = locations([logs], level)[0].tolist()
    return LogInterval(value, low, high, (logs.size, logs.size))


def _side(report: ComparisonReport, index: int) -> Side:
    side = report.sides[index]
    measured = (each for each in report.outcomes if isinstance(each, Measured))
    return Side(
        created=(report.created,),
        commits=(side.commit,) if side.commit else (),
        suites=(report.suite,),
        passes=max((len(each.times_s) for each in measured), default=0),
        text=side.text,
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
