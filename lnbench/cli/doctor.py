"""`lnbench doctor`: what disturbs times on this machine, and what can be shown all the same."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from lnbench import activity
from lnbench.cli import formats, options
from lnbench.errors import ExitCode
from lnbench.plan.flags import DoctorFlags, RunFlags
from lnbench.plan.suite import own_file

if TYPE_CHECKING:
    from lnbench.cli.live import Line
    from lnbench.record.looks import Look
    from lnbench.record.report import Report

MEASURED_S = 20
"""Seconds of the session, from its first process to its last."""

_ROWS = ("*/2048x1024/*/copy", "*/1x64/*/torch-eager")
"""One row that memory bounds, and one that is nothing but a call."""

_ROWS_WITHOUT_TORCH = ("*/2048x1024/*/numpy", "*/1x64/*/numpy")
"""In their place where torch cannot be imported."""


@options.command(
    fast=typer.Option(
        "--fast", envvar="LNBENCH_FAST", help="Only look, a second: measure nothing."
    ),
    strict=typer.Option(
        "--strict", envvar="LNBENCH_STRICT", help="Exit with 4 where something disturbs."
    ),
    report=formats.FILE,
)
def doctor_command(flags: DoctorFlags) -> None:
    """Say what disturbs times on this machine, and how small a change it can show."""
    from lnbench.cli.live import Line
    from lnbench.render.doctor import diagnosis, disturbances, doctor_view

    formats.check_format(flags.format)
    formats.check_files([], flags.report)
    with Line() as line:
        looks = _looks(line)
        report = None if flags.fast else _measured(line)
    made = diagnosis(looks, report)
    formats.show_view(doctor_view(made), flags.format, flags.report)
    if report is not None and (code := _failure(report)):
        raise typer.Exit(code)
    if flags.strict and (names := disturbances(made)):
        typer.echo(f"--strict: {', '.join(names)}", err=True)
        raise typer.Exit(ExitCode.UNDECIDED)


def _looks(line: "Line") -> "tuple[Look, ...]":
    from lnbench.measure import device_looks
    from lnbench.record import company, looks

    with activity.doing("looking at this machine"):
        line.draw()
        line.say("looking at this machine")
        return (*looks.host(), *company.watched(), *device_looks.devices())


def _measured(line: "Line") -> "Report":
    """Return a report of some twenty seconds of the session that `run` has; nothing is written."""
    import msgspec

    from lnbench.cli.progress import Steps
    from lnbench.record.busy import Watch
    from lnbench.session import selection, session
    from lnbench.session.stopping import RowStopping

    with contextlib.ExitStack() as stack:
        for rows in (_ROWS, _ROWS_WITHOUT_TORCH):
            chosen = stack.enter_context(selection.select(_asked(rows)))
            if len(chosen.unable) < len(chosen.benchmarks):
                break
        report, watch, shown = chosen.new_report(), Watch(), Steps(line)
        steps = session.run(
            chosen.groups,
            chosen.interpreters,
            chosen.setting,
            RowStopping(lambda *_: False, chosen.setting.budget),  # as many passes as there is time
            spawn=chosen.spawn,
            unable=chosen.unable,
        )
        for step in steps:
            report = msgspec.structs.replace(report, outcomes=step.outcomes, busy=watch.look())
            shown.show(step, report)
    return report


def _asked(rows: Sequence[str]) -> RunFlags:
    return RunFlags(
        config=own_file(),
        operation=["layernorm"],
        direction=["forward"],
        shape=["2048x1024", "1x64"],
        dtype=["float32"],
        device=["cpu"],
        backend=list(dict.fromkeys(row.rpartition("/")[2] for row in rows)),
        cache=["hot"],
        output=["allocated"],
        filter=list(rows),
        passes=1000,
        max_time=f"{MEASURED_S}s",
    )


def _failure(report: "Report") -> ExitCode:
    from lnbench.cli.run import exit_code

    return exit_code(report.outcomes)
