"""`lnbench ab`: two sides measured in one session, side by side, and judged."""

import sys
from typing import TYPE_CHECKING

import typer

from lnbench.cli import diff, options, verdict_options
from lnbench.errors import ExitCode
from lnbench.plan.flags import AbFlags

if TYPE_CHECKING:
    from lnbench.record.report import Report


@options.command(format=options.VERDICT_FORMAT)
def ab_command(flags: AbFlags) -> None:
    """Measure two sides in one session, side by side, and say what changed."""
    from lnbench.cli import formats, progress
    from lnbench.judge.paired import Decided, compare_sides
    from lnbench.session import resume, selection
    from lnbench.session.stopping import PairStopping

    levels = verdict_options.levels(flags.threshold, flags.alpha, flags.detect, flags.format)
    with selection.select(flags) as selected:
        cases = (benchmark.case for benchmark in selected.benchmarks)
        begun = resume.begin(flags.resume, selected.new_report(), cases)
        _say_uncommitted(begun)
        if flags.dry_run:
            formats.dry_run(selected)
            return
        rows = [candidate.benchmark for _, candidate in selected.groups]
        decided = Decided(rows, selected.looks, levels.threshold, levels.alpha)
        stopping = PairStopping(decided, selected.looks, selected.setting.budget)
        again = "interrupted; judged is what was measured by then; go on with: lnbench ab …"
        report, path, interrupted = progress.follow(selected, stopping, begun, flags, again)
    changes = compare_sides(report, threshold=levels.threshold, alpha=levels.alpha)
    if not flags.quiet:
        diff.show(changes, flags.format, path)
    code = ExitCode.INTERRUPTED if interrupted else None
    diff.leave(changes, levels, strict=flags.strict, code=code)


def _say_uncommitted(begun: "Report") -> None:
    """Say to stderr where a side is the commit that the changed files of this folder are not in."""
    if begun.revision is None or not begun.revision.dirty:
        return
    for side in getattr(begun, "sides", ()):
        if side.commit == begun.revision.commit:
            typer.echo(
                f"note: files of this folder have changed since {side.text}, which is measured "
                f"as it was committed; commit them, or install them and name "
                f"python:{sys.executable}",
                err=True,
            )
