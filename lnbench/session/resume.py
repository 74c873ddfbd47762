"""Going on with a report that was cut short: only as the same measurement."""

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from lnbench.errors import ConfigError
from lnbench.plan.budget import Budget
from lnbench.plan.case import Case
from lnbench.record import report
from lnbench.record.environment import differences
from lnbench.record.outcome import Measured, Outcome
from lnbench.record.report import ComparisonReport, Report


def begin(resume: Path | None, new: Report, cases: Iterable[Case], *, timed: bool = True) -> Report:
    """Return the report to go on with; ConfigError where it was another measurement.

    Its budget is what its rows stop by from now on: one that asks for more goes on with rows that
    had had enough.

    Args:
        resume: the file of a report that was cut short, or None to begin a new one.
        new: a report without outcomes.
        cases: what is to be measured now.
        timed: whether somebody said the seconds of a row; else they may differ.
    """
    if resume is None:
        return new
    earlier = report.read(resume)
    changed = [*_changes(earlier, new), *_moved(earlier, cases)]
    if _asks_less(earlier, _grown(earlier.budget, new.budget, timed=timed)):
        changed.append("budget")
    changed = list(dict.fromkeys(changed))
    if changed:
        command = shlex.join(("lnbench", *earlier.tool.arguments))
        raise ConfigError(
            f"{resume} cannot be resumed: {', '.join(changed)} changed since",
            f"repeat its command where it began: {command}; or begin a new one with -o NEW.json",
        )
    budget = _grown(earlier.budget, new.budget, timed=timed)
    outcomes = earlier.outcomes
    if _demands(budget) != _demands(earlier.budget):
        outcomes = tuple(map(_reopened, outcomes))
    return msgspec.structs.replace(earlier, budget=budget, outcomes=outcomes)


def kept(before: tuple[Outcome, ...], now: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """Return outcomes in the order of the earlier ones, with its rows that were not selected."""
    known = {(outcome.benchmark.id, outcome.side): outcome for outcome in now}
    rows = [known.pop((outcome.benchmark.id, outcome.side), outcome) for outcome in before]
    return (*rows, *known.values())


def _changes(earlier: Report, new: Report) -> Iterator[str]:
    """Yield the names of what would not be the same measurement any more."""
    for change in differences(earlier.environment, new.environment):
        yield change.name
    if type(earlier) is not type(new):
        yield "kind"
    for name in ("suite", "revision", "seed"):
        if getattr(earlier, name) != getattr(new, name):
            yield name
    if isinstance(earlier, ComparisonReport) and isinstance(new, ComparisonReport):
        yield from _changed_sides(earlier, new)


def _changed_sides(earlier: ComparisonReport, new: ComparisonReport) -> Iterator[str]:
    if earlier.looks != new.looks:
        yield "looks"
    for before, after in zip(earlier.sides, new.sides, strict=True):
        if (before.text, before.commit) != (after.text, after.commit):
            yield before.text
        for change in differences(before.environment, after.environment):
            yield f"{change.name} of {before.text}"


def _moved(earlier: Report, cases: Iterable[Case]) -> Iterator[str]:
    """Yield the types of device of which another one was measured; rows join on the type alone."""
    measured = [outcome.benchmark.case for outcome in earlier.outcomes]
    devices = {case.device_type: case.device for case in measured}
    for case in cases:
        if devices.get(case.device_type, case.device) != case.device:
            yield f"{case.device_type} device"


def _grown(earlier: Budget, new: Budget, *, timed: bool) -> Budget:
    """Return the budget to go on by: the rounds of a process stay, so that all passes are alike."""
    time_s = new.time_s if timed else max(earlier.time_s, new.time_s)
    return msgspec.structs.replace(new, rounds=earlier.rounds, time_s=time_s)


def _demands(budget: Budget) -> tuple[float, ...]:
    """Return what decides when a row has had enough, more where it asks for more."""
    return (-budget.precision, budget.passes, budget.time_s)


def _asks_less(earlier: Report, budget: Budget) -> bool:
    """Return whether a budget would not have measured what is there; of two sides, any other."""
    before, after = _demands(earlier.budget), _demands(budget)
    if isinstance(earlier, ComparisonReport):
        return before != after
    return any(new < old for old, new in zip(before, after, strict=True))


def _reopened(outcome: Outcome) -> Outcome:
    """Return a row that is looked at anew before it is measured any further."""
    if isinstance(outcome, Measured):
        return msgspec.structs.replace(outcome, stopped=None)
    return outcome
