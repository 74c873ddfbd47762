"""Where a report goes, and going on with one that was cut short: only as the same measurement."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lnbench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lnbench.plan.budget import Budget
    from lnbench.plan.case import Case
    from lnbench.record.outcome import Outcome
    from lnbench.record.report import Report


def report_path(output: Path | None, resume: Path | None, *, force: bool) -> Path:
    """Return where the report goes, after making sure that it can be written."""
    from lnbench.record import report

    if resume is not None:
        if output not in (None, resume):
            raise ConfigError("--resume goes on in place and takes no --output")
        report.prepare_path(resume, force=True)
        return resume
    path = output or report.default_path(datetime.now(UTC))
    report.prepare_path(path, force=force)
    return path


def begin(resume: Path | None, head: "Report", cases: "Iterable[Case]") -> "Report":
    """Return the report to go on with; ConfigError where it was another measurement.

    Args:
        resume: the file of a report that was cut short, or None to begin a new one.
        head: a new report without outcomes.
        cases: what is to be measured now.
    """
    if resume is None:
        return head
    import msgspec

    from lnbench.record import report

    found = report.read(resume)
    changed = list(dict.fromkeys([*_changes(found, head), *_moved(found, cases)]))
    if changed:
        raise ConfigError(
            f"{resume} cannot be resumed: {', '.join(changed)} changed since",
            "repeat the command of the report, or start a new one with -o NEW.json",
        )
    return msgspec.structs.replace(found, budget=head.budget)


def kept(before: "tuple[Outcome, ...]", now: "tuple[Outcome, ...]") -> "tuple[Outcome, ...]":
    """Return outcomes in the order of the earlier ones, with its rows that were not selected."""
    known = {(outcome.benchmark.id, outcome.side): outcome for outcome in now}
    rows = [known.pop((each.benchmark.id, each.side), each) for each in before]
    return (*rows, *known.values())


def _changes(earlier: "Report", head: "Report") -> "Iterator[str]":
    """Yield the names of what would not be the same measurement any more."""
    from lnbench.record.environment import differences

    yield from (each.name for each in differences(earlier.environment, head.environment))
    for name, before, after in (
        ("kind", earlier.kind, head.kind),
        ("suite", earlier.suite, head.suite),
        ("revision", earlier.revision, head.revision),
        ("seed", earlier.seed, head.seed),
        ("looks", earlier.looks, head.looks),
        ("budget", _uncapped(earlier.budget), _uncapped(head.budget)),
    ):
        if before != after:
            yield name
    for one, other in zip(earlier.sides, head.sides, strict=False):
        if (one.text, one.commit) != (other.text, other.commit):
            yield one.text
        for each in differences(one.environment, other.environment):
            yield f"{each.name} of {one.text}"


def _moved(earlier: "Report", cases: "Iterable[Case]") -> "Iterator[str]":
    """Yield the types of device of which another one was measured; rows join on the type alone."""
    measured = [outcome.benchmark.case for outcome in earlier.outcomes]
    devices = {case.device_type: case.device for case in measured}
    for case in cases:
        if devices.get(case.device_type, case.device) != case.device:
            yield f"{case.device_type} device"


def _uncapped(budget: "Budget") -> "Budget":
    """Return what decides when a row has had enough: caps may differ."""
    import msgspec

    return msgspec.structs.replace(budget, max_time_s=None, timeout_s=1.0)
