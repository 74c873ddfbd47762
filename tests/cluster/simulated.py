"""Nodes that answer at once with recorded reports, as Ray's would."""

import zlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lnbench import __version__
from lnbench.cluster.connection import NodeLostError
from lnbench.cluster.standing import RayNode
from lnbench.record.environment import Environment

End = Callable[[list[str], dict[str, bytes]], "dict[str, Any] | NodeLostError"]


class Simulated:
    """A connection to nodes that are not there.

    Args:
        machines: what each node is, by its id; None for one whose lnbench is of another version.
        end: what a session answers in the end, from its words and files.
    """

    def __init__(self, machines: Mapping[str, Environment | None], end: End) -> None:
        self.nodes = [RayNode(name, 1, 0) for name in machines]
        self.released: list[str] = []
        self.asked: dict[str, list[str]] = {}
        self._machines, self._end = machines, end
        self._answers: deque[tuple[RayNode, Any]] = deque()
        self._sessions: dict[str, tuple[list[str], dict[str, bytes]]] = {}

    def ask(self, node: RayNode, method: str, *arguments: Any) -> None:
        self._answers.append((node, getattr(self, f"_{method}")(node, *arguments)))

    def stop(self, node: RayNode) -> None:
        self._end = lambda *_: {"words": "interrupted", "code": 130, "error": "interrupted"}

    def release(self, node: RayNode) -> None:
        self.released.append(node.id)

    def answers(self, timeout_s: float) -> list[tuple[RayNode, Any]]:
        return [self._answers.popleft() for _ in range(min(len(self._answers), 8))]

    def _describe(self, node: RayNode, version: str, threads: int) -> dict[str, Any]:
        environment = self._machines[node.id]
        if environment is None:
            return {"version": "9.9", "niceness": 0}
        told = msgspec.to_builtins(environment)
        return {"version": __version__, "niceness": 0, "environment": told}

    def _start(self, node: RayNode, words: list[str], files: dict[str, bytes], *_: Any) -> dict:
        self._sessions[node.id], self.asked[node.id] = (words, files), words
        return {}

    def _news(self, node: RayNode, patience_s: float) -> dict[str, Any] | NodeLostError:
        return self._end(*self._sessions[node.id])


def done(data: bytes, code: int = 0) -> dict[str, Any]:
    """Return what a session says that has ended with a report."""
    return {"words": "", "code": code, "error": "", "report": zlib.compress(data)}
