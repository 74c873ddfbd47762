"""What else runs on the machine while `lnbench doctor` only watches: processes, swap, power."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from lnbench.record import machine
from lnbench.record.busy import OTHERS, STOLEN, THROTTLED, Busy, Watch
from lnbench.record.looks import Look, Looks
from lnbench.units import format_bytes, format_percent, one_line

WATCHED_S = 1.1
"""How long it is watched; a look at counters is at least a second after the one before."""

PRESSURE = {"cpu": 20.0, "memory": 1.0}
"""Per cent of the last ten seconds in which something waited, from which on it disturbs. Of the CPU
more is allowed: starting lnbench is in it."""

_TOP = 3
_PROCESSES = "ps -eo pid,pcpu,args --sort=-pcpu | head"


class Snapshot(msgspec.Struct, frozen=True):
    """What psutil says at a moment."""

    used_s: Mapping[tuple[int, float], float]
    """CPU seconds of each process of others, by its number and its start."""
    names: Mapping[tuple[int, float], str]
    """What they are called now: workers of the kernel change their names."""
    swap: tuple[int, int] | None = None
    """Bytes of memory that lie in swap, and bytes that went there and back since the machine
    started; None where the system does not say."""


def snapshot(psutil: Any) -> Snapshot:
    """Return what processes and swap say now; this process and those above it are no others."""
    own = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    used, names = {}, {}
    for process in psutil.process_iter(["pid", "name", "create_time", "cpu_times"]):
        told = process.info
        if told["pid"] not in own and told["cpu_times"] is not None:
            key = (told["pid"], told["create_time"] or 0.0)
            names[key] = told["name"] or "?"
            used[key] = told["cpu_times"].user + told["cpu_times"].system
    swap = _told(psutil.swap_memory)
    return Snapshot(used, names, None if swap is None else (swap.used, swap.sin + swap.sout))


def watched(
    root: Path = machine.ROOT,
    psutil: Any = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Looks:
    """Yield what runs, waits, swaps and powers, over a second in which nothing is measured."""
    if psutil is None:
        import psutil  # type: ignore[no-redef]
    watch, before, begun = Watch(root), snapshot(psutil), time.monotonic()
    sleep(WATCHED_S)
    after, seconds = snapshot(psutil), time.monotonic() - begun
    busy = watch.look()
    yield from load(root, psutil)
    yield from others(before, after, busy if busy is not UNSET else None, seconds)
    if busy is not UNSET:
        yield from hypervisor(busy)
        yield from throttled(busy)
    yield from pressure(root)
    yield from swap(before, after)
    yield from power(psutil)


def load(root: Path, psutil: Any) -> Looks:
    """Yield the load of a minute, and how many processes could run now."""
    cpus = len(machine.usable_cpus(root))
    # The fourth word of the file counts this process too.
    running = machine.read_text(root / "proc/loadavg").split()[3:4]
    runnable = int(running[0].partition("/")[0]) - 1 if running else 0
    yield Look(
        name="load",
        found=f"{psutil.getloadavg()[0]:.2f} over a minute on {cpus} CPUs"
        + (f", {runnable} more running" if running else ""),
        effect="where no CPU is free, samples wait for one",
        command=_PROCESSES,
        disturbs=runnable >= cpus,
    )


def others(before: Snapshot, after: Snapshot, busy: Busy | None, seconds: float) -> Looks:
    """Yield which processes of others took how much of a CPU.

    The kernel's count of the usable CPUs decides, where there is one: in a container the processes
    of others are busy and yet not seen.
    """
    used = {key: after.used_s[key] - before.used_s.get(key, 0.0) for key in after.used_s}
    top = sorted(used.items(), key=lambda item: -item[1])[:_TOP]
    named = [
        f"{one_line(after.names[key])} {format_percent(s / seconds)}"
        for key, s in top
        if s >= seconds / 100
    ]
    cpus, total = os.cpu_count() or 1, sum(used.values()) / seconds
    if busy is not None and busy.others_s is not UNSET:
        cpus, total = busy.cpus, busy.others_s / busy.seconds
    yield Look(
        name="other processes",
        found=f"{format_percent(total / cpus)} of {cpus} CPUs"
        + (f": {', '.join(named)} of one" if named else ""),
        effect="they take CPUs, cache and memory bandwidth from samples: end them meanwhile",
        command=_PROCESSES,
        disturbs=total / cpus > OTHERS,
    )


def hypervisor(busy: Busy) -> Looks:
    """Yield which share of the CPUs a hypervisor gave to others."""
    if busy.steal_s is not UNSET:
        share = busy.steal_s / (busy.seconds * busy.cpus)
        yield Look(
            name="steal",
            found=f"{format_percent(share, 1)} of {busy.cpus} CPUs",
            effect="other machines on this host stop samples unseen; dedicated CPUs end that",
            disturbs=share > STOLEN,
        )


def throttled(busy: Busy) -> Looks:
    """Yield whether a cgroup withheld CPU time in this second."""
    share = 0.0 if busy.throttled_s is UNSET else busy.throttled_s / (busy.seconds * busy.cpus)
    if share > THROTTLED:
        yield Look(
            name="throttling",
            found=f"a cgroup withheld {format_percent(share)} of {busy.cpus} CPUs",
            effect="all threads are stopped for tens of milliseconds at once",
            command=_PROCESSES,
            disturbs=True,
        )


def pressure(root: Path) -> Looks:
    """Yield which share of ten seconds something waited for a CPU or for memory."""
    shares = {name: _some_avg10(root, name) for name in PRESSURE}
    known = {name: share for name, share in shares.items() if share is not None}
    if known:
        texts = (f"{name} {share:.1f}%" for name, share in known.items())
        yield Look(
            name="pressure",
            found=f"{', '.join(texts)} of the last 10 s",
            effect="something waited that long for a CPU, or for memory to be freed: samples would",
            command=_PROCESSES,
            disturbs=any(share > PRESSURE[name] for name, share in known.items()),
        )


def swap(before: Snapshot, after: Snapshot) -> Looks:
    """Yield whether memory moves between RAM and swap."""
    if before.swap is None or after.swap is None:
        return
    moved = after.swap[1] - before.swap[1]
    moving = f", {format_bytes(moved)} moved in this second" if moved else ""
    yield Look(
        name="swap",
        found=f"{format_bytes(after.swap[0])} used{moving}",
        effect="a page that comes back from swap takes as long as thousands of calls",
        command="sudo swapoff --all",
        disturbs=moved > 0,
    )


def power(psutil: Any) -> Looks:
    """Yield whether a battery powers the machine; macOS, Windows and Linux say it."""
    battery = _told(getattr(psutil, "sensors_battery", lambda: None))
    if battery is not None and battery.power_plugged is not None:
        plugged = battery.power_plugged
        yield Look(
            name="power",
            found="plugged in" if plugged else f"battery, {battery.percent:.0f}%",
            effect="on battery the clock is held down, more so as it empties: plug it in",
            disturbs=not plugged,
        )


def _told(ask: Callable[[], Any]) -> Any:
    """Return an answer of psutil; None where the system has no such file, or hides it."""
    try:
        return ask()
    except (OSError, RuntimeError, ValueError):
        return None


def _some_avg10(root: Path, name: str) -> float | None:
    for line in machine.read_text(root / "proc/pressure" / name).splitlines():
        kind, *fields = line.split()
        if kind == "some":
            return float(dict(field.split("=") for field in fields)["avg10"])
    return None
