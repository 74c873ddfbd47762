"""Numba: an operation's loops compiled for this CPU, with rows shared out to threads."""

import importlib.util
from typing import ClassVar

from lnbench.host_backend import HostBackend


class Numba(HostBackend):
    """lnbench's own loops: each row read once and written once."""

    name = "numba"
    framework = "numba"
    summary = "lnbench's loops, compiled by Numba: what this CPU can do"
    packages = ("numba", "llvmlite")
    variables = ("NUMBA_*",)
    modules: ClassVar = {"numba": "numba is not installed: pip install 'lnbench[numba]'"}

    def preload(self) -> None:
        """Import numba, which starts no thread by itself."""
        super().preload()
        if importlib.util.find_spec("numba") is not None:
            import numba  # noqa: F401
