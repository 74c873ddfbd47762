"""What the flags that `diff` and `ab` have in common say: how to judge."""

import msgspec
import typer

from lnbench.cli import completion, formats, options
from lnbench.errors import ConfigError, UnknownNameError
from lnbench.render.forms import FORMS

FORMATS = (*FORMS, "github")

PAIR_TIME = typer.Option(
    envvar="LNBENCH_TIME",
    help="Seconds that a row's pairs may take, all but the first: processes and samples; 20.",
    rich_help_panel=options.BUDGET,
    show_default=False,
)
"""`--time` of `ab`."""

COLUMNS = typer.Option(
    "--columns",
    envvar="LNBENCH_COLUMNS",
    help="Columns beside the verdict, by commas: baseline,candidate,ratio,detects.",
    autocompletion=completion.judged_columns,
    rich_help_panel=options.OUTPUT,
    show_default=False,
)
"""`--columns` of the commands that judge."""

FORMAT = typer.Option(
    "--format",
    envvar="LNBENCH_FORMAT",
    help="table, markdown, json, html, or github (annotations, and Markdown in the step summary).",
    autocompletion=completion.judged_formats,
)
"""`--format` of the commands that judge."""


class Levels(msgspec.Struct, frozen=True):
    """How to judge, as shares."""

    threshold: float
    alpha: float
    detect: float | None


def levels(threshold: str, alpha: str, detect: str | None, format_: str) -> Levels:
    """Return what the flags say; ConfigError or UnknownNameError where they are wrong."""
    if format_ not in FORMATS:
        raise UnknownNameError("format", format_, FORMATS, "--format")
    if format_ == "html":
        formats.check_format(format_)
    return Levels(
        threshold=_share("--threshold", threshold, zero=True),
        alpha=_share("--alpha", alpha),
        detect=None if detect is None else _share("--detect", detect),
    )


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
