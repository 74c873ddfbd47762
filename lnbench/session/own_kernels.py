"""The user's own kernels in a session: as backends, and as they were at a commit."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from lnbench import registry
from lnbench.errors import ConfigError
from lnbench.plan.flags import AbFlags, SuiteFlags
from lnbench.plan.kernel import Kernel, kernels
from lnbench.plan.side import SideKind, parse_side
from lnbench.workers import install

_Flags = TypeVar("_Flags", bound=SuiteFlags)


@contextlib.contextmanager
def named(flags: _Flags) -> Iterator[_Flags]:
    """Have the kernels that flags name as backends, and yield the flags with their names."""
    words = [part.strip() for text in flags.backend for part in text.split(",")]
    sides = {}
    if isinstance(flags, AbFlags):
        specs = (parse_side(flags.baseline), parse_side(flags.candidate))
        sides = {spec.text: spec for spec in specs if spec.kind is SideKind.BACKEND}
    files = [*words, *(spec.value for spec in sides.values())]
    found = kernels(files, registry.names(registry.BACKENDS))
    names = {word: kernel.name for word, kernel in found.items()}
    with registry.using(found.values()):
        flags = msgspec.structs.replace(flags, backend=[names.get(word, word) for word in words])
        if isinstance(flags, AbFlags):
            texts = {text: spec.renamed(names).text for text, spec in sides.items()}
            flags = msgspec.structs.replace(
                flags,
                baseline=texts.get(flags.baseline, flags.baseline),
                candidate=texts.get(flags.candidate, flags.candidate),
            )
        yield flags


def at_commit(used: Iterable[Kernel], commit: str, text: str) -> list[Kernel]:
    """Return kernels as their files were at a commit; ConfigError where one was not there.

    The whole tree of the commit is laid out: a file may import its neighbours.
    """
    top, tree = install.commit_tree(commit, text)
    return [_moved(kernel, top, tree, text) for kernel in used]


def _moved(kernel: Kernel, top: Path, tree: Path, text: str) -> Kernel:
    file = Path(kernel.path)
    if not file.is_relative_to(top):
        raise ConfigError(f"{file.name} is not in this repository, so {text} has none of it")
    there = tree / file.relative_to(top)
    if not there.is_file():
        raise ConfigError(f"{text}: there is no {file.relative_to(top)} at that commit")
    word = f"{there}:{kernel.attribute}" if kernel.attribute else str(there)
    (then,) = kernels([word], ()).values()
    folder = tree / Path(kernel.folder).relative_to(top)
    return msgspec.structs.replace(then, name=kernel.name, module=kernel.module, folder=str(folder))
