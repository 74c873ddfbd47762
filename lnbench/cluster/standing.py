"""How a node stands: what is shown of it while it measures, and in the end."""

from enum import StrEnum

import msgspec

from lnbench.cluster.folder import Place


class RayNode(msgspec.Struct, frozen=True):
    """A node of the cluster that takes work."""

    id: str
    """As `ray list nodes` has it."""
    cpus: float
    """All of its CPUs."""
    gpus: float
    """All of its GPUs."""


class State(StrEnum):
    """How a node stands."""

    WAITING = "waiting"
    """It was asked for and has not answered: something else runs there."""
    MEASURING = "measuring"
    """Its session runs."""
    DONE = "done"
    """Its session came to its end."""
    FAILED = "failed"
    """It gave no report, or no whole one."""
    INTERRUPTED = "interrupted"
    """It was stopped by Ctrl-C."""


class Standing(msgspec.Struct):
    """How a node stands, as it is shown."""

    node: RayNode
    """Which node."""
    since: float
    """When it was asked, on the monotonic clock."""
    state: State = State.WAITING
    """How it stands."""
    machine: str = ""
    """What kind of machine it is; empty where that is not known."""
    words: str = "asked what it is, once it is free"
    """What its session said last, or the reason why it failed."""
    seconds: float | None = None
    """How long it took; None as long as it goes on."""
    niceness: int = 0
    """What Ray started it with."""
    place: Place | None = None
    """Its report; None where it has none."""
    rows: tuple[int, int, int] = (0, 0, 0)
    """Rows that were measured, skipped and failed."""

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state not in (State.WAITING, State.MEASURING)
