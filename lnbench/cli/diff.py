"""`lnbench diff`: what changed between two runs, and an exit code for it."""

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lnbench.cli import judging
from lnbench.errors import ReportError

if TYPE_CHECKING:
    from lnbench.record.report import Report

_SIDE = "a report, several with commas, a glob, or a folder"


def diff_command(
    baseline: Annotated[str, typer.Argument(help=f"The side to compare with: {_SIDE}.")],
    candidate: Annotated[str, typer.Argument(help=f"The side that is judged: {_SIDE}.")],
    threshold: judging.Threshold = "5%",
    alpha: judging.Alpha = "0.01",
    detect: judging.Detect = None,
    strict: judging.Strict = False,
    any_environment: Annotated[
        bool,
        typer.Option(
            "--any-environment",
            envvar="LNBENCH_ANY_ENVIRONMENT",
            help="Compare across machines, devices and versions.",
            rich_help_panel="Verdict",
        ),
    ] = False,
    format_: judging.Format = "table",
) -> None:
    """Say what changed between two runs.

    Exits with 1 on a regression, 3 on a new failure, 5 where nothing could be compared.
    """
    from lnbench.judge.diff import compare

    levels = judging.levels(threshold, alpha, detect, format_)
    found = compare(
        _reports(baseline),
        _reports(candidate),
        threshold=levels.threshold,
        alpha=levels.alpha,
        any_environment=any_environment,
    )
    judging.show(found, format_)
    judging.leave(found, levels, strict=strict)


def _reports(side: str) -> "tuple[Report, ...]":
    """Return the reports that a side names; ReportError where there are none."""
    from lnbench.record import report

    parts = [side] if _exists(side) else side.split(",")
    paths = [path for part in parts if part.strip() for path in _matches(part.strip())]
    if not paths:
        raise ReportError(f"'{side}' names no report", f"name {_SIDE}")
    return tuple(map(report.read, paths))


def _matches(part: str) -> list[Path]:
    path = Path(part)
    if _exists(part) and path.is_dir():
        found = sorted(path.glob("*.json"))
    elif _exists(part):
        found = [path]
    else:
        found = [Path(name) for name in sorted(glob.glob(part, recursive=True))]  # noqa: PTH207
    if not found:
        what = (
            "holds no report (*.json)" if _exists(part) else "is no report: there is no such file"
        )
        raise ReportError(f"{part} {what}", f"name {_SIDE}")
    return found


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # longer than a name may be, or behind a folder that is not ours to read
        return False
