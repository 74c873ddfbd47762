"""Python functions as kernels: by the file that holds them, or pickled where none does."""

import contextlib
import functools
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import msgspec

from lnbench.errors import ConfigError, UnknownNameError
from lnbench.plan.case import check_name
from lnbench.plan.kernel import PICKLE, Kernel, is_kernel, kernels
from lnbench.plan.kernel_source import FRAMEWORKS

_DEEPEST = 5  # of functions in functions
_TENSORS = "tensors"
_TENSORS_ALONE = {"keepdim", "unsqueeze", "rsqrt", "type_as", "addcmul", "unbiased"}
"""Methods and arguments that tensors have, and NumPy's arrays do not."""


def named(
    backends: Any, folder: Path, installed: Collection[str], framework: str = ""
) -> tuple[list[str], dict[str, str], list[Kernel]]:
    """Return what `--backend` would say, labels by backend, and kernels that have labels.

    Args:
        backends: a name, path or function, several, or several by name.
        folder: where functions that no file holds are written.
        installed: names that backends have already.
        framework: whose arrays functions take; empty for what their code says.
    """
    if framework and framework not in FRAMEWORKS:
        raise UnknownNameError("framework", framework, FRAMEWORKS, "framework")
    words, labels = list[str](), dict[str, str]()
    made: list[Kernel] = []
    for label, backend in _pairs(backends):
        if isinstance(backend, str) and not (label and is_kernel(backend)):
            if labels.setdefault(backend, label) != label:
                raise ConfigError(
                    f"'{labels[backend]}' and '{label}' are both the backend {backend}",
                    "name it once: a backend is measured once",
                )
            words.append(backend)
            continue
        if isinstance(backend, str):
            kernel = msgspec.structs.replace(kernels([backend], ())[backend], name=label)
        elif callable(backend):
            kernel = _kernel(label or _name_of(backend), backend, folder, framework)
        else:
            raise ConfigError(
                f"{backend!r:.60} is no backend", "give a name, a path, or a function"
            )
        if kernel.name in (*installed, *(each.name for each in made)):
            raise ConfigError(
                f"two backends would be called '{kernel.name}'",
                "name them: lnbench.run({'mine': f, …})",
            )
        made.append(kernel)
        words.append(kernel.name)
    return words, {backend: label for backend, label in labels.items() if label}, made


def _pairs(backends: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(backends, Mapping):
        for label, backend in backends.items():
            check_name(label, "write a name such as my-norm")
            yield label, backend
    elif isinstance(backends, str) or callable(backends):
        yield "", backends
    elif isinstance(backends, Iterable):
        yield from (("", backend) for backend in backends)
    else:
        yield "", backends


def _name_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return name if name.isidentifier() else "function"


def _kernel(name: str, function: Callable[..., Any], folder: Path, framework: str) -> Kernel:
    """Return a function as a kernel: that of its file if it is there by its name, else pickled."""
    framework = FRAMEWORKS[framework] if framework else framework_of(function)
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
        return msgspec.structs.replace(found, name=name, framework=framework)
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
    return Kernel(name=name, path=str(path), folder=str(Path.cwd()), framework=framework)


def framework_of(function: Any) -> str:
    """Return whose arrays a function takes, by what its code names, and the code that it calls."""
    seen = set(_modules(function, _DEEPEST, set()))
    guess = "torch" if _TENSORS in seen and "numpy" not in seen else "numpy"
    return next((FRAMEWORKS[name] for name in FRAMEWORKS if name in seen), guess)


def _modules(value: Any, depth: int, met: set[int]) -> Iterator[str]:
    """Yield the top modules of what a value is, names, closes over and wraps."""
    if id(value) in met or depth == 0:
        return
    met.add(id(value))
    if isinstance(value, ModuleType):
        yield value.__name__.partition(".")[0]
        return
    for kind in (value, type(value)) if not isinstance(value, type) else value.__mro__:
        yield str(getattr(kind, "__module__", "")).partition(".")[0]
    for inner in _inside(value):
        yield from _modules(inner, depth - 1, met)
    code = getattr(value, "__code__", None)
    if isinstance(code, CodeType):
        names = set(_names(code))
        if names & _TENSORS_ALONE:
            yield _TENSORS
        scope = getattr(value, "__globals__", {})
        for name in names:
            if name not in scope:
                yield name  # of an import within
            else:
                yield from _modules(scope[name], depth - 1, met)


def _inside(value: Any) -> Iterator[Any]:
    """Yield what a partial, a wrapper, a closure, a method or an object holds."""
    if isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    for name in ("__wrapped__", "__func__", "__self__"):
        if (held := getattr(value, name, None)) is not None:
            yield held
    for cell in getattr(value, "__closure__", None) or ():
        with contextlib.suppress(ValueError):  # an empty one
            yield cell.cell_contents
    if not isinstance(value, type) and not hasattr(value, "__code__"):
        yield getattr(type(value), "__call__", None)  # noqa: B004
        yield from getattr(value, "__dict__", {}).values()


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names in code, keywords of calls too, and in the functions that it defines."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
        elif isinstance(constant, tuple):
            yield from (each for each in constant if isinstance(each, str))
