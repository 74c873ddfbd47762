"""`lnbench run`: measure, show, and write a report."""

from typing import TYPE_CHECKING

import typer

from lnbench.cli import options
from lnbench.errors import ExitCode, UnknownNameError
from lnbench.plan.flags import RunFlags

if TYPE_CHECKING:
    from lnbench.record.outcome import Outcome
    from lnbench.session.selection import Selection


@options.command()
def run_command(flags: RunFlags) -> None:
    """Measure a suite on this machine, show tables, write a report."""
    from lnbench.cli import formats, progress
    from lnbench.judge.stopping import precise
    from lnbench.session import resume, selection
    from lnbench.session.stopping import RowStopping

    formats.check_format(flags.format)
    with selection.select(flags) as selected:
        _check_relative(flags.relative_to, selected)
        cases = (benchmark.case for benchmark in selected.benchmarks)
        begun = resume.begin(flags.resume, selected.new_report(), cases)
        if flags.dry_run:
            formats.dry_run(selected)
            return
        stopping = RowStopping(precise, selected.setting.budget)
        again = "interrupted; go on with: lnbench run …"
        report, path, interrupted = progress.follow(selected, stopping, begun, flags, again)
    if not flags.quiet:
        formats.show(report, flags.format, relative_to=flags.relative_to)
        typer.echo(f"report: {path}", err=True)
    if missing := _unfinished(report.outcomes, selected) * (not interrupted):
        typer.echo(f"--max-time: {missing} rows want more; go on with --resume {path}", err=True)
    raise typer.Exit(ExitCode.INTERRUPTED if interrupted else exit_code(report.outcomes))


def exit_code(outcomes: "tuple[Outcome, ...]") -> ExitCode:
    """Return what the outcomes deserve: a failure, nothing measured, or all fine."""
    from lnbench.record.outcome import Failed, Measured
    from lnbench.registry import SPEED_LIMIT

    if any(isinstance(outcome, Failed) for outcome in outcomes):
        return ExitCode.FAILED
    measured = {outcome.backend for outcome in outcomes if isinstance(outcome, Measured)}
    asked = {outcome.backend for outcome in outcomes}
    # The speed limit comes along unasked: alone it is nothing, unless nothing else was asked for.
    fine = measured - {SPEED_LIMIT} or measured == asked
    return ExitCode.FINE if fine else ExitCode.NOTHING


def _check_relative(name: str | None, selected: "Selection") -> None:
    """Raise UnknownNameError where speedups are wanted against a backend that does not run."""
    backends = {benchmark.backend for benchmark in selected.benchmarks}
    if name is not None and name not in backends:
        raise UnknownNameError("backend", name, backends, "--relative-to")


def _unfinished(outcomes: "tuple[Outcome, ...]", selected: "Selection") -> int:
    """Return how many rows the whole run's time did not suffice for."""
    from lnbench.record.outcome import Measured

    done = {
        outcome.benchmark.id
        for outcome in outcomes
        if not isinstance(outcome, Measured) or outcome.stopped is not None
    }
    return sum(benchmark.id not in done for benchmark in selected.benchmarks)
