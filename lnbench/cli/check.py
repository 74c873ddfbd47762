"""`lnbench check`: every benchmark once, verified on random and hostile inputs, not timed."""

from contextlib import ExitStack

import typer

from lnbench.cli import options
from lnbench.errors import ExitCode
from lnbench.plan.flags import CheckFlags


@options.command()
def check_command(flags: CheckFlags) -> None:
    """Verify every benchmark against float64, hostile inputs too, without timing it."""
    from lnbench.cli import formats
    from lnbench.cli.live import Line

    formats.check_format(flags.format)
    with Line(quiet=flags.quiet) as line, ExitStack() as stack:
        from lnbench.registry import SPEED_LIMIT
        from lnbench.session import selection
        from lnbench.session.check import inspect

        selected = stack.enter_context(selection.select(flags))
        checks = []
        for check in inspect(selected):
            checks.append(check)
            line.where = f"checked {len(checks)} of {len(selected.benchmarks)}"
            line.share = len(checks) / len(selected.benchmarks)
            line.draw()
            line.say(line.where)
    if not flags.quiet:
        formats.show_checks(tuple(checks), flags.format)
    if any(check.failed for check in checks):
        raise typer.Exit(ExitCode.FAILED)
    checked = {check.benchmark.backend for check in checks if check.findings}
    asked = {check.benchmark.backend for check in checks}
    # As in `run`: the speed limit alone is nothing, unless nothing else was asked for.
    fine = checked - {SPEED_LIMIT} or checked == asked
    raise typer.Exit(ExitCode.FINE if fine else ExitCode.NOTHING)
