"""`lnbench run`: measure, show, and write a report."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lnbench.cli import budget_options, measuring, options
from lnbench.cli.measuring import INTERRUPTED

if TYPE_CHECKING:
    from lnbench.cli.selection import Chosen
    from lnbench.record.outcome import Outcome
    from lnbench.record.report import Report

WRONG, NOTHING = 3, 5


def run_command(
    suite: options.SuiteName = "quick",
    config: options.Config = None,
    operation: options.Operations = [],  # noqa: B006  (Typer copies it)
    direction: options.Directions = [],  # noqa: B006
    shape: options.Shapes = [],  # noqa: B006
    dtype: options.DTypes = [],  # noqa: B006
    device: options.Devices = [],  # noqa: B006
    backend: options.Backends = [],  # noqa: B006
    cache: options.Caches = [],  # noqa: B006
    outputs: options.Outputs = [],  # noqa: B006
    filter_: options.Filters = [],  # noqa: B006
    fast: budget_options.Fast = False,
    rigorous: budget_options.Rigorous = False,
    precision: budget_options.Precision = None,
    time: budget_options.Time = None,
    max_time: budget_options.MaxTime = None,
    timeout: budget_options.Timeout = None,
    passes: budget_options.Passes = None,
    threads: budget_options.Threads = None,
    seed: budget_options.Seed = 0,
    start_method: budget_options.StartMethod = None,
    autotune: budget_options.Autotune = False,
    output: options.OutputPath = None,
    format_: options.Format = "table",
    relative_to: options.RelativeTo = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    resume: options.Resume = None,
    dry_run: options.DryRun = False,
) -> None:
    """Measure a suite on this machine, show tables, write a report."""
    flags = dict(locals())
    from lnbench.cli import resuming, selection, showing

    showing.check_format(format_)
    with selection.choose(suite, flags) as chosen:
        selection.check_relative(relative_to, chosen)
        cases = (benchmark.case for benchmark in chosen.benchmarks)
        begun = resuming.begin(resume, _head(chosen), cases)
        if dry_run:
            showing.dry_run(chosen)
            return
        path = resuming.report_path(output, resume, force=force)
        report, interrupted = _measure(chosen, path, begun, flags)
    if not quiet:
        showing.show(report, format_, relative_to=relative_to)
        typer.echo(f"report: {path}", err=True)
    if missing := _unfinished(report.outcomes, chosen) * (not interrupted):
        typer.echo(f"--max-time: {missing} rows want more; go on with --resume {path}", err=True)
    raise typer.Exit(INTERRUPTED if interrupted else exit_code(report.outcomes))


def exit_code(outcomes: "tuple[Outcome, ...]") -> int:
    """Return 3 where a benchmark failed, 5 where nothing was measured, else 0."""
    from lnbench.record.outcome import Failed, Measured
    from lnbench.registry import SPEED_LIMIT

    if any(isinstance(outcome, Failed) for outcome in outcomes):
        return WRONG
    measured = {each.benchmark.backend for each in outcomes if isinstance(each, Measured)}
    asked = {each.benchmark.backend for each in outcomes}
    # The speed limit comes along unasked: alone it is nothing, unless nothing else was asked for.
    return 0 if measured - {SPEED_LIMIT} or measured == asked else NOTHING


def _unfinished(outcomes: "tuple[Outcome, ...]", chosen: "Chosen") -> int:
    """Return how many rows the whole run's time did not suffice for."""
    done = {
        each.benchmark.id
        for each in outcomes
        if not hasattr(each, "stopped") or each.stopped is not None
    }
    return sum(benchmark.id not in done for benchmark in chosen.benchmarks)


def _measure(
    chosen: "Chosen", path: Path, begun: "Report", flags: Mapping[str, Any]
) -> "tuple[Report, bool]":
    """Go on with a report; return it, and whether Ctrl-C cut it short."""
    from lnbench.judge.stopping import precise
    from lnbench.measure import session

    steps = session.run(
        chosen.benchmarks,
        chosen.setting,
        precise,
        spawn=chosen.spawn,
        unable=chosen.unable,
        resume=begun.outcomes,
    )
    again = "interrupted; go on with: lnbench run …"
    return measuring.follow(steps, begun, path, again=again, quiet=flags["quiet"])


def _head(chosen: "Chosen") -> "Report":
    """Return a new report without outcomes."""
    from lnbench import __version__
    from lnbench.record.environment import collect
    from lnbench.record.report import Report
    from lnbench.record.revision import revision
    from lnbench.record.wire import Tool

    setting = chosen.setting
    return Report(
        created=datetime.now(UTC).replace(microsecond=0),
        tool=Tool(name="lnbench", version=__version__, arguments=tuple(sys.argv[1:])),
        revision=revision(),
        suite=chosen.suite.name,
        budget=setting.budget,
        seed=setting.seed,
        environment=collect(setting.threads, chosen.machine.devices, setting.ground.environment),
        outcomes=(),
    )
