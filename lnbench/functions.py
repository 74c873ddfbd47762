"""Python functions as kernels: by the file that holds them, or pickled where none does."""

import inspect
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import msgspec

from lnbench.errors import ConfigError
from lnbench.plan.kernel import FRAMEWORKS, PICKLE, Kernel, kernels


def named(
    backends: Any, folder: Path, installed: Collection[str]
) -> tuple[list[str], dict[str, str], list[Kernel]]:
    """Return what `--backend` would say, labels by backend, and kernels made of functions.

    Args:
        backends: a name, path or function, several, or several by name.
        folder: where functions that no file holds are written.
        installed: names that backends have already.
    """
    words: list[str] = []
    labels: dict[str, str] = {}
    made: list[Kernel] = []
    for label, backend in _pairs(backends):
        if isinstance(backend, str):
            words.append(backend)
            if label:
                labels[backend] = label
        elif callable(backend):
            kernel = _kernel(label or _name_of(backend), backend, folder)
            if kernel.name in (*installed, *(each.name for each in made)):
                raise ConfigError(
                    f"two backends would be called '{kernel.name}'",
                    "name them: lnbench.run({'mine': f, …})",
                )
            made.append(kernel)
            words.append(kernel.name)
        else:
            raise ConfigError(
                f"{backend!r:.60} is no backend", "give a name, a path, or a function"
            )
    return words, labels, made


def _pairs(backends: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(backends, Mapping):
        yield from backends.items()
    elif isinstance(backends, str) or callable(backends):
        yield "", backends
    elif isinstance(backends, Iterable):
        yield from (("", backend) for backend in backends)
    else:
        yield "", backends


def _name_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return name if name.isidentifier() else "function"


def _kernel(name: str, function: Callable[..., Any], folder: Path) -> Kernel:
    """Return a function as a kernel: that of its file if it is there by its name, else pickled."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    attribute = getattr(function, "__qualname__", "")
    if (
        module is not None
        and module.__name__ != "__main__"
        and attribute.isidentifier()
        and getattr(module, attribute, None) is function
        and (getattr(module, "__file__", None) or "").endswith(".py")
    ):
        word = f"{module.__name__}:{attribute}"
        found = kernels([word], ())[word]
        return msgspec.structs.replace(found, name=name, framework=framework_of(function))
    import cloudpickle

    path = folder / f"{name}{PICKLE}"
    try:
        path.write_bytes(cloudpickle.dumps(function))
    # What cannot be pickled says so in many ways.
    except Exception as error:  # noqa: BLE001
        raise ConfigError(
            f"{name} cannot be sent to workers: {type(error).__name__}: {error}",
            "write it in a file, and give its path",
        ) from None
    framework = framework_of(function)
    return Kernel(name=name, path=str(path), folder=str(Path.cwd()), framework=framework)


def framework_of(function: Any) -> str:
    """Return whose arrays a function takes: by the modules that its code names."""
    if isinstance(function, type):
        own = {base.__module__.partition(".")[0] for base in function.__mro__}
        return "torch" if "torch" in own else "numpy"
    seen = {str(getattr(function, "__module__", "")).partition(".")[0]}
    plain = inspect.unwrap(function)
    called = plain if hasattr(plain, "__code__") else type(plain).__call__
    code = getattr(called, "__code__", None)
    scope = getattr(plain, "__globals__", {})
    if isinstance(code, CodeType):
        seen |= {top for name in _names(code) for top in _tops(scope.get(name), name)}
        for cell in getattr(plain, "__closure__", None) or ():
            seen |= set(_tops(cell.cell_contents, ""))
    return next((FRAMEWORKS[name] for name in FRAMEWORKS if name in seen), "numpy")


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names in code, and in the functions that it defines."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _tops(value: Any, name: str) -> Iterator[str]:
    """Yield the top module of what a name stands for, or of the name in an import."""
    if value is None:
        yield name
    elif isinstance(value, ModuleType):
        yield value.__name__.partition(".")[0]
    else:
        yield str(getattr(value, "__module__", "")).partition(".")[0]
