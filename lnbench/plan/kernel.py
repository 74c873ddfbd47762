"""A kernel of the user's own, named by a file or module in place of a backend.

`./my_kernel.py`, `./my_kernel.py:NAME` or `package.module:NAME`. What can be wrong with a file is
said from its text alone: it is run in workers only.
"""

import ast
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

import msgspec

from lnbench.errors import ConfigError, suggestion
from lnbench.plan.kernel_source import (
    bound_names,
    definitions,
    framework_of,
    imported,
    may_define,
)

PICKLE = ".pickle"
"""The suffix of a file that holds a function of a notebook, as `lnbench.run` writes it."""

_FILE = re.compile(r"(?P<path>.*\.py|.*/[^:/]*)(:(?P<name>\w+))?", re.DOTALL)
_MODULE = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*)")
_LARGEST_BYTES = 1 << 20  # of a kernel's source; a data file by mistake is larger


class Kernel(msgspec.Struct, frozen=True, kw_only=True):
    """Where a kernel is, and what it is called."""

    name: str
    """What its backend is called."""
    path: str
    """Its file, absolute."""
    folder: str
    """What goes on the path of modules, absolute."""
    module: str = ""
    """Its module where it was named by one, else empty."""
    attribute: str = ""
    """The function or class; empty for `forward` and what stands beside it."""
    framework: str = "numpy"
    """A value of `FRAMEWORKS`."""


def is_kernel(word: str) -> bool:
    """Return whether a word names a file or a module's function, and no installed backend."""
    return bool(_FILE.fullmatch(word) or _MODULE.fullmatch(word))


def kernels(words: Iterable[str], installed: Collection[str]) -> dict[str, Kernel]:
    """Return the kernels among words, by word; ConfigError for one that cannot be.

    Two of one name have their folders' names in front.

    Args:
        words: names of backends and of kernels.
        installed: names of backends, which no kernel may have.
    """
    found = {word: _kernel(word) for word in dict.fromkeys(words) if is_kernel(word)}
    for name, alike in _by_name(found).items():
        if len(alike) > 1:
            for word in alike:
                longer = _name(f"{Path(found[word].path).parent.name}-{name}")
                found[word] = msgspec.structs.replace(found[word], name=longer)
    for name, alike in _by_name(found).items():
        if name in installed:
            raise ConfigError(
                f"{alike[0]} would be called '{name}', as an installed backend is",
                "give its file another name",
            )
        if len(alike) > 1:
            raise ConfigError(
                f"{' and '.join(alike)} would both be called '{name}'",
                "give one of the files another name",
            )
    return found


def _by_name(found: Mapping[str, Kernel]) -> dict[str, list[str]]:
    """Return the words by the name of their kernel, one word for each kernel."""
    words: dict[Kernel, str] = {}
    for word, kernel in found.items():
        words.setdefault(kernel, word)
    named: dict[str, list[str]] = {}
    for kernel, word in words.items():
        named.setdefault(kernel.name, []).append(word)
    return named


def _kernel(word: str) -> Kernel:
    """Return the kernel that a word names, after a look at its source."""
    if match := _FILE.fullmatch(word):
        path = Path(match["path"]).expanduser()
        folder, module = path.parent, ""
    else:
        match = _MODULE.fullmatch(word)
        assert match is not None  # noqa: S101  (`is_kernel` has matched it)
        module = match["module"]
        path = _module_file(module, word)
        depth = module.count(".") + (path.name == "__init__.py")
        folder = path.resolve().parents[depth]
    attribute = match["name"] or ""
    kernel = Kernel(
        name=_name(attribute or path.stem),
        path=str(path.resolve()),
        folder=str(folder.resolve()),
        module=module,
        attribute=attribute,
    )
    tree = _parsed(path, word)
    _check_names(tree, kernel, path.name, word)
    return msgspec.structs.replace(kernel, framework=framework_of(tree, path.name))


def _name(text: str) -> str:
    """Return a text as a backend can be called: it becomes part of a benchmark's id."""
    return re.sub(r"[^\w.+-]+", "-", text).strip("-") or "kernel"


def _module_file(module: str, word: str) -> Path:
    """Return the file of a module without importing the packages that it is in."""
    where: Sequence[str] | None = [str(Path.cwd()), *sys.path]
    spec, parts = None, module.split(".")
    for number in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: number + 1]), where)
        if spec is None:
            break
        where = spec.submodule_search_locations
        if where is None and number + 1 < len(parts):
            spec = None
            break
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise ConfigError(
            f"{word}: there is no module {module} of Python's",
            "write package.module:NAME, seen from this folder, or ./file.py:NAME",
        )
    return Path(spec.origin)


def _parsed(path: Path, word: str) -> ast.Module:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ConfigError(f"{word} is not a regular file", "a kernel's file is Python source")
        if path.stat().st_size > _LARGEST_BYTES:
            raise ConfigError(f"{word} is larger than 1 MiB", "a kernel's file is Python source")
        source = path.read_bytes()
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        near = suggestion(path.name, _neighbours(path))
        raise ConfigError(
            f"{word} cannot be read: {getattr(error, 'strerror', None) or error}", near
        ) from None
    try:
        return ast.parse(source, path.name)
    except SyntaxError as error:
        raise ConfigError(f"{path.name}, line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{word} is no Python source: {error}") from None


def _neighbours(path: Path) -> list[str]:
    """Return the Python files beside a path that is not there, a few of them."""
    try:
        return sorted(each.name for each in path.parent.glob("*.py"))[:20]
    except OSError:
        return []


def _check_names(tree: ast.Module, kernel: Kernel, file: str, word: str) -> None:
    """Raise ConfigError where the source has no kernel, or several and none is named."""
    bound = set(bound_names(tree.body))
    everything = any(alias.name == "*" for node in tree.body for alias in imported(node))
    if kernel.attribute:
        if kernel.attribute not in bound and not everything:
            known = [name for name in bound if not name.startswith("_")]
            raise ConfigError(
                f"{file} has no {kernel.attribute}", suggestion(kernel.attribute, known)
            )
        return
    if "forward" in bound or "backward" in bound or everything:
        return
    candidates = [name for name in definitions(tree.body) if not name.startswith("_")]
    if len(candidates) > 1:
        raise ConfigError(
            f"{file} has no forward, and {' and '.join(candidates[:5])} could each be the kernel",
            f"write {word}:{candidates[0]}, or call it forward",
        )
    if not everything and not any(map(may_define, tree.body)):
        raise ConfigError(
            f"{file} defines no function",
            "it needs forward(x, weight, bias, eps): lnbench init kernel",
        )
