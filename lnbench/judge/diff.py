"""Two sides in, what changed out: one verdict a benchmark, and what only one side has."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from lnbench.errors import ExitCode
from lnbench.judge.comparison import Comparison, judge_sides
from lnbench.judge.drift import Drift
from lnbench.judge.groups import BackendGroup, rows_level
from lnbench.judge.ranks import smallest_units
from lnbench.judge.side import REPORTS_AS_UNITS, Rows, Side, describe, distinct, gather
from lnbench.judge.verdict import Rule, Verdict
from lnbench.plan.case import Benchmark
from lnbench.record.environment import Difference, differences
from lnbench.record.kind import kind as kind_of
from lnbench.record.outcome import Caveat, CaveatKind, Failed, Measured, Skipped
from lnbench.record.report import Report


class Change(msgspec.Struct, frozen=True):
    """A benchmark that the baseline measured and the candidate did not."""

    benchmark: Benchmark
    """What the baseline measured."""
    detail: str
    """Why the candidate did not: its error or its reason."""


class Diff(msgspec.Struct, frozen=True):
    """What changed between two sides."""

    baseline: Side
    """Where the baseline's numbers come from."""
    candidate: Side
    """Where the candidate's numbers come from."""
    comparisons: tuple[Comparison, ...]
    """What both measured, `copy` with it, in the baseline's order; empty where not comparable."""
    groups: tuple[BackendGroup, ...]
    """The backends over their shapes, in the order of the rows."""
    newly_failing: tuple[Change, ...]
    """What the baseline measured, without a failure, and the candidate failed."""
    still_failing: tuple[Change, ...]
    """What failed on both sides."""
    newly_skipped: tuple[Change, ...]
    """What the baseline measured and the candidate skipped."""
    removed: tuple[Benchmark, ...]
    """What the baseline measured and the candidate does not know."""
    added: tuple[Benchmark, ...]
    """What only the candidate measured."""
    environment: tuple[Difference, ...]
    """What differs between the environments, the serious first."""
    comparable: bool
    """Whether the environments are alike enough, or any will do."""
    rule: Rule
    """Threshold, level, drift and unit that every row was judged by."""
    alpha: float
    """Chance, over all rows and groups, that any is called changed where none is."""
    drift: Drift | None = None
    """What the copy shows; None between the sides of one session."""
    only_changed: bool = False
    """Whether tables leave out the rows that show no change; all are counted, and in JSON."""

    @property
    def controls(self) -> int:
        """How many rows of `copy` tell of the drift; with none, the rule's drift is a guess."""
        return sum(comparison.verdict is None for comparison in self.comparisons)

    def count(self, verdict: Verdict) -> int:
        """Return how many rows have this verdict."""
        return sum(comparison.verdict is verdict for comparison in self.comparisons)

    def shows(self, verdict: Verdict) -> bool:
        """Return whether any row or group has this verdict."""
        groups = (group.verdict for group in self.groups)
        return self.count(verdict) > 0 or verdict in groups


def compare(
    baseline: Sequence[Report],
    candidate: Sequence[Report],
    *,
    threshold: float = 0.05,
    alpha: float = 0.01,
    any_environment: bool = False,
) -> Diff:
    """Return what changed from the baseline's reports to the candidate's.

    Args:
        baseline: at least one report.
        candidate: at least one report.
        threshold: smallest change worth acting on, as a share.
        alpha: chance, over all rows and groups, that any is called changed where none is.
        any_environment: whether to judge across machines, devices and versions.
    """
    baseline, candidate = distinct(baseline), distinct(candidate)
    before, after = gather(baseline), gather(candidate)
    gone = _gone(before, after)
    environment = _environment(baseline, candidate)
    serious = any(difference.serious for difference in environment)
    comparable = any_environment or not serious
    names = [name for name in before.measured if comparable and name in after.measured]
    level = rows_level(alpha, _benchmarks(before, names))
    enough = max(REPORTS_AS_UNITS, smallest_units(level))
    # Passes of one machine share its luck: of others of its kind they say nothing.
    others = _machines(baseline) != _machines(candidate) and not serious
    judged = judge_sides(
        [(before.measured[name], after.measured[name]) for name in names],
        baseline[0].environment,
        threshold=threshold,
        alpha=alpha,
        by_report=others or min(len(baseline), len(candidate)) >= enough,
        shared=(Caveat(CaveatKind.ENVIRONMENT),) if serious else (),
    )
    return Diff(
        baseline=describe(baseline),
        candidate=describe(candidate),
        comparisons=judged.comparisons,
        groups=judged.groups,
        newly_failing=tuple(
            change(failed)
            for name, failed in after.failed.items()
            if name in before.measured and name not in before.failed
        ),
        still_failing=tuple(
            change(failed) for name, failed in after.failed.items() if name in before.failed
        ),
        newly_skipped=tuple(change(after.skipped[name]) for name in gone if name in after.skipped),
        removed=_benchmarks(before, (name for name in gone if name not in after.skipped)),
        added=_benchmarks(after, (name for name in after.measured if name not in before.measured)),
        environment=environment,
        comparable=comparable,
        rule=judged.rule,
        drift=judged.drift,
        alpha=alpha,
    )


def exit_code(diff: Diff, *, strict: bool = False, detect: float | None = None) -> ExitCode:
    """Return the exit code that the diff deserves.

    Args:
        diff: what changed.
        strict: whether what is not known counts as bad.
        detect: with `strict`, only inconclusive rows that could not have shown this share count.
    """
    if diff.newly_failing:
        return ExitCode.FAILED
    if not any(comparison.verdict for comparison in diff.comparisons):
        return ExitCode.NOTHING
    if diff.shows(Verdict.REGRESSED):
        return ExitCode.REGRESSED
    if strict and (diff.removed or diff.newly_skipped or undecided(diff, detect)):
        return ExitCode.UNDECIDED
    return ExitCode.FINE


def undecided(diff: Diff, detect: float | None) -> tuple[Comparison, ...]:
    """Return the inconclusive rows; with `detect`, those that could not have shown that share."""
    return tuple(
        row
        for row in diff.comparisons
        if row.verdict is Verdict.INCONCLUSIVE
        and (detect is None or row.detectable is None or row.detectable > 1 + detect)
    )


def _environment(baseline: Sequence[Report], candidate: Sequence[Report]) -> tuple[Difference, ...]:
    """Return how any report of one side differs from any of the other, the serious first."""
    # Where reports of one side differ, at least one of them differs from the other side.
    sides = ({repr(r.environment): r.environment for r in side} for side in (baseline, candidate))
    pairs = itertools.product(*(side.values() for side in sides))
    named: Iterable[Difference] = itertools.chain(
        _indices(baseline, candidate),
        itertools.chain.from_iterable(differences(*pair) for pair in pairs),
    )
    before, after = _machines(baseline), _machines(candidate)
    kinds = {kind_of(report.environment) for report in (*baseline, *candidate)}
    if len(kinds) == 1 and max(len(before), len(after)) > 1:
        named = _of_a_kind(named, before, after)
    return tuple(sorted(dict.fromkeys(named), key=lambda difference: not difference.serious))


def _machines(reports: Sequence[Report]) -> set[str]:
    return {report.environment.machine_id for report in reports}


def _of_a_kind(
    named: Iterable[Difference], before: set[str], after: set[str]
) -> Iterator[Difference]:
    """Yield differences of sides of several machines of one kind: which these are is not serious.

    Where they are the same on both sides it is no difference at all.
    """
    for difference in named:
        if difference.name != "machine":
            yield difference
        elif before != after:
            one, other = (f"{len(side)} of the kind" for side in (before, after))
            yield Difference("machine", one, other, serious=False)


def _indices(baseline: Sequence[Report], candidate: Sequence[Report]) -> Iterator[Difference]:
    """Yield which of several devices of a type each side measured, where they are not the same.

    Rows join on the type alone, and two cards of one name are still two cards.
    """
    before, after = _devices(baseline), _devices(candidate)
    for kind in before:
        if kind in after and before[kind] != after[kind]:
            one, other = (", ".join(sorted(side[kind])) for side in (before, after))
            yield Difference(f"{kind} device", one, other, serious=True)


def _devices(reports: Sequence[Report]) -> dict[str, set[str]]:
    """Return the devices that were measured, by type."""
    measured: dict[str, set[str]] = {}
    for outcome in itertools.chain.from_iterable(report.outcomes for report in reports):
        if isinstance(outcome, Measured):
            case = outcome.benchmark.case
            measured.setdefault(case.device_type, set()).add(case.device)
    return measured


def change(outcome: Failed | Skipped) -> Change:
    """Return a benchmark that was not measured, with the reason why not."""
    if isinstance(outcome, Failed):
        return Change(outcome.benchmark, f"{outcome.stage}: {outcome.error}")
    return Change(outcome.benchmark, outcome.reason)


def _gone(before: Rows, after: Rows) -> list[str]:
    """Return the names that only the baseline measured and the candidate did not even fail."""
    return [n for n in before.measured if n not in after.measured and n not in after.failed]


def _benchmarks(rows: Rows, names: Iterable[str]) -> tuple[Benchmark, ...]:
    return tuple(rows.measured[name][0].benchmark for name in names)
