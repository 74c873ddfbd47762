"""Going on with a report that was cut short: only as the same measurement."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from lnbench.errors import ConfigError
from lnbench.plan.budget import Budget
from lnbench.plan.case import Case
from lnbench.record import report
from lnbench.record.environment import differences
from lnbench.record.outcome import Outcome
from lnbench.record.report import ComparisonReport, Report


def begin(resume: Path | None, new: Report, cases: Iterable[Case]) -> Report:
    """Return the report to go on with; ConfigError where it was another measurement.

    Args:
        resume: the file of a report that was cut short, or None to begin a new one.
        new: a report without outcomes.
        cases: what is to be measured now.
    """
    if resume is None:
        return new
    earlier = report.read(resume)
    changed = list(dict.fromkeys([*_changes(earlier, new), *_moved(earlier, cases)]))
    if changed:
        raise ConfigError(
            f"{resume} cannot be resumed: {', '.join(changed)} changed since",
            "repeat the command of the report, or start a new one with -o NEW.json",
        )
    return msgspec.structs.replace(earlier, budget=new.budget)


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
    if _uncapped(earlier.budget) != _uncapped(new.budget):
        yield "budget"


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


def _uncapped(budget: Budget) -> Budget:
    """Return what decides when a row has had enough: caps may differ."""
    return msgspec.structs.replace(budget, max_time_s=None, timeout_s=1.0)
