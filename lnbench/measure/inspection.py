"""What a process is made of, in words that another process can compare with its own.

After a plug-in or a user's file has run in a worker, the session sends it the text of this file and
asks the referee, where nothing foreign runs, for the same. What the worker's own copy of this file
was made to say does not count; a file that takes its patches away while this runs is not seen
(decision 28). Nothing of lnbench is imported here.
"""

import functools
import gc
import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

SOURCE = Path(__file__).read_text(encoding="utf-8") if "__file__" in globals() else ""
"""The text of this file, where it was not itself made from it."""

_HARNESS = (
    "lnbench.arrays",
    "lnbench.backend",  # and backends
    "lnbench.host_backend",
    "lnbench.kernel_",
    "lnbench.measure",
    "lnbench.operation",  # and operations
    "lnbench.plan.case",
    "lnbench.registry",
    "lnbench.torch_backend",
    "lnbench.workers.worker",
    "multiprocessing.connection",
)
_BENEATH = ("builtins", "itertools", "math", "numpy", "torch")
"""Of these, what the harness names: honest libraries replace other things."""

_WHOLE = ("gc", "time", "zlib")

_METHODS = {"torch": ("Tensor",)}
_OVER = "over:"
_OWN_ANYWAY = {("routine", "run")}
_SAID = {
    "state:gc": ("True", "switched the garbage collector off"),
    "state:trace": ("True", "set a profiler or tracer"),
    "state:grad": ("True", "switched autograd off"),
    "state:dtype": ("torch.float32", "changed torch's default type"),
}
"""What is said where the word for a state is not the first one here."""
_MOST_NAMES = 3
_DEEPEST = 3  # of functions in functions: a decorator in a decorator
_PLAIN = (bool, int, float, str, bytes, type(None))


def describe(instances: Mapping[str, object] | None = None) -> dict[str, str]:
    """Return words for each function, class and number that a measurement is made of.

    Args:
        instances: objects of the harness by their role; another class is said, and what was laid
            over methods of theirs.

    Returns:
        Words by `module:name`, and of each module by its name alone which one it is.
    """
    words = {"python": sys.version}
    modules = {n: m for n, m in list(sys.modules.items()) if isinstance(m, ModuleType)}
    used: set[str] = set()
    for name, module in modules.items():
        if name.startswith(_HARNESS):
            words[name] = str(getattr(module, "__file__", ""))
            words.update(_own(name, module, used))
    for name in modules.keys() & {*_BENEATH, *_WHOLE}:
        words[name] = str(getattr(modules[name], "__version__", ""))
        words.update(_beneath(name, modules[name], used))
    words.update(_state())
    for role, each in (instances or {}).items():
        words.update((f"{_OVER}{name}", "") for name in _laid_over(role, each))
    return words


def known(names: Iterable[str]) -> tuple[str, ...]:
    """Return those of modules' names that may be imported to be compared with."""
    beneath = (*_BENEATH, *_WHOLE)
    return tuple(sorted(name for name in names if name.startswith(_HARNESS) or name in beneath))


def _new(key: str, word: str) -> str:
    """Return the word that a name which a clean process lacks may have: none, in the harness."""
    return "" if key.startswith("lnbench.") and not word.startswith("module ") else word


def _laid_over(role: str, instance: object) -> Iterator[str]:
    """Yield an object's role where its class is none of the harness, and methods of its own."""
    kind = type(instance)
    module = sys.modules.get(kind.__module__)
    # A worker that was started anew, not forked, is the program itself.
    named = getattr(getattr(module, "__spec__", None), "name", kind.__module__)
    if not named.startswith(_HARNESS) or not _holds(module, kind):
        yield role
    for name, value in vars(instance).items():
        over = callable(getattr(kind, name, None)) and (role, name) not in _OWN_ANYWAY
        if over or (kind.__name__ == "HostTimer" and _foreign(value)):
            yield f"{role}.{name}"


def _foreign(value: object) -> bool:
    """Return whether what is called is Python of nobody's in the harness."""
    if isinstance(value, FunctionType):
        return not str(value.__globals__.get("__name__")).startswith(_HARNESS)
    return callable(value) and not type(value).__module__.startswith(("builtins", *_HARNESS))


def _state() -> Iterator[tuple[str, str]]:
    yield "state:gc", str(gc.isenabled())
    yield "state:trace", str(sys.getprofile() is None and sys.gettrace() is None)
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_default_dtype"):
        yield "state:grad", str(torch.is_grad_enabled())
        yield "state:dtype", str(torch.get_default_dtype())


def _own(name: str, module: ModuleType, used: set[str]) -> Iterator[tuple[str, str]]:
    """Yield words for all that a module of the harness holds, and note the names it uses."""
    for attribute, value in list(vars(module).items()):
        members: dict[str, object] = {attribute: value}
        if isinstance(value, type) and value.__module__ == name:
            members |= {f"{attribute}.{inner}": each for inner, each in vars(value).items()}
        for key, member in members.items():
            if not key.endswith("__") or isinstance(member, FunctionType):
                yield f"{name}:{key}", _word(member)
            if isinstance(member, FunctionType):
                used.update(_names(member.__code__))


def _beneath(name: str, module: ModuleType, used: set[str]) -> Iterator[tuple[str, str]]:
    """Yield words for what the harness uses of a module beneath it."""
    for attribute in vars(module).keys() & (vars(module).keys() if name in _WHOLE else used):
        if callable(value := vars(module)[attribute]):
            yield f"{name}:{attribute}", _word(value)
    for owner in _METHODS.get(name, ()):
        methods = getattr(module, owner, None)
        for attribute in used & set(dir(methods)):
            yield f"{name}:{owner}.{attribute}", _word(getattr(methods, attribute, None))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _word(value: object, depth: int = 0) -> str:
    """Return a word for a value, the same in every process of one interpreter."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, type):
        module = sys.modules.get(value.__module__)
        return f"type {value.__module__}.{value.__qualname__} {_holds(module, value)}"
    kind = type(value).__name__
    if depth > _DEEPEST:
        return kind
    if isinstance(value, FunctionType):
        return f"{kind} {_function(value, depth)}"
    names = (getattr(value, name, "") for name in ("__module__", "__qualname__", "__name__"))
    return " ".join((kind, *map(str, names), *(_word(each, depth + 1) for each in _inside(value))))


def _inside(value: object) -> Iterable[object]:
    """Return what a container or a wrapped function holds."""
    if isinstance(value, tuple | list):
        return value
    if isinstance(value, functools.partial):
        return (value.func, *value.args)
    if isinstance(value, property):
        return (value.fget, value.fset)
    # Of a method, a cache, a cached property.
    held = (getattr(value, name, None) for name in ("__func__", "__wrapped__", "func"))
    return [each for each in held if each is not None]


def _holds(module: object, value: type) -> bool:
    """Return whether a class is the one that its module has by its name."""
    found: object = module
    for name in value.__qualname__.split("."):
        found = vars(found).get(name) if hasattr(found, "__dict__") else None
    return found is value


def _function(function: FunctionType, depth: int) -> str:
    """Return a digest of what a function does: code, defaults, what it closes over and where."""
    cells = [_cell(cell, depth) for cell in function.__closure__ or ()]
    defaults = [_word(each, depth + 1) for each in function.__defaults__ or ()]
    named = [
        f"{name} {_word(each, depth + 1)}" for name, each in (function.__kwdefaults__ or {}).items()
    ]
    at_home = function.__globals__ is vars(sys.modules.get(function.__module__, gc))
    whole = f"{_code(function.__code__)} {defaults} {named} {cells} {at_home}"
    return hashlib.blake2b(whole.encode(), digest_size=8).hexdigest()


def _cell(cell: object, depth: int) -> str:
    try:
        return _word(cell.cell_contents, depth + 1)  # type: ignore[attr-defined]
    except ValueError:  # empty
        return "empty"


def _code(code: CodeType) -> str:
    constants = [_constant(each) for each in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_freevars} {constants}"


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return _code(value)
    return str(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)


def changes(
    found: Mapping[str, str], clean: Mapping[str, str], *, apart: bool = False
) -> list[str]:
    """Return what a process did to what its times and results rest on; nothing where it is clean.

    Args:
        found: what `describe` says of it.
        clean: what it says of a process that nothing foreign has run in.
        apart: whether it is of an interpreter or an overlay of its own, whose versions may differ.
    """
    said = [words for key, (usual, words) in _SAID.items() if found.get(key, usual) != usual]
    names = [key.removeprefix(_OVER) for key in found if key.startswith(_OVER)]
    same = {name for name in found if not apart or found[name] == clean.get(name)}
    if "python" in same:
        names += [
            key.replace(":", ".")
            for key, word in found.items()
            if key.partition(":")[0] in same and clean.get(key, _new(key, word)) != word
        ]
    if len(names) > _MOST_NAMES:
        names[_MOST_NAMES:] = [f"{len(names) - _MOST_NAMES} more"]
    return [*(f"replaced {name}" for name in sorted(names)), *said]
