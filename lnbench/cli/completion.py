"""Names that the shell completes; none of it imports a plug-in."""

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path


def suites(incomplete: str) -> list[str]:
    """Return the suites that would be used here."""
    from lnbench.errors import LnbenchError
    from lnbench.plan import suite

    try:
        names = suite.load().names()
    except LnbenchError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def backends(incomplete: str) -> list[str]:
    """Return installed backends and files of kernels; of a list with commas, the last."""
    from lnbench.registry import backend_names

    head, comma, last = incomplete.rpartition(",")
    return [*_last_of_list(incomplete, backend_names()), *_files(f"{head}{comma}", last)]


def metrics(incomplete: str) -> list[str]:
    """Return the metrics of `show`."""
    from lnbench.render.columns import METRICS

    return [name for name in METRICS if name.startswith(incomplete)]


def columns(incomplete: str) -> list[str]:
    """Return the columns of `run` and `show`; of a list with commas, the last."""
    from lnbench.render.columns import COLUMNS
    from lnbench.render.sheet import column_words

    return _last_of_list(incomplete, column_words(COLUMNS))


def judged_columns(incomplete: str) -> list[str]:
    """Return the columns of `diff` and `ab`; of a list with commas, the last."""
    from lnbench.render.diff import COLUMNS
    from lnbench.render.sheet import column_words

    return _last_of_list(incomplete, column_words(COLUMNS))


def operations(incomplete: str) -> list[str]:
    """Return the installed operations."""
    from lnbench.registry import operation_names

    return _last_of_list(incomplete, operation_names())


def shapes(incomplete: str) -> list[str]:
    """Return the shapes that have names."""
    from lnbench.plan.shapes import names

    return _last_of_list(incomplete, names())


def among(*names: str) -> Callable[[str], list[str]]:
    """Return what completes names; of a list with commas, the last one."""

    def complete(incomplete: str) -> list[str]:
        return _last_of_list(incomplete, names)

    return complete


def judged_formats(incomplete: str) -> list[str]:
    """Return the formats of `diff` and `ab`."""
    from lnbench.cli.verdict_options import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


def sides(incomplete: str) -> list[str]:
    """Return the kinds of sides, backends, files of kernels and, after `git:`, refs."""
    from lnbench.registry import backend_names

    known = [*backend_names(), *(f"backend:{name}" for name in backend_names())]
    known += ["git:", "pip:", "python:"]
    if incomplete.startswith("git:"):
        known = [f"git:{name}" for name in ("HEAD", "HEAD~1", *_refs())]
    return [side for side in known if side.startswith(incomplete)] + _files("", incomplete)


def _refs() -> list[str]:
    """Return the branches and tags of the repository here; none where git does not say."""
    command = ("git", "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags")
    try:
        found = subprocess.run(  # noqa: S603  (no word of it comes from outside)
            command, capture_output=True, text=True, timeout=2, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return found.stdout.split()


def _files(before: str, start: str) -> list[str]:
    """Return Python files and folders that a path may go on to."""
    folder, slash, name = start.rpartition("/")
    if not slash and not start.startswith("."):
        return []
    try:
        entries = sorted(Path(folder or ("/" if slash else ".")).iterdir())
    except OSError:
        return []
    return [
        f"{before}{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
        for entry in entries
        if entry.name.startswith(name) and (entry.is_dir() or entry.suffix == ".py")
    ]


def _last_of_list(incomplete: str, names: Iterable[str]) -> list[str]:
    head, comma, last = incomplete.rpartition(",")
    return [f"{head}{comma}{name}" for name in names if name.startswith(last)]
