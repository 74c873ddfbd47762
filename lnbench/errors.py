"""The ways in which a user, a file or a plug-in can be wrong."""

import difflib
from collections.abc import Iterable


class LnbenchError(Exception):
    """Something that the user can mend; shown as one sentence and a hint, never as a traceback."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(LnbenchError):
    """A suite file, a flag or an axis is wrong."""


class UnknownNameError(LnbenchError):
    """A name that nothing answers to; the hint holds the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        names = sorted(known)
        prefix = f"{where}: " if where else ""
        super().__init__(f"{prefix}unknown {kind} '{name}'", suggestion(name, names))


class PluginError(LnbenchError):
    """An installed plug-in cannot be loaded, or two plug-ins claim one name."""


class ReportError(LnbenchError):
    """A report cannot be read, written or used for what was asked."""


class NothingMeasuredError(LnbenchError):
    """Nothing was selected, measured or comparable."""

    exit_code = 5


def near_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to `name`, or None where none is near."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'?", or the list of known names where none is near."""
    names = sorted(known)
    near = near_name(name, names)
    if near is not None:
        return f"did you mean '{near}'?"
    return f"known: {', '.join(names)}" if names else ""
