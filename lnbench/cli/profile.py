"""`lnbench profile`: one benchmark under a profiler, and how many bytes it moves."""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lnbench.cli import completion, options
from lnbench.errors import ConfigError, ExitCode, NothingMeasuredError, UnknownNameError
from lnbench.plan.flags import ProfileFlags
from lnbench.plan.profilers import MARK, TOOLS, Tool, filled

if TYPE_CHECKING:
    from lnbench.measure.profile_messages import Profiled
    from lnbench.plan.case import Benchmark
    from lnbench.session.selection import Selection

_CONTROL = "LNBENCH_PERF_CONTROL"
"""The pipe of `perf record`, for the call that it starts."""


@options.command(
    suite=typer.Argument(
        envvar="LNBENCH_SUITE",
        metavar="BENCHMARK",
        help="An id, as `lnbench list benchmarks` prints it; or a suite, of which flags leave one.",
    ),
    report=typer.Option(
        "--output",
        "-o",
        envvar="LNBENCH_OUTPUT",
        help="Where --tool writes; default: profile.ncu-rep, profile.data, …",
        show_default=False,
    ),
    tool=typer.Option(
        "--tool",
        envvar="LNBENCH_TOOL",
        help="Start ncu, nsys, perf or proton around the call; none: make it, for another.",
        autocompletion=completion.among(*TOOLS),
        show_default=False,
    ),
    calls=typer.Option(
        "--calls",
        min=1,
        envvar="LNBENCH_CALLS",
        help="Calls in the marked range; default: one, or two seconds of them for perf.",
        show_default=False,
    ),
    trace=typer.Option(
        "--trace",
        envvar="LNBENCH_TRACE",
        help="Write what torch's profiler saw as a Chrome trace: trace.json.",
        show_default=False,
    ),
)
def profile_command(flags: ProfileFlags) -> None:
    """Show where a benchmark's time goes, and how many bytes it moves beside what it must."""
    from lnbench.cli import formats
    from lnbench.cli.live import Line
    from lnbench.cli.run import require_able

    formats.check_format(flags.format)
    tool, file = _tool(flags)
    with Line(quiet=flags.quiet) as line, ExitStack() as stack:
        from lnbench.session import selection

        chosen = stack.enter_context(selection.select(flags))
        benchmark = _only(chosen)
        if tool.device not in ("", benchmark.case.device_type):
            what = f"--tool {flags.tool} sees {tool.device}, and this is {benchmark.case.device}"
            raise ConfigError(what, "take another tool, or --tool none under one of your own")
        if not flags.dry_run:
            require_able(chosen)
        if tool.command or flags.dry_run:
            line.end()
            raise typer.Exit(_around(flags, benchmark, tool, str(file)))
        seen = _seen(flags, chosen, benchmark, file)
    if flags.tool is not None:
        calls = f"{seen.calls} call{'s' if seen.calls != 1 else ''} in the range '{MARK}'"
        typer.echo(f"{calls}: {benchmark.id}", err=True)
        _say_viewer(tool, str(file))
        return
    from lnbench.measure.limits import compulsory
    from lnbench.render.profile import profile_view

    work = compulsory(benchmark.case, benchmark.backend)
    formats.show_view(profile_view(benchmark, work, seen), flags.format)
    if flags.trace is not None:
        if seen.profiler != "torch":
            why = f"--trace: torch does not run {benchmark.backend}, so its profiler sees nothing"
            raise ConfigError(why, "leave it out, or try --tool perf")
        typer.echo(f"trace: {flags.trace} (chrome://tracing, ui.perfetto.dev)", err=True)


def _tool(flags: ProfileFlags) -> tuple[Tool, Path]:
    """Return the tool that is asked for, and the file that it writes, after a look at both."""
    from lnbench.record import files

    if flags.tool is not None and flags.tool not in TOOLS:
        raise UnknownNameError("tool", flags.tool, TOOLS, "--tool")
    if flags.tool is not None and flags.trace is not None:
        raise ConfigError("--trace and --tool exclude each other", "a trace is torch's profiler's")
    tool = TOOLS.get(flags.tool or "none", Tool())
    file = flags.report or Path(f"profile{tool.ending}")
    if tool.ending and not flags.dry_run:
        files.prepare(file, force=flags.force)
    if flags.trace is not None:
        files.prepare(flags.trace, force=flags.force)
    return tool, file


def _only(chosen: "Selection") -> "Benchmark":
    """Return the one benchmark that is selected, beside the speed limit; ConfigError where more."""
    from lnbench.registry import SPEED_LIMIT

    rows = [row for row in chosen.benchmarks if row.backend != SPEED_LIMIT]
    rows = rows or list(chosen.benchmarks)
    if len(rows) > 1:
        raise ConfigError(
            f"profile takes one benchmark, and {len(rows)} are selected",
            f"name one by its id, such as {rows[0].id}",
        )
    return rows[0]


def _seen(
    flags: ProfileFlags, chosen: "Selection", benchmark: "Benchmark", file: Path
) -> "Profiled":
    """Return what was seen; exits where the benchmark is wrong, or cannot run."""
    from lnbench.measure.profile_messages import Profile
    from lnbench.record.outcome import Failed, Skipped
    from lnbench.session.profile import profile
    from lnbench.units import one_line

    by = {None: "own", "none": "outside"}.get(flags.tool, "proton")
    target = {"own": flags.trace, "proton": file.with_suffix("")}.get(by)
    request = Profile(
        by,
        flags.calls,
        str(target.absolute()) if target else "",
        os.environ.get(_CONTROL, "") if by == "outside" else "",
    )
    seen = profile(chosen, benchmark, request)
    if isinstance(seen, Skipped):
        raise NothingMeasuredError(f"{benchmark.id} cannot run here: {seen.reason}")
    if isinstance(seen, Failed):
        words = f"{benchmark.id} failed ({seen.stage}): {seen.error}"
        typer.echo(one_line(words), err=True)
        raise typer.Exit(ExitCode.FAILED)
    return seen


def _around(flags: ProfileFlags, benchmark: "Benchmark", tool: Tool, file: str) -> ExitCode:
    """Print the command that starts a tool around the call, and start it where it is installed."""
    inner = _inner(flags, benchmark)
    command = [*filled(tool.command, file), *inner]
    pipes = [f"{file}.control", f"{file}.ack"] if tool.control else []
    before = f"mkfifo {shlex.join(pipes)} && {_CONTROL}={shlex.quote(pipes[0])} " if pipes else ""
    typer.echo(before + shlex.join(command))
    if flags.dry_run:
        return ExitCode.FINE
    if shutil.which(command[0]) is None:
        hint = "run that command where it is, with this lnbench"
        raise NothingMeasuredError(f"{command[0]} is not installed here", hint)
    with _made(pipes):
        variables = {**os.environ, **({_CONTROL: pipes[0]} if pipes else {})}
        done = subprocess.run(command, env=variables, check=False)  # noqa: S603
    if done.returncode:
        typer.echo(f"{command[0]} ended with {done.returncode}", err=True)
        return ExitCode.FAILED
    _say_viewer(tool, file)
    return ExitCode.FINE


def _inner(flags: ProfileFlags, benchmark: "Benchmark") -> list[str]:
    """Return the command that makes the call alone."""
    from lnbench.plan.kernel import is_kernel

    words = [sys.executable, "-m", "lnbench", "profile", benchmark.id, "--tool", "none"]
    files = [part for text in flags.backend for part in text.split(",") if is_kernel(part)]
    words += [word for file in files for word in ("-b", file)]
    for name in ("calls", "threads", "seed", "timeout", "start_method"):
        if value := getattr(flags, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


@contextlib.contextmanager
def _made(pipes: list[str]) -> Iterator[None]:
    """Have named pipes there."""
    try:
        for pipe in pipes:
            Path(pipe).unlink(missing_ok=True)
            os.mkfifo(pipe)
        yield
    finally:
        for pipe in pipes:
            Path(pipe).unlink(missing_ok=True)


def _say_viewer(tool: Tool, file: str) -> None:
    if tool.viewer:
        typer.echo(f"look with: {shlex.join(filled(tool.viewer, file))}", err=True)
