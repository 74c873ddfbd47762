"""`lnbench diff`: what changed between two runs, and an exit code for it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer

from lnbench.cli import formats, options, paths, verdict_options
from lnbench.errors import ConfigError, ExitCode, NothingMeasuredError
from lnbench.plan.flags import DiffFlags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lnbench.judge.diff import Diff
    from lnbench.record.report import Report
    from lnbench.render.forms import Form
    from lnbench.render.sheet import Choice


@options.command(
    baseline=typer.Argument(help=f"The side to compare with: {paths.NAMES}."),
    candidate=typer.Argument(help=f"The side that is judged: {paths.NAMES}."),
    format=verdict_options.FORMAT,
    columns=verdict_options.COLUMNS,
    report=formats.FILE,
)
def diff_command(flags: DiffFlags) -> None:
    """Say what changed between two runs.

    Exits with 1 on a regression, 3 on a new failure, 5 where nothing could be compared.
    """
    from lnbench.judge.diff import compare

    levels = verdict_options.levels(flags.threshold, flags.alpha, flags.detect, flags.format)
    choice = chosen(flags.columns, wide=flags.wide)
    sides = paths.named(flags.baseline), paths.named(flags.candidate)
    formats.check_files([*sides[0], *sides[1]], flags.report)
    reports = tuple(map(_reports, sides))
    _by_kind(reports, levels, flags)
    changes = compare(
        *reports,
        threshold=levels.threshold,
        alpha=levels.alpha,
        any_environment=flags.any_environment,
    )
    changes = msgspec.structs.replace(changes, only_changed=flags.only_changed)
    show(changes, flags.format, output=flags.report, choice=choice)
    leave(changes, levels, strict=flags.strict)


def chosen(columns: str, *, wide: bool) -> "Choice":
    """Return which columns are wanted; UnknownNameError where one is none."""
    from lnbench.render.diff import COLUMNS
    from lnbench.render.sheet import Choice

    return Choice.of(columns, COLUMNS, wide=wide)


def _by_kind(
    sides: "Sequence[Sequence[Report]]", levels: verdict_options.Levels, flags: DiffFlags
) -> None:
    """Compare each kind of machine with itself, and end the command, if a side has several."""
    from lnbench.cli.machines import show_diffs
    from lnbench.judge.diff import compare
    from lnbench.judge.nodes import NodesDiff
    from lnbench.record.kind import by_kind

    before, after = map(by_kind, sides)
    if max(len(before), len(after)) == 1 or flags.any_environment:
        return
    for kind in before.keys() ^ after.keys():
        typer.echo(f"only on one side: {kind.name}", err=True)
    rule = {"threshold": levels.threshold, "alpha": levels.alpha}
    diffs = {
        kind: NodesDiff(compare(reports, after[kind], any_environment=False, **rule))
        for kind, reports in before.items()
        if kind in after
    }
    if not diffs:
        raise NothingMeasuredError("the two sides have no kind of machine in common")
    code = show_diffs(diffs, levels, flags)
    if code is ExitCode.FINE and flags.strict and before.keys() - after.keys():
        code = ExitCode.UNDECIDED
    raise typer.Exit(code)


def show(
    diff: "Diff",
    format_: str,
    path: Path | None = None,
    output: Path | None = None,
    choice: "Choice | None" = None,
) -> None:
    """Print what changed or put it into a file; say to stderr which report is new."""
    from lnbench.render.diff import diff_json, diff_markdown
    from lnbench.render.diff_table import diff_table
    from lnbench.render.diff_view import diff_view
    from lnbench.render.page import page

    if format_ == "github":
        _show_github(diff, choice)
    else:
        forms: dict[str, Callable[[], Form]] = {
            "table": lambda: diff_table(diff, choice),
            "markdown": lambda: diff_markdown(diff, choice),
            "json": lambda: diff_json(diff),
            "html": lambda: page([diff_view(diff, choice)]),
        }
        formats.write(forms[format_](), output)
    if path is not None:
        typer.echo(f"report: {path}", err=True)


def leave(
    diff: "Diff", levels: verdict_options.Levels, *, strict: bool, code: ExitCode | None = None
) -> None:
    """End the command with the code that the diff deserves, or with another one."""
    from lnbench.judge.diff import exit_code
    from lnbench.render import diff_text

    if code is None:
        code = exit_code(diff, strict=strict, detect=levels.detect)
    if code is ExitCode.NOTHING:
        typer.echo(f"error: {diff_text.refusal(diff)}", err=True)
    elif code is ExitCode.UNDECIDED:
        typer.echo(diff_text.objection(diff, levels.detect), err=True)
    raise typer.Exit(code)


def _show_github(diff: "Diff", choice: "Choice | None") -> None:
    """Print annotations, and the Markdown where GitHub shows it; without GitHub, to stdout."""
    from lnbench.render.diff import annotations, diff_markdown

    for line in annotations(diff):
        typer.echo(line)
    text = diff_markdown(diff, choice)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        typer.echo(text, nl=False)
        return
    try:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"GITHUB_STEP_SUMMARY: {summary}: {error.strerror}") from None


def _reports(side: "Sequence[Path]") -> "tuple[Report, ...]":
    """Return the reports of a side."""
    from lnbench.record.medians import read_medians

    return tuple(map(read_medians, side))
