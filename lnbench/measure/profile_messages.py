"""What the session asks of a profile, and what the worker says of it; part of `messages`."""

import msgspec


class Profile(msgspec.Struct, frozen=True, tag=True):
    """Ask for marked calls of a routine that is ready, and for what a profiler sees of them."""

    profiler: str
    """`own`: torch's for what torch runs, else py-spy; `proton`; `outside`: one that watches."""
    calls: int | None = None
    """Marked calls; None for one, or as many as a profiler that takes samples needs."""
    file: str = ""
    """Where torch's Chrome trace goes, or what proton saw."""
    control: str = ""
    """The pipe by which `perf` is told when to look; its answers come from beside it."""


class Spot(msgspec.Struct, frozen=True):
    """An operator, a kernel, or a line of Python."""

    name: str
    share: float
    """Of the time of a call, what lies in it and in nothing that it calls."""
    time_s: float | None = None
    """The same in seconds a call; None where a profiler only takes samples."""
    launches: float | None = None
    """Times a call; None likewise."""
    bytes_moved: int | None = None
    """What it reads and writes in a call; None where it does not say."""


class Profiled(msgspec.Struct, frozen=True, tag=True):
    """What was seen of a call."""

    calls: int
    """How many were marked."""
    time_s: float
    """Seconds a call, without any profiler."""
    page_faults: float
    profiler: str = ""
    """Who looked: `torch` or `py-spy`; empty where lnbench has nothing of what was seen."""
    spots: tuple[Spot, ...] = ()
    """Where its time goes, the most first."""
    unseen: str = ""
    """Why that is not known; empty where it is."""
    operator_bytes: int | None = None
    """What all operators read and write together; None where they do not say."""
    counters: dict[str, float] = {}
    """The processor's own counts a call, in user space, by their names."""
    uncounted: str = ""
    """Why there are none; empty where there are."""
