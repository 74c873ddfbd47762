"""The revision of the project in the current folder."""

import os
import shutil
import subprocess

import msgspec

_PATIENCE_S = 20.0


class Revision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A commit, and whether the tree is the commit's."""

    commit: str
    """The full hash."""
    dirty: bool | None
    """Whether a tracked file differs from the commit; None where only the commit is known."""


def revision() -> Revision | None:
    """Return the revision of the current folder; None where it is in no repository.

    Where git is missing or refuses, as in containers that own the tree to another user,
    GITHUB_SHA stands in.
    """
    commit = _git("rev-parse", "--verify", "HEAD")
    if commit is None:
        named = os.environ.get("GITHUB_SHA", "")
        return Revision(named, None) if named.isalnum() else None
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return Revision(commit, None if changes is None else bool(changes))


def _git(*arguments: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    # Without its optional locks git leaves the repository as it is.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(  # noqa: S603  (git itself, with words of our own)
            [program, *arguments],
            capture_output=True,
            check=True,
            env=environment,
            text=True,
            timeout=_PATIENCE_S,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()
