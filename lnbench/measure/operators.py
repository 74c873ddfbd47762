"""What torch's profiler sees of a call: operators on the CPU, kernels on a device, their bytes."""

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from lnbench.measure.profile_messages import Spot
from lnbench.plan.profilers import MARK

_SIZES = {
    "double": 8,
    "long int": 8,
    "float": 4,
    "int": 4,
    "c10::Half": 2,
    "c10::BFloat16": 2,
    "bool": 1,
}
"""Bytes of an element, by torch's names; of others those of the case's type."""

_MICROSECONDS = 1e-6
_OUTSIDE = "outside of operators"
_GRAPH = "## Call CompiledFxGraph"  # and a hash

COMPILED_GRAPH = "compiled graph"
"""All that inductor made of a call; its own kernels are no operators on the CPU."""


class Seen(msgspec.Struct, frozen=True):
    """What came of it."""

    spots: tuple[Spot, ...]
    """The most time first."""
    bytes_moved: int
    """What all operators read and write in a call; little where compiled code does the work."""


def seen(
    call: Callable[[], object],
    synchronize: Callable[[], object],
    calls: int,
    itemsize: int,
    trace: Path | None = None,
) -> Seen:
    """Return what the profiler sees of marked calls.

    Args:
        call: the routine; warm.
        synchronize: waits for the device.
        calls: how many are marked.
        itemsize: bytes of an element of the case's type.
        trace: where a Chrome trace goes, if one is wanted.
    """
    import torch
    from torch.profiler import profile, record_function

    for _ in range(2):  # what is loaded for the profiler itself is in the first
        with profile(record_shapes=True, profile_memory=True) as profiler:
            call()
            synchronize()
            with record_function(MARK):
                for _ in range(calls):
                    call()
                synchronize()
    if trace is not None:
        profiler.export_chrome_trace(str(trace))
    events = list(profiler.events())
    host = torch.autograd.DeviceType.CPU
    marked = next(each for each in events if (each.name, each.device_type) == (MARK, host))
    kernels = [each for each in events if each.device_type != host and _within(each, marked)]
    moved = sum(_moved(each, itemsize) for each in marked.cpu_children)
    times: Iterable[tuple[str, float, int]]
    if kernels:
        times = ((each.name, each.self_device_time_total, 0) for each in kernels)
    else:
        times = ((e.name, e.self_cpu_time_total, _shown(e, itemsize)) for e in _below(marked))
    return Seen(_spots(times, calls), round(moved / calls))


def _within(event: Any, marked: Any) -> bool:
    """Return whether a device's event is work of the marked calls, and no range itself.

    They have ended when the mark does, and what came before them had ended when it began.
    """
    if event.is_user_annotation or event.name == MARK:
        return False
    return bool(event.time_range.start >= marked.time_range.start)


def _below(event: Any) -> Iterator[Any]:
    """Yield an event and all that it called."""
    yield event
    for child in event.cpu_children:
        yield from _below(child)


def _spots(times: Iterable[tuple[str, float, int]], calls: int) -> tuple[Spot, ...]:
    """Return names with their sums a call, the most time first."""
    spent, launches, moved = Counter[str](), Counter[str](), Counter[str]()
    for name, microseconds, size in times:
        name = _words(name)  # noqa: PLW2901
        spent[name] += microseconds  # type: ignore[assignment]  # a Counter of floats
        launches[name] += 1
        moved[name] += size
    whole = sum(spent.values()) or 1
    return tuple(
        Spot(
            name,
            share=took / whole,
            time_s=took * _MICROSECONDS / calls,
            launches=None if name == _OUTSIDE else launches[name] / calls,
            bytes_moved=None if name == _OUTSIDE else round(moved[name] / calls) or None,
        )
        for name, took in spent.most_common()
    )


def _words(name: str) -> str:
    """Return what an event is called here, in the words of torch's users."""
    if name == MARK:
        return _OUTSIDE
    return COMPILED_GRAPH if name.startswith(_GRAPH) else name.replace("::", ".")


def _shown(event: Any, itemsize: int) -> int:
    """Return an operator's own bytes; 0 where its parts are what moves."""
    own = _own(event, itemsize)
    return own if own >= _parts(event, itemsize) else 0


def _moved(event: Any, itemsize: int) -> int:
    """Return the bytes that an operator reads and writes: its own, or those of its parts if more.

    One that is made of others moves what they do, what goes from part to part twice.
    """
    return max(_own(event, itemsize), _parts(event, itemsize))


def _parts(event: Any, itemsize: int) -> int:
    return sum(_moved(child, itemsize) for child in event.cpu_children)


def _own(event: Any, itemsize: int) -> int:
    """Return the bytes of an operator's tensors: those it is given, and those it keeps."""
    if not _computes(event.name):
        return 0
    shapes = event.input_shapes or ()
    types = getattr(event, "input_dtypes", None) or [""] * len(shapes)
    given = sum(
        math.prod(shape) * _SIZES.get(kind, itemsize)
        for shape, kind in zip(shapes, types, strict=False)
        if shape and all(isinstance(size, int) for size in shape)
    )
    kept = event.cpu_memory_usage + event.device_memory_usage
    return int(given + max(0, kept))


@functools.cache
def _computes(name: str) -> bool:
    """Return whether an event is an operator that reads or writes elements by itself.

    By its schema: one that returns no new tensor, and writes into none, returns a view or a number.
    """
    import torch

    if not name.startswith("aten::") or name.startswith(("aten::empty", "aten::new_empty")):
        return False
    core, key = torch._C, "CompositeImplicitAutograd"  # noqa: SLF001  (nothing public says it)
    schemas = core._jit_get_schemas_for_operator(name)  # noqa: SLF001
    for schema in schemas:
        full = ".".join(filter(None, (name, schema.overload_name)))
        known = core._dispatch_has_kernel(full)  # noqa: SLF001
        if known and core._dispatch_has_kernel_for_dispatch_key(full, key):  # noqa: SLF001
            return False  # it is made of others, whose bytes are counted
    returned = [each for schema in schemas for each in schema.returns]
    return any(
        each.type.kind() == "TensorType" and (each.alias_info is None or each.alias_info.is_write)
        for each in returned
    )
