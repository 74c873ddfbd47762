"""The revision of the project in the current folder."""

import os
import shutil
import subprocess

import msgspec

from lnbench.errors import ReportError

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


def commits(since: str = "") -> dict[str, int]:
    """Return the place of each commit up to HEAD, the oldest 0; empty where git knows none.

    Args:
        since: a commit, tag or branch to begin with; ReportError where it is none here.
    """
    listed = _git("log", "--topo-order", "--reverse", "--format=%H") or ""
    places = {commit: place for place, commit in enumerate(listed.split())}
    if since:
        first = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{since}^{{commit}}")
        if first is None:
            hint = "name a commit, tag or branch; a shallow clone has few"
            raise ReportError(f"--since: '{since}' is no commit of the repository here", hint)
        before = _git("log", "--format=%H", f"{first}^@") if first in places else None
        if before is None:
            raise ReportError(f"--since: '{since}' is not among the ancestors of HEAD")
        gone = set(before.split())
        places = {commit: place for commit, place in places.items() if commit not in gone}
    return places


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
