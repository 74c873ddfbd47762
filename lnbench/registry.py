"""Names of backends and operations, found by entry point and imported on first use."""

import importlib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from lnbench.backend import Backend, UnsupportedError
from lnbench.errors import PluginError, UnknownNameError
from lnbench.operation import Operation

BACKENDS = "lnbench.backends"
OPERATIONS = "lnbench.operations"

SPEED_LIMIT = "copy"
"""The backend that is measured in every case, whatever was asked for."""


@cache
def _found(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=group):
        # An editable install beside its wheel lists a distribution twice: same value, one plug-in.
        others = found.get(point.name, ())
        if all(point.value != other.value for other in others):
            found[point.name] = (*others, point)
    return dict(sorted(found.items()))


def names(group: str) -> tuple[str, ...]:
    """Return the registered names of a group, sorted, without importing any plug-in."""
    return tuple(_found(group))


def backend_names() -> tuple[str, ...]:
    """Return the names of all installed backends."""
    return names(BACKENDS)


def operation_names() -> tuple[str, ...]:
    """Return the names of all installed operations."""
    return names(OPERATIONS)


def check_name(group: str, kind: str, name: str, where: str = "") -> None:
    """Raise UnknownNameError, with the near name, where no plug-in of the group has the name."""
    if name not in _found(group):
        known = names(group)
        if not known:
            raise PluginError(
                f"no {kind} is installed, not even lnbench's own",
                "entry points need an installation: pip install -e . (or pip install lnbench)",
            )
        raise UnknownNameError(kind, name, known, where)


def distribution(group: str, name: str) -> str:
    """Return the name and version of the distribution that a plug-in comes from."""
    point = _found(group)[name][0]
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"


@cache
def backend(name: str) -> Backend:
    """Return the backend of that name; UnknownNameError or PluginError where there is none."""
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
