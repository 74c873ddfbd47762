"""What the flags that `diff` and `ab` have in common say: how to judge."""

import msgspec

from lnbench.cli import formats
from lnbench.errors import ConfigError, UnknownNameError
from lnbench.render.forms import FORMS

FORMATS = (*FORMS, "github")


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
