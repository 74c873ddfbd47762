"""`lnbench run`: measure, show, and write a report."""

import itertools
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import typer

from lnbench.cli import options
from lnbench.errors import ExitCode, NothingMeasuredError, UnknownNameError
from lnbench.plan.flags import RunFlags

if TYPE_CHECKING:
    from lnbench.plan.case import Benchmark
    from lnbench.record.outcome import Outcome
    from lnbench.record.report import Report
    from lnbench.session.selection import Selection
    from lnbench.session.stopping import RowStopping


@options.command()
def run_command(flags: RunFlags) -> None:
    """Measure a suite on this machine, show tables, write a report."""
    from lnbench.cli import formats
    from lnbench.cli.again import again, say_fitness
    from lnbench.cli.live import Line
    from lnbench.render.columns import COLUMNS
    from lnbench.render.sheet import Choice

    formats.check_format(flags.format)
    choice = Choice.of(flags.columns, COLUMNS, wide=flags.wide)
    with Line(quiet=flags.quiet) as line, ExitStack() as stack:
        from lnbench.cli import progress
        from lnbench.judge.fitness import shortfall
        from lnbench.session import resume, selection

        selected = stack.enter_context(selection.select(flags))
        _check_relative(flags.relative_to, selected)
        cases = (benchmark.case for benchmark in selected.benchmarks)
        new = selected.new_report()
        begun = resume.begin(flags.resume, new, cases, timed=selected.suite.timed)
        selected = selected.under(begun.budget, energy=flags.energy)
        if flags.dry_run:
            line.end()
            formats.dry_run(selected)
            return
        if flags.resume is None:
            require_able(selected)
        typed, started = new.tool.arguments, time.monotonic()
        how = f"interrupted; continue with: {again(typed)}"
        stop = stopping(selected, begun)
        report, path, interrupted = progress.follow(selected, stop, begun, flags, how, line)
        taken_s = time.monotonic() - started
    if not flags.quiet:
        tables = formats.view(
            report, flags.format, flags.relative_to, only_summary=flags.summary, choice=choice
        )
        if tables is not None:
            formats.show_view(tables, flags.format)
        typer.echo(f"report: {path}", err=True)
    if not interrupted:
        taken = _passes(report) - _passes(begun)
        lack = shortfall(report, _able(selected), taken_s / taken if taken else None)
        if lack is not None and not flags.quiet:
            say_fitness(report, path, lack, typed)
        elif missing := _unfinished(report.outcomes, selected):
            more = f"{missing} rows want more; continue with --resume {path}"
            typer.echo(f"--max-time: {more}", err=True)
    raise typer.Exit(ExitCode.INTERRUPTED if interrupted else exit_code(report.outcomes))


def require_able(selected: "Selection") -> None:
    """Raise NothingMeasuredError where every row is skipped, or one of every pair is.

    The copy comes along unasked, and is no reason to measure.
    """
    from lnbench.record.outcome import Skipped
    from lnbench.registry import SPEED_LIMIT

    skipped = {
        (each.benchmark, each.side): each for each in selected.unable if isinstance(each, Skipped)
    }
    groups = [[(row.benchmark, row.side) for row in group] for group in selected.groups]
    if not selected.sides:
        rows = list(itertools.chain.from_iterable(groups))
        groups = [[row] for row in rows if row[0].backend != SPEED_LIMIT] or [[row] for row in rows]
    if any(not skipped.keys() & set(group) for group in groups):
        return
    lacking = skipped.keys() & set(itertools.chain.from_iterable(groups))
    reasons = {f"{row[0].backend}: {skipped[row].reason}" for row in lacking}
    raise NothingMeasuredError(
        f"no benchmark can run here: {'; '.join(sorted(reasons))}",
        "lnbench list backends says what can",
    )


def _able(selected: "Selection") -> "list[Benchmark]":
    """Return what can be measured here."""
    unable = {outcome.benchmark for outcome in selected.unable}
    return [benchmark for benchmark in selected.benchmarks if benchmark not in unable]


def stopping(selected: "Selection", begun: "Report") -> "RowStopping":
    """Return when rows stop: where nobody says how long, not before a `diff` can judge them."""
    from lnbench.judge.fitness import passes_needed
    from lnbench.judge.stopping import precise
    from lnbench.record.outcome import Measured
    from lnbench.session.stopping import RowStopping

    earlier = [each.benchmark for each in begun.outcomes if isinstance(each, Measured)]
    least = 1 if selected.suite.timed else passes_needed((*earlier, *_able(selected)))
    return RowStopping(precise, selected.setting.budget, least)


def _passes(report: "Report") -> int:
    """Return how many passes all rows of a report have together."""
    from lnbench.record.outcome import Measured

    rows = [outcome for outcome in report.outcomes if isinstance(outcome, Measured)]
    return sum(bool(times) for row in rows for times in row.times_s)


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
