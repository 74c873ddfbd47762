"""`lnbench ab`: two sides measured in one session, side by side, and judged."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lnbench.cli import budget_options, completion, judging, measuring, options
from lnbench.cli.measuring import INTERRUPTED

if TYPE_CHECKING:
    from lnbench.cli.pairing import Paired
    from lnbench.record.report import Report

_SIDES = "backend:NAME, backend:NAME+10%, git:REF, pip:REQUIREMENT or python:PATH"


def ab_command(
    baseline: Annotated[
        str,
        typer.Argument(
            help=f"The side to compare with: {_SIDES}.", autocompletion=completion.sides
        ),
    ],
    candidate: Annotated[
        str,
        typer.Argument(help="The side that is judged: likewise.", autocompletion=completion.sides),
    ],
    suite: options.SuiteName = "ci",
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
    time: budget_options.Time = None,
    max_time: budget_options.MaxTime = None,
    timeout: budget_options.Timeout = None,
    passes: budget_options.Passes = None,
    threads: budget_options.Threads = None,
    seed: budget_options.Seed = 0,
    start_method: budget_options.StartMethod = None,
    autotune: budget_options.Autotune = False,
    threshold: judging.Threshold = "5%",
    alpha: judging.Alpha = "0.01",
    detect: judging.Detect = None,
    strict: judging.Strict = False,
    output: options.OutputPath = None,
    format_: judging.Format = "table",
    force: options.Force = False,
    quiet: options.Quiet = False,
    resume: options.Resume = None,
    dry_run: options.DryRun = False,
) -> None:
    """Measure two sides in one session, side by side, and say what changed."""
    flags = dict(locals())
    from lnbench.cli import pairing, resuming
    from lnbench.judge.paired import compare_sides

    levels = judging.levels(threshold, alpha, detect, format_)
    with pairing.pair(baseline, candidate, suite, flags) as paired:
        cases = (match.baseline.case for match in paired.matches)
        begun = resuming.begin(resume, _head(paired), cases)
        _say_uncommitted(begun)
        if dry_run:
            _dry_run(paired)
            return
        path = resuming.report_path(output, resume, force=force)
        report, interrupted = _measure(paired, path, begun, flags, levels)
    found = compare_sides(report, threshold=levels.threshold, alpha=levels.alpha)
    if not quiet:
        judging.show(found, format_, path)
    judging.leave(found, levels, strict=strict, code=INTERRUPTED if interrupted else None)


def _measure(
    paired: "Paired",
    path: Path,
    begun: "Report",
    flags: Mapping[str, Any],
    levels: judging.Levels,
) -> "tuple[Report, bool]":
    """Go on with a report; return it, and whether Ctrl-C cut it short."""
    from lnbench.judge.paired import decided, pair_rule
    from lnbench.measure import duel

    rule = pair_rule(len(paired.matches), paired.looks, levels.threshold, levels.alpha)
    steps = duel.run(
        paired.matches,
        paired.sides,
        paired.setting,
        paired.looks,
        decided(rule),
        spawn=paired.spawn,
        unable=paired.unable,
        resume=begun.outcomes,
    )
    again = "interrupted; judged is what was measured by then; go on with: lnbench ab …"
    return measuring.follow(steps, begun, path, again=again, quiet=flags["quiet"])


def _head(paired: "Paired") -> "Report":
    """Return a new report without outcomes."""
    from lnbench import __version__
    from lnbench.record.report import COMPARISON, Report
    from lnbench.record.revision import revision
    from lnbench.record.wire import Tool

    return Report(
        kind=COMPARISON,
        created=datetime.now(UTC).replace(microsecond=0),
        tool=Tool(name="lnbench", version=__version__, arguments=tuple(sys.argv[1:])),
        revision=revision(),
        environment=paired.environment,
        suite=paired.suite.name,
        budget=paired.setting.budget,
        seed=paired.setting.seed,
        outcomes=(),
        sides=paired.records,
        looks=paired.looks,
    )


def _say_uncommitted(begun: "Report") -> None:
    """Say to stderr where a side is the commit that the changed files of this folder are not in."""
    if begun.revision is None or not begun.revision.dirty:
        return
    for side in begun.sides:
        if side.commit == begun.revision.commit:
            typer.echo(
                f"note: files of this folder have changed since {side.text}, which is measured "
                f"as it was committed; commit them, or install them and name "
                f"python:{sys.executable}",
                err=True,
            )


def _dry_run(paired: "Paired") -> None:
    """Print what would be compared, to stdout, and about how long it takes, to stderr."""
    from lnbench.units import format_duration

    for match in paired.matches:
        rows = dict.fromkeys((match.baseline.id, match.candidate.id))
        typer.echo(" against ".join(rows))
    unable = {(each.benchmark.case, each.benchmark.backend) for each in paired.unable}
    rows_here = len(paired.matches) - len(unable)
    budget = paired.setting.budget
    most = min(rows_here * budget.time_s, budget.max_time_s or float("inf"))
    typer.echo(
        f"{rows_here} of {len(paired.matches)} rows can run here; at most about "
        f"{format_duration(most)}",
        err=True,
    )
