"""A side of `lnbench ab`: `backend:NAME+10%`, `git:REF`, `pip:REQUIREMENT` or `python:PATH`.

`git:A...B` is the merge base of two commits, where B branched off, as `git diff A...B` has it.
"""

from enum import StrEnum

import msgspec

from lnbench.errors import ConfigError, suggestion
from lnbench.units import parse_percent

DOTS = "..."
"""Between two commits, what stands for their merge base."""

_LARGEST_SLOWDOWN = 10.0


class SideKind(StrEnum):
    """What a side is."""

    BACKEND = "backend"
    """A backend of the running environment."""
    GIT = "git"
    """The project in the current folder, at a commit."""
    PIP = "pip"
    """The running environment with one requirement in place of what it has."""
    PYTHON = "python"
    """Another interpreter, with all that is installed for it."""


class SideSpec(msgspec.Struct, frozen=True):
    """What a user wrote for a side."""

    text: str
    """As written."""
    kind: SideKind
    """What it is."""
    value: str
    """The name, commit, requirement or path."""
    slowdown: float = 0.0
    """By which share a backend is slowed on purpose; 0 leaves it as it is."""


def parse_side(text: str) -> SideSpec:
    """Return the side that a text says; ConfigError where it says none."""
    word, colon, value = text.partition(":")
    kinds = [kind.value for kind in SideKind]
    if not colon or word not in kinds:
        hint = suggestion(word, kinds) if colon else f"write backend:{text} or git:{text}"
        raise ConfigError(f"'{text}' is no side: it begins with none of {': '.join(kinds)}:", hint)
    kind = SideKind(word)
    value = value.strip()
    slowdown = 0.0
    if kind is SideKind.BACKEND and "+" in value:
        value, _, share = value.partition("+")
        slowdown = _slowdown(text, share)
    # A name that begins with a hyphen would be an option to git or pip.
    if not value or value.startswith("-"):
        raise ConfigError(f"'{text}' names no {_NOUNS[kind]}", f"write {word}:{_EXAMPLES[kind]}")
    if kind is SideKind.GIT and branch_of(text) is None and ".." in value:
        first, _, last = value.partition("..")
        hint = f"write git:{first} git:{last}, or git:{first}...{last} for their merge base"
        raise ConfigError(f"'{text}' is two commits, no side", hint)
    return SideSpec(text, kind, value, slowdown)


def branch_of(text: str) -> str | None:
    """Return the side at the end of `git:A...B`, `git:B`; None for any other side."""
    word, _, value = text.partition(":")
    first, dots, last = value.strip().partition(DOTS)
    if word != SideKind.GIT or not dots:
        return None
    if DOTS in last or first.startswith("-") or last.startswith(("-", ".")):
        raise ConfigError(f"'{text}' is no range of commits", "write git:main...HEAD")
    return f"git:{last or 'HEAD'}"


def check_sides(baseline: SideSpec, candidate: SideSpec) -> None:
    """Raise ConfigError where the two cannot be compared."""
    backends = [side.kind is SideKind.BACKEND for side in (baseline, candidate)]
    if any(backends) and not all(backends):
        raise ConfigError(
            f"'{baseline.text}' and '{candidate.text}' differ in kind: a backend of this "
            "environment on one side, a whole environment on the other",
            "name two backends, or two of git:, pip: and python:",
        )


def _slowdown(text: str, share: str) -> float:
    try:
        slowdown = parse_percent(share)
    except ValueError as error:
        raise ConfigError(f"'{text}': {error}", "write backend:NAME+10%") from None
    if not 0 < slowdown <= _LARGEST_SLOWDOWN:
        raise ConfigError(f"'{text}': {share} is not above 0% and up to 1000%")
    return slowdown


_NOUNS = {
    SideKind.BACKEND: "backend",
    SideKind.GIT: "commit",
    SideKind.PIP: "requirement",
    SideKind.PYTHON: "interpreter",
}
_EXAMPLES = {
    SideKind.BACKEND: "numpy",
    SideKind.GIT: "main",
    SideKind.PIP: "numpy==2.3.0",
    SideKind.PYTHON: "/path/to/bin/python",
}
