"""What a `git:` or `pip:` side lays over this environment, installed by pip in a folder apart."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from lnbench import activity
from lnbench.errors import ConfigError
from lnbench.plan.side import DOTS

_PATIENCE_S = 1800.0  # torch is gigabytes


def commit_of(ref: str) -> str:
    """Return the full hash of a commit of the project in this folder; ConfigError if none.

    Of `A...B` it is their merge base; an end that is left out is HEAD.
    """
    if shutil.which("git") is None:
        raise ConfigError(f"git:{ref} needs git, which is not installed", "install git")
    if _git("rev-parse", "--show-toplevel").returncode:
        raise ConfigError(
            f"git:{ref}: this folder is in no git repository", "go to the project's folder"
        )
    first, dots, last = ref.partition(DOTS)
    if not dots:
        return _commit(ref, f"git:{ref}")
    ends = [_commit(end or "HEAD", f"git:{ref}") for end in (first, last)]
    done = _git("merge-base", *ends)
    if done.returncode:
        raise ConfigError(
            f"git:{ref}: the two commits have no ancestor in common here",
            _unshallow() or f"compare them as they are: git:{first or 'HEAD'} git:{last or 'HEAD'}",
        )
    return done.stdout.split()[0]


def diverged(one: str, other: str) -> bool:
    """Return whether each of two commits has what the other lacks; False where git cannot tell."""
    pairs = ((one, other), (other, one))
    return all(_git("merge-base", "--is-ancestor", *pair).returncode == 1 for pair in pairs)


def _commit(ref: str, text: str) -> str:
    done = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if done.returncode:
        raise ConfigError(
            f"{text}: there is no such commit here" + f": {ref}" * (DOTS in text),
            _unshallow() or "is the name right? a branch of the server is origin/NAME: git fetch",
        )
    return done.stdout.strip()


def _unshallow() -> str:
    """Return what to do where this clone lacks the old commits; empty where it has them all."""
    if _git("rev-parse", "--is-shallow-repository").stdout.strip() != "true":
        return ""
    return "this clone is shallow: git fetch --unshallow, or fetch-depth: 0 of actions/checkout"


def commit_overlay(commit: str, text: str) -> Path:
    """Return a folder with the project of this folder as it is at a commit."""
    top = _top()
    inside = Path.cwd().resolve().relative_to(top)

    @contextmanager
    def source() -> Iterator[str]:
        with tempfile.TemporaryDirectory(prefix="lnbench-git-") as folder:
            _check_out(top, commit, text, folder)
            project = Path(folder, inside)
            if not (project / "pyproject.toml").exists() and not (project / "setup.py").exists():
                raise ConfigError(
                    f"{text}: there is no pyproject.toml in this folder at that commit",
                    "go to the folder of the project: lnbench or a plug-in",
                )
            yield str(project)

    return _cached(f"{top.name}/{inside}@{commit}", text, source)


def has_project(commit: str) -> bool:
    """Return whether this folder holds a project at a commit."""
    inside = Path.cwd().resolve().relative_to(_top())
    files = (inside / name for name in ("pyproject.toml", "setup.py"))
    return any(_git("cat-file", "-e", f"{commit}:{file}").returncode == 0 for file in files)


def commit_tree(commit: str, text: str) -> tuple[Path, Path]:
    """Return the top of the repository, and a folder with all its files as they are at a commit."""
    top = _top()

    def lay_out(folder: Path) -> None:
        _check_out(top, commit, text, str(folder))

    return top, _kept(f"tree {top}@{commit}", lay_out)


def _top() -> Path:
    return Path(_git("rev-parse", "--show-toplevel").stdout.strip()).resolve()


def _check_out(top: Path, commit: str, text: str, folder: str) -> None:
    """Lay out a commit in an empty folder.

    A clone that shares the objects leaves no trace in the user's repository, as a worktree would
    when it is killed; its .git tells setuptools-scm the version.
    """
    _checked(text, "git", "clone", "--quiet", "--shared", "--no-checkout", str(top), folder)
    _checked(text, "git", "-C", folder, "checkout", "--quiet", "--detach", commit)


def requirement_overlay(requirement: str, text: str) -> Path:
    """Return a folder with a requirement, and with those of its own that are not met here."""

    @contextmanager
    def source() -> Iterator[str]:
        yield requirement

    return _cached(requirement, text, source)


def _cached(key: str, text: str, source: Callable[[], AbstractContextManager[str]]) -> Path:
    """Return the overlay of a key, installed now where it is not there."""

    def install(folder: Path) -> None:
        with source() as what:
            _install(what, folder, text)

    return _kept(f"{key} {sys.version} {sysconfig.get_platform()}", install)


def _kept(tag: str, fill: Callable[[Path], None]) -> Path:
    """Return the folder of a tag, filled now where it is not there: whole or not at all."""
    name = "".join(c if c.isalnum() else "-" for c in tag.split(" ", maxsplit=1)[0])[-40:]
    home = cache_folder()
    final = home / f"{name}-{hashlib.sha256(tag.encode()).hexdigest()[:12]}"
    if final.is_dir():
        return final
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix="new-") as folder:
        made = Path(folder, "made")
        made.mkdir()
        fill(made)
        try:
            made.replace(final)
        except OSError:  # another process was faster
            if not final.is_dir():
                raise
    return final


def cache_folder() -> Path:
    """Return where overlays are kept: safe to delete at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "lnbench" / "overlays"


def _install(what: str, folder: Path, text: str) -> None:
    """Install a project or requirement into a folder, and what it needs that is not here."""
    missing = []
    with (
        activity.doing(f"installing {text}"),
        tempfile.TemporaryDirectory(prefix="lnbench-pip-") as scratch,
    ):
        report = Path(scratch, "report.json")
        _pip(text, what, "--dry-run", "--report", str(report))
        for entry in json.loads(report.read_text())["install"]:
            meta = entry["metadata"]
            if not entry.get("requested"):
                missing.append(f"{meta['name']}=={meta['version']}")
    with activity.doing(f"installing {text}"):
        _pip(text, what, *missing, "--no-deps", "--target", str(folder))


def _pip(text: str, *words: str) -> None:
    """Run pip install; a build that needs nothing from the network gets nothing from it."""
    first = _run_pip("--no-build-isolation", *words)
    if first.returncode and (second := _run_pip(*words)).returncode:
        said = [line for line in second.stderr.splitlines() if line.startswith("ERROR")]
        last = said[-1].removeprefix("ERROR: ") if said else second.stderr.strip()[-200:]
        raise ConfigError(
            f"{text} cannot be installed: {last or 'pip says nothing'}",
            "is the name right, does it build here, and is the network there?",
        )


def _run_pip(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return _run([*command, "--no-input", *words])


def _git(*words: str) -> "subprocess.CompletedProcess[str]":
    return _run(["git", *words])


def _checked(text: str, *command: str) -> None:
    done = _run(command)
    if done.returncode:
        raise ConfigError(f"{text}: {done.stderr.strip().splitlines()[-1]}")


def _run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(  # noqa: S603  (git and pip, with words of our own)
            command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{command[0]} did not end within {_PATIENCE_S:.0f} s") from None
