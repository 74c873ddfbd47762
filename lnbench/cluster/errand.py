"""What travels to the nodes beside the command: suites, and kernels of the user's own."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from lnbench.cluster.driver import Errand
from lnbench.errors import ConfigError
from lnbench.plan.flags import ClusterAbFlags, ClusterFlags
from lnbench.plan.kernel import is_kernel, kernels
from lnbench.plan.side import SideKind, SideSpec, parse_side
from lnbench.plan.suite import FILE_NAME
from lnbench.record import files
from lnbench.record.revision import revision

_SENT = Path(FILE_NAME)
_Flags = TypeVar("_Flags", bound=ClusterFlags)


def packed(flags: _Flags) -> tuple[_Flags, dict[str, bytes]]:
    """Return flags as they are meant on a node, and the files that go there, by name."""
    sent: dict[str, bytes] = {}
    own = Path(FILE_NAME)
    config = flags.config or (own if own.exists() else None)
    if config is not None:
        sent[str(_SENT)] = files.read(config)
    words = [part.strip() for text in flags.backend for part in text.split(",")]
    changed: dict[str, object] = {
        "config": None if config is None else _SENT,
        "backend": [_packed(word, sent) for word in words],
    }
    if isinstance(flags, ClusterAbFlags):
        changed |= {
            name: _packed_side(parse_side(text), sent)
            for name in ("baseline", "candidate")
            if (text := getattr(flags, name))
        }
    return msgspec.structs.replace(flags, **changed), sent


def errand(words: Iterable[str], sent: dict[str, bytes], threads: int | None) -> Errand:
    """Return what every node is asked to do."""
    here = revision()
    # A kernel's file is of the commit that is checked out where it was named.
    commit = {"GITHUB_SHA": here.commit} if here is not None and not here.dirty else {}
    return Errand(tuple(words), sent, commit, threads or 0)


def _packed(word: str, sent: dict[str, bytes]) -> str:
    """Return what a backend is called on a node; its file is sent along, if it has one."""
    if not is_kernel(word):
        return word
    (kernel,) = kernels([word], ()).values()
    if kernel.module:
        return word  # a package is installed on the node, or is not
    path = Path(kernel.path)
    name = f"kernels/{path.name}"  # its folder may be a user's name
    if sent.setdefault(name, path.read_bytes()) != path.read_bytes():
        raise ConfigError(f"two kernels are called {name}", "give one of the files another name")
    return f"./{name}:{kernel.attribute}" if kernel.attribute else f"./{name}"


def _packed_side(spec: SideSpec, sent: dict[str, bytes]) -> str:
    if spec.kind is SideKind.GIT:
        raise ConfigError(
            f"{spec.text}: nodes have no repository",
            "name a wheel of the commit that they can reach, pip:URL, or compare two kernel files",
        )
    if spec.kind is not SideKind.BACKEND or not is_kernel(spec.value):
        return spec.text
    word = _packed(spec.value, sent)
    slowed = spec.text[spec.text.rindex("+") :] if spec.slowdown else ""
    return f"{word}{slowed}"
