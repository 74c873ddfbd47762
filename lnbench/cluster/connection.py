"""Ray: its nodes, an actor on each that takes the whole node, and what they answer."""

import contextlib
import io
import os
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

from lnbench.cluster.standing import RayNode
from lnbench.errors import ConfigError, NothingMeasuredError

_OUT_OF_REACH_S = 0.2
_INSTALL = "pip install 'lnbench[ray]', in the version of Ray that the cluster has"


class NodeLostError(Exception):
    """A node, or what stood there, is gone, or cannot be reached; says why."""


@contextlib.contextmanager
def connected(address: str, labels: Sequence[str]) -> Iterator["Connection"]:
    """Yield a connection to a Ray cluster; whatever it took is given back.

    Args:
        address: `auto`, HOST:PORT, or ray://HOST:PORT.
        labels: LABEL=VALUE that every node must have; `all`, or none, for every node.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError("lnbench cluster needs Ray, which is not installed", _INSTALL) from None
    ends = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    # What Ray prints of nodes that die is said in the summary; stdout is for data.
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            ray.init(address=address, logging_level="error", log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(
                f"no Ray cluster can be reached at {address}: {reason}",
                "start one with `ray start --head`, or name it: --address HOST:PORT",
            ) from None
        for number, handler in ends.items():  # Ray has put its own in their place
            signal.signal(number, handler)
        cluster = Connection(ray, _wanted(ray.nodes(), labels))
        try:
            yield cluster
        finally:
            cluster.close()
            ray.shutdown()


def _wanted(nodes: Sequence[dict[str, Any]], labels: Sequence[str]) -> list[RayNode]:
    """Return the nodes that have all labels and a CPU to work with."""
    pairs = [text.partition("=") for text in labels if text != "all"]
    for text, equals, _ in pairs:
        if not equals:
            raise ConfigError(f"--nodes: '{text}' is neither all nor LABEL=VALUE")
    able = [node for node in nodes if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    fit = [
        RayNode(node["NodeID"], node["Resources"]["CPU"], node["Resources"].get("GPU", 0))
        for node in able
        if all(node.get("Labels", {}).get(name) == value for name, _, value in pairs)
    ]
    if not fit:
        known = sorted({f"{k}={v}" for node in able for k, v in node.get("Labels", {}).items()})
        raise NothingMeasuredError(
            f"--nodes {','.join(labels) or 'all'}: no node of the cluster fits",
            f"labels there: {', '.join(known[:8]) or 'none'}; nodes without a CPU take no work",
        )
    return fit


class Connection:
    """Nodes that can be asked, each for one thing at a time, and answers as they come."""

    def __init__(self, ray: Any, nodes: Sequence[RayNode]) -> None:
        from lnbench.cluster import node

        # A node without lnbench must be able to say so.
        ray.cloudpickle.register_pickle_by_value(node)
        self.nodes = nodes
        self._ray, self._class = ray, ray.remote(node.Node)
        self._actors: dict[str, Any] = {}
        self._owed: dict[Any, tuple[RayNode, str]] = {}

    def ask(self, node: RayNode, method: str, *arguments: Any) -> None:
        """Ask a node; the first call takes all of it."""
        if node.id not in self._actors:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            self._actors[node.id] = self._class.options(
                num_cpus=node.cpus,
                num_gpus=node.gpus,
                max_concurrency=2,  # it can be stopped while it waits for news
                scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
            ).remote()
        self._owed[getattr(self._actors[node.id], method).remote(*arguments)] = node, method

    def stop(self, node: RayNode) -> None:
        """End what a node does; the answer that it owes comes nevertheless."""
        if node.id in self._actors:
            self._actors[node.id].stop.remote()

    def release(self, node: RayNode) -> None:
        """Give a node back."""
        actor = self._actors.pop(node.id, None)
        if actor is not None:
            self._ray.kill(actor)

    def answers(self, timeout_s: float) -> list[tuple[RayNode, dict[str, Any] | NodeLostError]]:
        """Return what nodes have answered, after waiting for the first."""
        if not self._owed:
            return []
        owed = list(self._owed)
        self._ray.wait(owed, num_returns=1, timeout=timeout_s)
        ready, _ = self._ray.wait(owed, num_returns=len(owed), timeout=0)
        return [
            (self._owed[each][0], self._answer(each, self._owed.pop(each)[1])) for each in ready
        ]

    def close(self) -> None:
        """Give all nodes back."""
        for node in self.nodes:
            self.release(node)

    def _answer(self, answer: Any, method: str) -> dict[str, Any] | NodeLostError:
        errors = self._ray.exceptions
        try:
            made: dict[str, Any] = self._ray.get(answer)
        except errors.RayTaskError as error:
            return NodeLostError(f"{type(error.cause).__name__}: {error.cause}")
        except errors.ActorUnavailableError as error:
            if method != "news":
                return NodeLostError(str(error).strip().splitlines()[0])
            time.sleep(_OUT_OF_REACH_S)  # soon it is known to have died, or it is back
            return {"words": "out of reach", "code": None}
        except errors.RayError as error:
            said = [line.strip() for line in str(error).splitlines() if "because" in line]
            return NodeLostError(said[-1] if said else str(error).strip().splitlines()[0])
        return made
