"""Packages laid over an interpreter's own, in the processes that run a `git:` or `pip:` side."""

import importlib
import os
import sys
from pathlib import Path

VARIABLE = "LNBENCH_OVERLAY"
"""Names the folder; not there in a process that has none."""

_PLUG_INS = ("backends", "operations")


def enter() -> None:
    """Put the packages of the overlay before all others.

    Of lnbench itself only backends and operations come from there: the running lnbench measures.
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        return
    sys.path.insert(0, folder)
    for name in _PLUG_INS:
        inside = Path(folder, "lnbench", name)
        if inside.is_dir():
            importlib.import_module(f"lnbench.{name}").__path__.insert(0, str(inside))
    importlib.invalidate_caches()
