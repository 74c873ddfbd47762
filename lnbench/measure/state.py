"""What every backend must leave as it is in its process, since its times and results rest on it."""

import gc
import sys
import time
from collections.abc import Iterator

_CLOCKS = {
    name: getattr(time, name)
    for name in ("perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "time", "time_ns")
}


def changed() -> str:
    """Return what is no longer as Python and torch have it, in words; empty where all is."""
    return ", ".join(_changes())


def _changes() -> Iterator[str]:
    for name, clock in _CLOCKS.items():
        if getattr(time, name) is not clock:
            yield f"replaced time.{name}"
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
