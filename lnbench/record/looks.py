"""What `lnbench doctor` looks at on the host: settings of CPU, memory and clock, only ever read."""

import itertools
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

import msgspec

from lnbench.record import machine
from lnbench.record.environment import ALLOCATION
from lnbench.units import format_bytes

_CPUS = "sys/devices/system/cpu"
_CLOCKS = "sys/devices/system/clocksource"

SLOW_CLOCK_NS = 500
"""A reading that costs more than this is no read of a counter but a call of the kernel."""

_READINGS = 2000


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that may disturb times."""

    name: str
    """What was looked at, such as `governor`."""
    found: str
    """What it is."""
    effect: str
    """What it does to times."""
    command: str = ""
    """The one command that changes it, which nobody here runs; empty where there is none."""
    disturbs: bool = False
    """Whether times are noisier, or less repeatable, as it is."""


Looks: TypeAlias = Iterator[Look]
"""Looks; none where the system has no such thing."""


def governor(root: Path) -> Looks:
    """Yield what sets the clock of the usable CPUs."""
    found = _each(root, "cpufreq/scaling_governor")
    if found:
        yield Look(
            name="governor",
            found=", ".join(sorted(set(found.values()))),
            effect="any but performance waits for load before the clock rises: short rows are "
            "timed below it, and differently each time",
            command="sudo cpupower frequency-set --governor performance",
            disturbs=set(found.values()) != {"performance"},
        )


def turbo(root: Path) -> Looks:
    """Yield whether the clock may exceed its nominal rate."""
    switches = {"intel_pstate/no_turbo": ("0", "1"), "cpufreq/boost": ("1", "0")}
    for name, (on, off) in switches.items():
        value = machine.read_text(root / _CPUS / name)
        if value in (on, off):
            yield Look(
                name="turbo",
                found="on" if value == on else "off",
                effect="on, the clock depends on temperature and on how many cores work: "
                "two hours differ",
                command=f"echo {off} | sudo tee /{_CPUS}/{name}",
                disturbs=value == on,
            )
            return


def frequency_limit(root: Path) -> Looks:
    """Yield whether the usable CPUs may run at their highest frequency."""
    limits = _each(root, "cpufreq/scaling_max_freq")
    tops = _each(root, "cpufreq/cpuinfo_max_freq")
    pairs = [(int(limits[cpu]), int(tops[cpu])) for cpu in limits if cpu in tops]
    if pairs:
        limit, top = min(pairs, key=lambda pair: pair[0] - pair[1])
        yield Look(
            name="frequency limit",
            found=f"{limit / 1e6:.2f} of {top / 1e6:.2f} GHz",
            effect="below the highest, every time is longer than on a machine without the limit",
            command=f"sudo cpupower frequency-set --max {top}",
            disturbs=limit < top,
        )


def siblings(root: Path) -> Looks:
    """Yield whether usable CPUs share their core with CPUs that others may use."""
    usable = set(machine.usable_cpus(root))
    texts = _each(root, "topology/thread_siblings_list")
    lists = {cpu: _numbers(text) for cpu, text in texts.items()}
    if not lists:
        return
    shared = sorted(cpu for cpu, core in lists.items() if core - usable)
    cores = len({frozenset(core) for core in lists.values()})
    found = f"{len(lists)} CPUs on {cores} cores"
    command = f"echo off | sudo tee /{_CPUS}/smt/control" if len(lists) > cores or shared else ""
    if shared:
        found += f", {len(shared)} of them beside CPUs that this process may not use"
        if whole := sorted(set(lists) - set(shared)):
            command = f"taskset --cpu-list {','.join(map(str, whole))} lnbench run"
    yield Look(
        name="SMT siblings",
        found=found,
        effect="lnbench takes one CPU a core; what runs on its sibling takes up to half of it",
        command=command,
        disturbs=bool(shared),
    )


def cgroup_quota(root: Path) -> Looks:
    """Yield the CPU time that cgroups grant, and how often it was used up."""
    quota = machine.cgroup_cpus(root)
    if quota is None:
        return
    cpus = len(machine.usable_cpus(root))
    folders = list(machine.cgroups(root))
    counts = [
        int(line.split()[1])
        for folder in folders
        for line in machine.read_text(folder / "cpu.stat").splitlines()
        if line.startswith("nr_throttled ")
    ]
    unit = next(folder.name for folder in folders if quota in machine.quotas(folder))
    yield Look(
        name="cgroup quota",
        found=f"{quota:g} of {cpus} CPUs, stopped {sum(counts)} times so far",
        effect="whoever uses it up is stopped for tens of milliseconds, all threads at once",
        command=f"sudo systemctl set-property --runtime {unit} CPUQuota="
        if unit.endswith((".slice", ".scope", ".service"))
        else "docker run --cpuset-cpus=0-1 …  # CPUs of its own in place of --cpus",
        disturbs=quota < cpus,
    )


def isolated(root: Path) -> Looks:
    """Yield whether CPUs are kept free of other processes, and used."""
    text = machine.read_text(root / _CPUS / "isolated")
    if text:
        usable, apart = set(machine.usable_cpus(root)), _numbers(text)
        yield Look(
            name="isolated CPUs",
            found=f"{text}, {'used' if usable <= apart else 'not used'}",
            effect="the kernel puts nothing else there; mixed with others, threads differ in speed",
            command=f"taskset --cpu-list {text} lnbench run",
            disturbs=not usable <= apart,
        )


def huge_pages(root: Path) -> Looks:
    """Yield whether large arrays get huge pages."""
    setting = machine.transparent_hugepages(root)
    if setting is not None:
        yield Look(
            name="huge pages",
            found=setting,
            effect="with 4 KiB pages alone a row that allocates its output takes up to five times "
            "as long: both sides need the same setting",
            command="echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled",
        )


def allocator(variables: Mapping[str, str]) -> Looks:
    """Yield which variables decide how memory is got."""
    names = [n for n in sorted(variables) if any(fnmatchcase(n, glob) for glob in ALLOCATION)]
    yield Look(
        name="allocator",
        found=", ".join(names) or "no variable is set",
        effect="they alone change a time up to five times: both sides need the same",
        command=f"unset {' '.join(names)}" if names else "",
    )


def address_randomization(root: Path) -> Looks:
    """Yield whether each process lies elsewhere in memory."""
    value = machine.read_text(root / "proc/sys/kernel/randomize_va_space")
    if value:
        yield Look(
            name="ASLR",
            found="off" if value == "0" else "on",
            effect="off, all processes share one luck with addresses, which passes for precision",
            command="sudo sysctl kernel.randomize_va_space=2",
            disturbs=value == "0",
        )


def clock(root: Path) -> Looks:
    """Yield the source of the clock, what a reading costs, and its smallest step."""
    source = machine.read_text(root / _CLOCKS / "clocksource0/current_clocksource")
    others = machine.read_text(root / _CLOCKS / "clocksource0/available_clocksource").split()
    cost_ns, step_ns = clock_cost_and_step_ns()
    faster = "tsc" in others and source != "tsc"
    yield Look(
        name="clock",
        found=f"{source + ', ' if source else ''}a reading {cost_ns} ns, a step {step_ns} ns",
        effect="a reading through the kernel, or a coarse step, is an error of every sample",
        command=f"echo tsc | sudo tee /{_CLOCKS}/*/current_clocksource" if faster else "",
        disturbs=source in ("hpet", "acpi_pm", "jiffies") or cost_ns > SLOW_CLOCK_NS,
    )


def clock_cost_and_step_ns() -> tuple[int, int]:
    """Return the median distance of two readings, and the smallest that is not 0."""
    read = time.perf_counter_ns
    readings = [read() for _ in range(_READINGS)]
    steps = sorted(after - before for before, after in itertools.pairwise(readings))
    return steps[len(steps) // 2], next((step for step in steps if step), 0)


def shared_memory(root: Path) -> Looks:
    """Yield how large the folder of shared arrays is."""
    folder = root / "dev" / "shm"
    if folder.is_dir():
        usage = shutil.disk_usage(folder)
        yield Look(
            name="shared memory",
            found=f"{format_bytes(usage.free)} of {format_bytes(usage.total)} free",
            effect="arrays that do not fit there twice go through files: cases start more slowly",
            command="sudo mount -o remount,size=50% /dev/shm",
        )


def host(root: Path = machine.ROOT, variables: Mapping[str, str] | None = None) -> Looks:
    """Yield every look at the settings of this host."""
    for look in (governor, turbo, frequency_limit, siblings, cgroup_quota, isolated, huge_pages):
        yield from look(root)
    yield from allocator(os.environ if variables is None else variables)
    for look in (address_randomization, clock, shared_memory):
        yield from look(root)


def _each(root: Path, name: str) -> dict[int, str]:
    """Return what a file says of each usable CPU that has it."""
    texts = {
        cpu: machine.read_text(root / _CPUS / f"cpu{cpu}" / name)
        for cpu in machine.usable_cpus(root)
    }
    return {cpu: text for cpu, text in texts.items() if text}


def _numbers(text: str) -> set[int]:
    """Return the numbers of a list such as `0-3,8`."""
    ends = [part.partition("-") for part in text.split(",") if part]
    return {n for low, _, high in ends for n in range(int(low), int(high or low) + 1)}
