"""Numba: an operation's loops compiled for this CPU, with rows shared out to threads."""

import contextlib
import importlib.util
from types import ModuleType
from typing import Any, ClassVar

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
        """Import numba and fill the registries of its compiler, which a first call would."""
        super().preload()
        if importlib.util.find_spec("numba") is not None:
            from numba.core.registry import cpu_target

            cpu_target.typing_context.refresh()
            cpu_target.target_context.refresh()

    def preload_kernels(self, kernels: ModuleType) -> None:
        """Load what Numba has compiled before and kept on disk."""
        for function in getattr(kernels, "COMPILED", ()):
            # What Numba has no public name for may be called otherwise in another version: then the
            # workers load it themselves.
            with contextlib.suppress(AttributeError):
                _load(function)


def _load(function: Any) -> None:
    """Load the versions of a compiled function that its cache has for this CPU."""
    cache = function._cache  # noqa: SLF001
    codegen = function.targetdescr.target_context.codegen()
    for key in cache._cache_file._load_index():  # noqa: SLF001
        if key == cache._index_key(key[0], codegen):  # noqa: SLF001
            function.compile(key[0])
