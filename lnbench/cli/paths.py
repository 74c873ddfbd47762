"""The reports that an argument names: a file, several with commas, a glob, or a folder."""

import glob
from pathlib import Path

from lnbench.errors import ReportError

NAMES = "a report, several with commas, a glob, or a folder"


def named(text: str) -> list[Path]:
    """Return the paths of the reports that a text names; ReportError where there are none."""
    parts = [text] if _exists(text) else text.split(",")
    paths = [path for part in parts if part.strip() for path in _matches(part.strip())]
    if not paths:
        raise ReportError(f"'{text}' names no report", f"name {NAMES}")
    return paths


def newest(folder: Path) -> Path:
    """Return the report that was written last in a folder; ReportError where there is none."""
    paths = _matches(str(folder)) if folder.is_dir() else []
    if not paths:
        raise ReportError(f"{folder} holds no report (*.json)", "lnbench run writes one")
    return max(paths, key=lambda path: (path.stat().st_mtime, path.name))


def is_folder(text: str) -> bool:
    """Return whether a text names a folder that can be looked at."""
    return _exists(text) and Path(text).is_dir()


def _matches(part: str) -> list[Path]:
    path = Path(part)
    if _exists(part) and path.is_dir():
        paths = sorted(path.glob("*.json"))
    elif _exists(part):
        paths = [path]
    else:
        paths = [Path(name) for name in sorted(glob.glob(part, recursive=True))]  # noqa: PTH207
    if not paths:
        what = (
            "holds no report (*.json)" if _exists(part) else "is no report: there is no such file"
        )
        raise ReportError(f"{part} {what}", f"name {NAMES}")
    return paths


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # longer than a name may be, or behind a folder that is not ours to read
        return False
