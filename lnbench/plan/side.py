"""A side of `lnbench ab`: `NAME+10%`, `./kernel.py`, `git:REF`, `pip:REQUIREMENT`, `python:PATH`.

`git:A...B` is the merge base of two commits, where B branched off, as `git diff A...B` has it.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from lnbench.errors import ConfigError, near_name, suggestion
from lnbench.plan.kernel import is_kernel
from lnbench.units import parse_percent

DOTS = "..."
"""Between two commits, what stands for their merge base."""

_LARGEST_SLOWDOWN = 10.0
_SLOWER = re.compile(r"\+([^+/:]*)$")  # what stands behind the name, or the file, of a backend


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

    def renamed(self, names: Mapping[str, str]) -> "SideSpec":
        """Return the side of a backend by its name, where `names` has one for a kernel's file."""
        name = names.get(self.value, self.value)
        more = self.text[self.text.rindex("+") :] if self.slowdown else ""
        return SideSpec(f"{SideKind.BACKEND}:{name}{more}", self.kind, name, self.slowdown)


def parse_side(text: str) -> SideSpec:
    """Return the side that a text says; ConfigError where it says none.

    A word without a kind is a backend, or the file or module of a kernel.
    """
    word, colon, value = text.partition(":")
    kinds = [kind.value for kind in SideKind]
    mistyped = word.isidentifier() and near_name(word, kinds) is not None
    bare = not colon or (is_kernel(_SLOWER.sub("", text)) and not mistyped)
    if word in kinds and colon:
        bare, kind = False, SideKind(word)
    elif bare:
        kind, value = SideKind.BACKEND, text
    else:
        hint = suggestion(word, kinds)
        raise ConfigError(f"'{text}' is no side: it begins with none of {': '.join(kinds)}:", hint)
    value = value.strip()
    slowdown = 0.0
    if kind is SideKind.BACKEND and (match := _SLOWER.search(value)):
        value, slowdown = value[: match.start()], _slowdown(text, match[1])
    # A name that begins with a hyphen would be an option to git or pip.
    if not value or value.startswith("-"):
        raise ConfigError(f"'{text}' names no {_NOUNS[kind]}", f"write {word}:{_EXAMPLES[kind]}")
    if kind is SideKind.GIT and branch_of(text) is None and ".." in value:
        first, _, last = value.partition("..")
        hint = f"write git:{first} git:{last}, or git:{first}...{last} for their merge base"
        raise ConfigError(f"'{text}' names two commits, not one side", hint)
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
