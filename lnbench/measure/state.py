"""What every backend must leave as it is in its process, since its times and results rest on it."""

import gc
import sys
import time
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

_CLOCKS = ("perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "time", "time_ns")
_HARNESS = ("lnbench.arrays", "lnbench.backend", "lnbench.measure", "lnbench.workers.worker")
_NUMPY = ("array", "concatenate", "full_like", "may_share_memory", "frombuffer", "memmap")
_TENSOR = ("__getitem__", "__setitem__", "copy_", "cpu", "data_ptr", "detach", "numpy", "view")

_Part: TypeAlias = tuple[Any, ...]

_remembered: dict[str, _Part] = {}


def remember() -> None:
    """Note what is there before a plug-in or a user's file is loaded, once a process."""
    if not _remembered:
        _remembered.update(_parts())


def changed() -> str:
    """Return what is no longer as it was, in words; empty where all is."""
    return ", ".join(_changes())


def _changes() -> Iterator[str]:
    now = dict(_parts())
    for name, part in _remembered.items():
        if any(new is not old for new, old in zip(now.get(name, (None,)), part, strict=False)):
            yield f"replaced {name}"
    if not gc.isenabled():
        yield "switched the garbage collector off"
    if sys.getprofile() is not None or sys.gettrace() is not None:
        yield "set a profiler or tracer"
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_default_dtype"):
        return
    if not torch.is_grad_enabled():
        yield "switched autograd off"
    if torch.get_default_dtype() is not torch.float32:
        yield f"made {torch.get_default_dtype()} torch's default type"


def _parts() -> Iterator[tuple[str, _Part]]:
    """Yield what a measurement is made of by name: functions, their code and their defaults."""
    yield from ((f"time.{name}", (getattr(time, name),)) for name in _CLOCKS)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        yield from ((f"numpy.{name}", (getattr(numpy, name),)) for name in _NUMPY)
    if torch is not None and hasattr(torch, "Tensor"):
        names = (name for name in _TENSOR if hasattr(torch.Tensor, name))
        yield from ((f"torch.Tensor.{name}", (getattr(torch.Tensor, name),)) for name in names)
    for name, module in list(sys.modules.items()):
        if name.startswith(_HARNESS) and isinstance(module, ModuleType):
            yield from _functions(name, module)


def _functions(name: str, module: ModuleType) -> Iterator[tuple[str, _Part]]:
    for attribute, value in list(vars(module).items()):
        if isinstance(value, FunctionType):
            yield f"{name}.{attribute}", _inside(value)
        elif isinstance(value, type) and value.__module__ == name:
            for inner, method in list(vars(value).items()):
                if isinstance(method, FunctionType):
                    yield f"{name}.{attribute}.{inner}", _inside(method)


def _inside(function: FunctionType) -> _Part:
    return (function, function.__code__, function.__defaults__, function.__kwdefaults__)
