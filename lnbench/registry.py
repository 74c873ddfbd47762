"""Names of backends and operations, found by entry point and imported on first use."""

import contextlib
import importlib
import os
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import msgspec

from lnbench.backend import Backend, UnsupportedError
from lnbench.errors import PluginError, UnknownNameError
from lnbench.operation import Operation
from lnbench.plan.kernel import Kernel

BACKENDS = "lnbench.backends"
OPERATIONS = "lnbench.operations"

KERNELS = "LNBENCH_KERNELS"
"""Names the user's own kernels to workers, in JSON."""

SPEED_LIMIT = "copy"
"""The backend that is measured in every case, whatever was asked for."""


def _of_environment() -> dict[str, Kernel]:
    """Return the kernels that a session has told this worker of."""
    try:
        told = msgspec.json.decode(os.environ.get(KERNELS, "[]"), type=list[Kernel])
    except msgspec.DecodeError:  # not by a session
        return {}
    return {kernel.name: kernel for kernel in told}


_kernels = _of_environment()


@cache
def _found(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=group):
        # An editable install beside its wheel lists a distribution twice: same value, one plug-in.
        others = found.get(point.name, ())
        if all(point.value != other.value for other in others):
            found[point.name] = (*others, point)
    return dict(sorted(found.items()))


@contextlib.contextmanager
def using(kernels: Iterable[Kernel]) -> Iterator[None]:
    """Have backends of the user's own kernels, for as long as the context lasts."""
    before = dict(_kernels)
    _kernels.update({kernel.name: kernel for kernel in kernels})
    try:
        yield
    finally:
        _kernels.clear()
        _kernels.update(before)


def kernels_variable(kernels: Iterable[Kernel] | None = None) -> dict[str, str]:
    """Return the variable that tells workers of the kernels in use, or of others in their place."""
    chosen = list(_kernels.values() if kernels is None else kernels)
    return {KERNELS: msgspec.json.encode(chosen).decode()} if chosen else {}


def kernels_in_use() -> dict[str, Kernel]:
    """Return the user's own kernels by the name of their backend."""
    return dict(_kernels)


def names(group: str) -> tuple[str, ...]:
    """Return the registered names of a group, sorted, without importing any plug-in."""
    return tuple(_found(group))


def backend_names() -> tuple[str, ...]:
    """Return the names of all installed backends, and of the user's own kernels in use."""
    return (*names(BACKENDS), *_kernels)


def operation_names() -> tuple[str, ...]:
    """Return the names of all installed operations."""
    return names(OPERATIONS)


def is_own(name: str) -> bool:
    """Return whether a backend comes with lnbench; a user's file and other plug-ins do not."""
    points = _found(BACKENDS).get(name, ())
    return bool(points) and all(
        point.dist is not None and point.dist.name == "lnbench" for point in points
    )


def owner(name: str) -> str:
    """Return whose nursery a backend is loaded in: its own name, or empty for lnbench's.

    A user's file is run by workers alone; its framework is what lnbench's own have, or JAX, whose
    threads would keep others from being forked.
    """
    if name in _kernels:
        return name if _kernels[name].framework == "jax" else ""
    return "" if is_own(name) else name


def is_plug_in(name: str) -> bool:
    """Return whether a backend's routine and clock may be others than lnbench's."""
    return not is_own(name) and name not in _kernels


def is_own_kernel(name: str) -> bool:
    """Return whether its kernels are lnbench's, which are held to the ceiling too."""
    return is_own(name) and not backend(name).third_party


def is_limit(name: str) -> bool:
    """Return whether a backend is the speed limit, which moves bytes and computes nothing."""
    return name == SPEED_LIMIT and is_own(name)


def check_name(group: str, kind: str, name: str, where: str = "") -> None:
    """Raise UnknownNameError, with the near name, where no plug-in of the group has the name."""
    if name not in _found(group) and not (group == BACKENDS and name in _kernels):
        known = names(group)
        if not known:
            raise PluginError(
                f"no {kind} is installed, not even lnbench's own",
                "entry points need an installation: pip install -e .",
            )
        raise UnknownNameError(kind, name, known, where)


def distribution(group: str, name: str) -> str:
    """Return the name and version of the distribution that a plug-in comes from."""
    point = _found(group)[name][0]
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"


def backend(name: str) -> Backend:
    """Return the backend of that name; UnknownNameError or PluginError where there is none."""
    if name in _kernels:
        made: Backend = importlib.import_module("lnbench.kernel_file").KernelFile(_kernels[name])
        return made
    return _backend(name)


@cache
def _backend(name: str) -> Backend:
    made = _load(BACKENDS, "backend", name)
    if not isinstance(made, Backend):
        raise PluginError(f"backend '{name}' is no lnbench.Backend", "see docs/extending.md")
    return made


@cache
def operation(name: str) -> Operation:
    """Return the operation of that name; UnknownNameError or PluginError where there is none."""
    made = _load(OPERATIONS, "operation", name)
    if not isinstance(made, Operation):
        raise PluginError(f"operation '{name}' is no lnbench.Operation", "see docs/extending.md")
    return made


def kernels(backend: Backend, operation: Operation) -> ModuleType:
    """Return the module with the kernels of an operation for a backend.

    UnsupportedError where there is none.
    """
    path = backend.kernels.get(operation.name) or operation.kernels.get(backend.framework)
    if path is None:
        raise UnsupportedError(f"{backend.name} has no kernels for {operation.name}")
    return importlib.import_module(path)


def _load(group: str, kind: str, name: str) -> object:
    check_name(group, kind, name)
    points = _found(group)[name]
    if len(points) > 1:
        owners = " and ".join(str(point.dist.name if point.dist else "?") for point in points)
        raise PluginError(f"two plug-ins are called '{name}': {owners}", "uninstall one of them")
    try:
        return points[0].load()()
    # A stranger's import can raise anything; it becomes one sentence that names the plug-in.
    except Exception as error:
        owner = distribution(group, name)
        raise PluginError(
            f"{kind} '{name}' of {owner} cannot be loaded: {type(error).__name__}: {error}",
            f"uninstall or mend {owner}",
        ) from error
