"""What `diff` and `ab` have in common: how to judge, how to show it, and the exit code."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from lnbench.cli import completion
from lnbench.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from lnbench.judge.diff import Diff

FORMATS = ("table", "markdown", "json", "github")

_VERDICT = "Verdict"

Threshold = Annotated[
    str,
    typer.Option(
        envvar="LNBENCH_THRESHOLD",
        help="Smallest change worth acting on.",
        rich_help_panel=_VERDICT,
    ),
]
Alpha = Annotated[
    str,
    typer.Option(
        envvar="LNBENCH_ALPHA",
        help="Chance that any row is called without cause.",
        rich_help_panel=_VERDICT,
    ),
]
Detect = Annotated[
    str | None,
    typer.Option(
        envvar="LNBENCH_DETECT",
        help="With --strict, mind only inconclusive rows that could not have shown this: 10%.",
        rich_help_panel=_VERDICT,
        show_default=False,
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        envvar="LNBENCH_STRICT",
        help="Exit with 4 where rows are inconclusive, removed or newly skipped.",
        rich_help_panel=_VERDICT,
    ),
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        envvar="LNBENCH_FORMAT",
        help="table, markdown, json, or github (annotations, and Markdown in the step summary).",
        autocompletion=completion.judged_formats,
    ),
]


class Levels(msgspec.Struct, frozen=True):
    """How to judge, as shares."""

    threshold: float
    alpha: float
    detect: float | None


def levels(threshold: str, alpha: str, detect: str | None, format_: str) -> Levels:
    """Return what the flags say; ConfigError or UnknownNameError where they are wrong."""
    if format_ not in FORMATS:
        raise UnknownNameError("format", format_, FORMATS, "--format")
    return Levels(
        threshold=_share("--threshold", threshold, zero=True),
        alpha=_share("--alpha", alpha),
        detect=None if detect is None else _share("--detect", detect),
    )


def show(found: "Diff", format_: str, path: Path | None = None) -> None:
    """Print what changed, and to stderr the report that says so where it is new."""
    from lnbench.render import diff as render

    if format_ == "table":
        from rich.console import Console

        Console(highlight=False).print(render.diff_table(found))
    elif format_ == "github":
        _show_github(found)
    else:
        render_text = render.diff_json if format_ == "json" else render.diff_markdown
        typer.echo(render_text(found), nl=False)
    if path is not None:
        typer.echo(f"report: {path}", err=True)


def leave(found: "Diff", judged: Levels, *, strict: bool, code: int | None = None) -> None:
    """End the command with the code that the diff deserves, or another one that is given."""
    from lnbench.judge.diff import EXIT_NOTHING, EXIT_UNDECIDED, exit_code
    from lnbench.render import diff_text

    if code is None:
        code = exit_code(found, strict=strict, detect=judged.detect)
    if code == EXIT_NOTHING:
        typer.echo(f"error: {diff_text.refusal(found)}", err=True)
    elif code == EXIT_UNDECIDED:
        typer.echo(diff_text.objection(found, judged.detect), err=True)
    raise typer.Exit(code)


def _show_github(found: "Diff") -> None:
    """Print annotations, and the Markdown where GitHub shows it; without GitHub, to stdout."""
    from lnbench.render import diff as render
    from lnbench.render.github import annotations

    for line in annotations(found):
        typer.echo(line)
    text = render.diff_markdown(found)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        typer.echo(text, nl=False)
        return
    try:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"GITHUB_STEP_SUMMARY: {summary}: {error.strerror}") from None


def _share(option: str, text: str, *, zero: bool = False) -> float:
    """Return the share that an option says; ConfigError where it is none between 0 and 1."""
    from lnbench.units import parse_percent

    try:
        share = parse_percent(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
    if not 0 <= share < 1 or (share == 0 and not zero):
        raise ConfigError(f"{option} {text} is not between 0 and 1", "write 5% or 0.05")
    return share
