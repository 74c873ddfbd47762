"""`lnbench diff`: what changed between two runs, and an exit code for it."""

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lnbench.cli import options
from lnbench.errors import ConfigError, ReportError

if TYPE_CHECKING:
    from lnbench.judge.diff import Diff
    from lnbench.record.report import Report

_SIDE = "a report, several with commas, a glob, or a folder"


def diff_command(
    baseline: Annotated[str, typer.Argument(help=f"The side to compare with: {_SIDE}.")],
    candidate: Annotated[str, typer.Argument(help=f"The side that is judged: {_SIDE}.")],
    threshold: Annotated[
        str,
        typer.Option(envvar="LNBENCH_THRESHOLD", help="Smallest change worth acting on."),
    ] = "5%",
    alpha: Annotated[
        str,
        typer.Option(envvar="LNBENCH_ALPHA", help="Chance that any row is called without cause."),
    ] = "0.01",
    detect: Annotated[
        str | None,
        typer.Option(
            envvar="LNBENCH_DETECT",
            help="With --strict, mind only inconclusive rows that could not have shown this: 10%.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            envvar="LNBENCH_STRICT",
            help="Exit with 4 where rows are inconclusive, removed or newly skipped.",
        ),
    ] = False,
    any_environment: Annotated[
        bool,
        typer.Option(
            "--any-environment",
            envvar="LNBENCH_ANY_ENVIRONMENT",
            help="Compare across machines, devices and versions.",
        ),
    ] = False,
    format_: options.Format = "table",
) -> None:
    """Say what changed between two runs.

    Exits with 1 on a regression, 3 on a new failure, 5 where nothing could be compared.
    """
    from lnbench.cli import showing
    from lnbench.judge.diff import compare, exit_code

    showing.check_format(format_)
    least = None if detect is None else _share("--detect", detect)
    found = compare(
        _reports(baseline),
        _reports(candidate),
        threshold=_share("--threshold", threshold, zero=True),
        alpha=_share("--alpha", alpha),
        any_environment=any_environment,
    )
    _print(found, format_)
    code = exit_code(found, strict=strict, detect=least)
    _explain(found, code, least)
    raise typer.Exit(code)


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


def _reports(side: str) -> "tuple[Report, ...]":
    """Return the reports that a side names; ReportError where there are none."""
    from lnbench.record import report

    parts = [side] if Path(side).exists() else side.split(",")
    paths = [path for part in parts if part.strip() for path in _matches(part.strip())]
    if not paths:
        raise ReportError(f"'{side}' names no report", f"name {_SIDE}")
    return tuple(map(report.read, paths))


def _matches(part: str) -> list[Path]:
    path = Path(part)
    if path.is_dir():
        found = sorted(path.glob("*.json"))
    elif path.exists():
        found = [path]
    else:
        found = [Path(name) for name in sorted(glob.glob(part, recursive=True))]  # noqa: PTH207
    if not found:
        what = (
            "holds no report (*.json)" if path.is_dir() else "is no report: there is no such file"
        )
        raise ReportError(f"{part} {what}", f"name {_SIDE}")
    return found


def _print(found: "Diff", format_: str) -> None:
    from lnbench.render import diff as render

    if format_ == "table":
        from rich.console import Console

        Console(highlight=False).print(render.diff_table(found))
    else:
        render_text = render.diff_json if format_ == "json" else render.diff_markdown
        typer.echo(render_text(found), nl=False)


def _explain(found: "Diff", code: int, detect: float | None) -> None:
    """Say on stderr what a code means that the tables do not show."""
    from lnbench.judge.diff import EXIT_NOTHING, EXIT_UNDECIDED
    from lnbench.render import diff_text

    if code == EXIT_NOTHING:
        typer.echo(f"error: {diff_text.refusal(found)}", err=True)
    elif code == EXIT_UNDECIDED:
        typer.echo(diff_text.objection(found, detect), err=True)
