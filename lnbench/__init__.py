"""Which LayerNorm is fastest on this machine, is it right, and did a change make it slower?

All that a plug-in needs is here, each name imported on first use: `lnbench --help` loads no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lnbench.api import Checks, Report, check, read, run
    from lnbench.arrays import numpy_dtype, own_copy, to_host, to_torch
    from lnbench.backend import (
        Available,
        Backend,
        BoundRoutine,
        Routine,
        Timer,
        Unavailable,
        UnsupportedError,
        bound_call,
        missing_module,
    )
    from lnbench.host_backend import HostBackend
    from lnbench.measure.timing import HostTimer, device_timer
    from lnbench.operation import CopyTraffic, Hostile, Operation, Truth
    from lnbench.plan.case import Benchmark, Cache, Case, Direction, DType, Options, Output, Work
    from lnbench.torch_backend import TorchBackend

__version__ = "0.1.0"

_MODULES = {
    "api": ("Checks", "Report", "check", "read", "run"),
    "arrays": ("numpy_dtype", "own_copy", "to_host", "to_torch"),
    "backend": (
        *("Available", "Backend", "BoundRoutine", "Routine", "Timer", "Unavailable"),
        *("UnsupportedError", "bound_call", "missing_module"),
    ),
    "host_backend": ("HostBackend",),
    "measure.timing": ("HostTimer", "device_timer"),
    "operation": ("CopyTraffic", "Hostile", "Operation", "Truth"),
    "plan.case": (
        *("Benchmark", "Cache", "Case", "DType", "Direction", "Options", "Output", "Work"),
    ),
    "torch_backend": ("TorchBackend",),
}
"""Module → the names that it exports here."""

__all__ = [
    "Available",
    "Backend",
    "Benchmark",
    "BoundRoutine",
    "Cache",
    "Case",
    "Checks",
    "CopyTraffic",
    "DType",
    "Direction",
    "HostBackend",
    "HostTimer",
    "Hostile",
    "Operation",
    "Options",
    "Output",
    "Report",
    "Routine",
    "Timer",
    "TorchBackend",
    "Truth",
    "Unavailable",
    "UnsupportedError",
    "Work",
    "__version__",
    "bound_call",
    "check",
    "device_timer",
    "missing_module",
    "numpy_dtype",
    "own_copy",
    "read",
    "run",
    "to_host",
    "to_torch",
]


def __getattr__(name: str) -> Any:
    """Import a name from its module."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"lnbench.{module}"), name)
    raise AttributeError(f"module 'lnbench' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Return the names that are imported on first use too."""
    return sorted({*globals(), *__all__})
