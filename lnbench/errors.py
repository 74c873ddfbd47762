"""The ways in which a user, a file or a plug-in can be wrong."""

import difflib
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command ends with; where several apply: 3 before 1 before 4."""

    FINE = 0
    """Nothing is wrong; skipped rows are fine."""
    REGRESSED = 1
    """`diff`, `ab`: a regression is shown."""
    USAGE = 2
    """The user, a file or an option is wrong."""
    FAILED = 3
    """Wrong results, a benchmark that failed, or a claim that does not hold."""
    UNDECIDED = 4
    """Only with `--strict`: rows are inconclusive, removed or newly skipped; in `doctor`,
    something disturbs."""
    NOTHING = 5
    """Nothing was measured, or nothing could be compared."""
    BUG = 70
    """Something in lnbench that nobody foresaw (EX_SOFTWARE of sysexits.h), with a traceback."""
    INTERRUPTED = 130
    """Ctrl-C: what was measured by then is in the report."""


class LnbenchError(Exception):
    """Something that the user can mend; shown as one sentence and a hint, never as a traceback."""

    exit_code = ExitCode.USAGE

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


class OutputError(LnbenchError):
    """What a command prints cannot be written."""


class NothingMeasuredError(LnbenchError):
    """Nothing was selected, measured or comparable."""

    exit_code = ExitCode.NOTHING


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
