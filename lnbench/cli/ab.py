"""`lnbench ab`: two sides measured in one session, side by side, and judged."""

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec
import typer

from lnbench.cli import diff, options, verdict_options
from lnbench.errors import ConfigError, ExitCode
from lnbench.plan.flags import AbFlags
from lnbench.plan.side import SideKind, branch_of, parse_side

if TYPE_CHECKING:
    from lnbench.record.report import ComparisonReport


@options.command(
    format=verdict_options.FORMAT, columns=verdict_options.COLUMNS, time=verdict_options.PAIR_TIME
)
def ab_command(flags: AbFlags) -> None:
    """Measure two sides in one session, side by side, and say what changed."""
    from lnbench.cli import formats
    from lnbench.cli.again import again
    from lnbench.cli.live import Line
    from lnbench.cli.run import require_able

    flags = _both_sides(flags)
    choice = diff.chosen(flags.columns, wide=flags.wide)
    levels = verdict_options.levels(flags.threshold, flags.alpha, flags.detect, flags.format)
    with Line(quiet=flags.quiet) as line, ExitStack() as stack:
        from lnbench.cli import progress
        from lnbench.judge.paired import Decided, compare_sides
        from lnbench.record.report import ComparisonReport
        from lnbench.session import resume, selection
        from lnbench.session.stopping import PairStopping

        selected = stack.enter_context(selection.select(flags))
        cases = (benchmark.case for benchmark in selected.benchmarks)
        new = selected.new_report()
        begun = resume.begin(flags.resume, new, cases)
        if isinstance(begun, ComparisonReport):
            _say_uncommitted(begun)
            _say_diverged(begun)
        if flags.dry_run:
            line.end()
            formats.dry_run(selected)
            return
        if flags.resume is None:
            require_able(selected)
        rows = [candidate.benchmark for _, candidate in selected.groups]
        decided = Decided(rows, selected.looks, levels.threshold, levels.alpha)
        stopping = PairStopping(decided, selected.looks, selected.setting.budget)
        command = again(new.tool.arguments, command="ab")
        how = f"interrupted; what was measured by then is judged; continue with: {command}"
        report, path, interrupted = progress.follow(selected, stopping, begun, flags, how, line)
    changes = compare_sides(report, threshold=levels.threshold, alpha=levels.alpha)
    changes = msgspec.structs.replace(changes, only_changed=flags.only_changed)
    if not flags.quiet:
        diff.show(changes, flags.format, path, choice=choice)
    code = ExitCode.INTERRUPTED if interrupted else None
    diff.leave(changes, levels, strict=flags.strict, code=code)


def _both_sides(flags: AbFlags) -> AbFlags:
    """Return the flags with both sides named: `git:A...B` alone is followed by the suite."""
    branch = branch_of(flags.baseline)
    kinds = tuple(f"{kind}:" for kind in SideKind)
    if flags.candidate.startswith(kinds) or (branch is None and flags.candidate):
        return flags
    if branch is None:
        parse_side(flags.baseline)
        raise ConfigError(
            f"'{flags.baseline}' is one side, and ab compares two",
            "name the other one too, or git:main...HEAD for a branch against where it began",
        )
    usual = (AbFlags(baseline="").suite, os.environ.get("LNBENCH_SUITE"))
    if flags.candidate and flags.suite not in usual:
        raise ConfigError(
            f"'{flags.candidate}' is no side, and '{flags.baseline}' names both sides already",
            f"leave '{flags.candidate}' out, or name a candidate such as git:HEAD",
        )
    suite = flags.candidate or flags.suite
    return msgspec.structs.replace(flags, candidate=branch, suite=suite)


def _say_diverged(begun: "ComparisonReport") -> None:
    """Say to stderr where a commit has changes that the other one has not seen."""
    from lnbench.workers.install import diverged

    one, other = begun.sides
    if one.commit and other.commit and diverged(one.commit, other.commit):
        first, last = (each.text.removeprefix("git:") for each in (one, other))
        typer.echo(
            f"note: {one.text} has commits that {other.text} lacks, which are judged as if it had "
            f"undone them; git:{first}...{last} compares with where it began",
            err=True,
        )


def _say_uncommitted(begun: "ComparisonReport") -> None:
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
