"""What kept the machine busy beside a session, summed over it, as far as the system says."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from lnbench.record import machine

Amount = Annotated[float, Meta(ge=0)]

OTHERS = 0.05
"""The usual threshold of a verdict: from here on others may take as much as a change would."""
STOLEN = 0.02
"""Nobody sees what it stops, so less is allowed; a quiet virtual machine loses well below 1 %."""
THROTTLED = 0.01
"""It stops all threads for tens of milliseconds at once, and no quiet machine has any."""

_BETWEEN_LOOKS_S = 1.0  # the counters step by 10 ms, and a look reads a file of every process


class Busy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What else happened on the CPUs of a session; what the system does not say is left out."""

    cpus: Annotated[int, Meta(ge=1)]
    """CPUs that the session may use; the other fields are of these where the system says so."""
    seconds: Amount
    """How long it was watched."""
    others_s: Amount | UnsetType = UNSET
    """CPU seconds of everything but the session and its descendants, on its CPUs."""
    steal_s: Amount | UnsetType = UNSET
    """CPU seconds in which the hypervisor ran something else instead, on its CPUs."""
    throttled_s: Amount | UnsetType = UNSET
    """CPU seconds withheld by the limits of its cgroups."""
    pressure_s: Amount | UnsetType = UNSET
    """Seconds in which any process of the machine, the session's too, waited for a CPU (PSI)."""
    load: Amount | UnsetType = UNSET
    """The highest load of one minute seen; the session's own processes are in it."""

    def __add__(self, other: "Busy") -> "Busy":
        """Return both together; what only one of them knows is unknown."""
        sums = {
            name: max(one, two) if name in ("cpus", "load") else one + two
            for name in self.__struct_fields__
            if (one := getattr(self, name)) is not UNSET
            and (two := getattr(other, name)) is not UNSET
        }
        return Busy(**sums)


def together(parts: Iterable[Busy | UnsetType]) -> Busy | UnsetType:
    """Return the sum of what was watched; nothing where none was."""
    total: Busy | UnsetType = UNSET
    for part in parts:
        total = part if total is UNSET else total if part is UNSET else total + part
    return total


class Watch:
    """Looks at the system's counters now and then; what they rose by is the session's share.

    Each look ends an interval of its own: a descendant that nobody waited for takes its CPU time
    out of the counters, which then spoils one interval, not the session.

    Args:
        root: where /proc and /sys lie.
        pid: the session: it and its descendants are no others.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        root: Path = machine.ROOT,
        pid: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root, self._pid, self._clock = root, pid or os.getpid(), clock
        self._cpus = machine.usable_cpus(root)
        self._looked_s, self._counters = clock(), self._read()
        self._busy: Busy | UnsetType = UNSET

    def look(self) -> Busy | UnsetType:
        """Return what was seen so far, a second old at most; nothing in the first second."""
        now_s = self._clock()
        seconds = now_s - self._looked_s
        if seconds < _BETWEEN_LOOKS_S:
            return self._busy
        before, now = self._counters, self._read()
        # Linux lets even counters of idle and stolen time step back.
        rises = {name: max(0.0, now[name] - before[name]) for name in now if name in before}
        busy, own = rises.pop("busy", None), rises.pop("own", None)
        if busy is not None and own is not None:
            rises["others_s"] = max(0.0, busy - own)
        if load := machine.read_text(self._root / "proc/loadavg").split():
            rises["load"] = float(load[0])
        interval = Busy(cpus=len(self._cpus), seconds=seconds, **rises)
        self._busy = together((self._busy, interval))
        self._looked_s, self._counters = now_s, now
        return self._busy

    def _read(self) -> dict[str, float]:
        """Return the counters that there are, in seconds."""
        counters = {
            **_ticks(self._root, self._cpus),
            "own": _tree_s(self._root, self._pid),
            "throttled_s": _throttled_s(self._root),
            "pressure_s": _pressure_s(self._root),
        }
        return {name: value for name, value in counters.items() if value is not None}


def _ticks(root: Path, cpus: Iterable[int]) -> dict[str, float]:
    """Return the seconds that these CPUs were busy and those stolen from them; {}: unknown."""
    wanted = {f"cpu{cpu}" for cpu in cpus}
    busy = steal = found = 0
    for line in machine.read_text(root / "proc/stat").splitlines():
        name, *texts = line.split()
        if name in wanted:
            # Time of guests is in `user` and `nice` already; old kernels have no `steal`.
            user, nice, system, _idle, _iowait, irq, softirq, stolen = map(
                int, [*texts, *"00000000"][:8]
            )
            busy += user + nice + system + irq + softirq
            steal += stolen
            found += 1
    return {"busy": busy / _HERTZ, "steal_s": steal / _HERTZ} if found else {}


def _tree_s(root: Path, pid: int) -> float | None:
    """Return the CPU seconds of a process, its descendants, and those that they waited for."""
    used: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for path in (root / "proc").glob("[0-9]*/stat"):
        # The name before the last bracket may hold spaces and brackets of its own.
        fields = machine.read_text(path).rpartition(")")[2].split()
        if fields:  # else it has ended since it was listed
            process, parent = int(path.parent.name), int(fields[1])
            used[process] = sum(map(int, fields[11:15]))
            children.setdefault(parent, []).append(process)
    if pid not in used:
        return None
    total, left = 0, [pid]
    while left:
        process = left.pop()
        total += used[process]
        left += children.get(process, ())
    return total / _HERTZ


def _throttled_s(root: Path) -> float | None:
    """Return the CPU seconds withheld by all cgroups around this process; None: unknown."""
    units = {"throttled_usec": 1e-6, "throttled_time": 1e-9}  # of version 2, of version 1
    seconds = [
        int(value) * units[name]
        for folder in machine.cgroups(root)
        for name, _, value in map(_words, machine.read_text(folder / "cpu.stat").splitlines())
        if name in units
    ]
    return sum(seconds) if seconds else None


def _words(line: str) -> tuple[str, str, str]:
    return line.partition(" ")


def _pressure_s(root: Path) -> float | None:
    """Return the seconds in which some process waited for a CPU; None: unknown."""
    for line in machine.read_text(root / "proc/pressure/cpu").splitlines():
        if line.startswith("some "):
            return int(line.rpartition("total=")[2]) * 1e-6
    return None


_HERTZ = os.sysconf("SC_CLK_TCK")  # of the counters of Linux, and of other systems never used
