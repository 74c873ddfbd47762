"""What the operating system says about the machine: cores, quotas, caches, memory."""

import contextlib
import functools
import hashlib
import math
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")
"""Where /proc and /sys lie; tests have a tree of their own."""

FALLBACK_CACHE_BYTES = 32 * 2**20
"""Taken where the cache cannot be read: that of a large desktop."""

_CPU_FOLDER = "sys/devices/system/cpu"


def usable_cpus(root: Path = ROOT) -> tuple[int, ...]:
    """Return the CPU numbers that this process may use, one of each physical core first."""
    first: dict[str, int] = {}
    siblings = [cpu for cpu in _affinity() if first.setdefault(_core(cpu, root), cpu) != cpu]
    return (*first.values(), *siblings)


def physical_cores(root: Path = ROOT) -> int:
    """Return how many physical cores affinity and the cgroup quota allow, at least 1."""
    cores = len({_core(cpu, root) for cpu in _affinity()})
    if not hasattr(os, "sched_getaffinity"):
        import psutil

        cores = psutil.cpu_count(logical=False) or cores
    quota = cgroup_cpus(root)
    return cores if quota is None else max(1, min(cores, math.floor(quota)))


def logical_cores() -> int:
    """Return how many CPUs this process may use, siblings of one core counted apart."""
    return len(_affinity())


def cgroup_cpus(root: Path = ROOT) -> float | None:
    """Return the CPU time per time that the tightest cgroup grants, or None where none limits."""
    return min((quota for folder in cgroups(root) for quota in quotas(folder)), default=None)


def last_level_cache_bytes(root: Path = ROOT) -> int:
    """Return the size of the last-level caches that the usable CPUs reach, together."""
    sizes: dict[tuple[int, str], int] = {}
    for cpu in _affinity():
        for index in (root / _CPU_FOLDER / f"cpu{cpu}/cache").glob("index*"):
            level, size = read_text(index / "level"), _size(read_text(index / "size"))
            if level.isdigit() and size:
                sizes[int(level), read_text(index / "shared_cpu_list")] = size
    last = max((level for level, _ in sizes), default=0)
    return sum(size for (level, _), size in sizes.items() if level == last) or FALLBACK_CACHE_BYTES


def memory_bytes() -> int | None:
    """Return the physical memory, or None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def cpu_model(root: Path = ROOT) -> str:
    """Return the name that the processor gives itself, or at least its architecture."""
    told = _cpuinfo(root, "model name") or _brand()
    return told or platform.processor() or platform.machine()


def virtual(root: Path = ROOT) -> bool | None:
    """Return whether a hypervisor is below, or None where the processor does not say."""
    flags = _cpuinfo(root, "flags")
    return "hypervisor" in flags.split() if flags else None


def transparent_hugepages(root: Path = ROOT) -> str | None:
    """Return `always`, `madvise` or `never`, or None where the kernel has no such thing."""
    _, bracket, rest = read_text(root / "sys/kernel/mm/transparent_hugepage/enabled").partition("[")
    return rest.partition("]")[0] if bracket else None


def governor(root: Path = ROOT) -> str | None:
    """Return what sets the clock of the first usable CPU, such as `performance`; None: unknown."""
    cpu = _affinity()[0]
    return read_text(root / _CPU_FOLDER / f"cpu{cpu}/cpufreq/scaling_governor") or None


def operating_system() -> str:
    """Return system, release, distribution and C library, on one line."""
    parts = [f"{platform.system()} {platform.release()}"]
    with contextlib.suppress(OSError, KeyError):
        parts.append(platform.freedesktop_os_release()["PRETTY_NAME"])
    parts.append(" ".join(platform.libc_ver()))
    return ", ".join(part for part in parts if part.strip())


def machine_id(root: Path = ROOT) -> str:
    """Return a hash that tells equal machines from different ones, and nothing else.

    The system's own number is keyed before it is hashed, as systemd asks: it must not get out.
    """
    files = ("etc/machine-id", "var/lib/dbus/machine-id")
    number = next((text for name in files if (text := read_text(root / name))), "")
    if not number and platform.system() != "Linux":  # a container's address is new each time
        number = _hardware_address()
    parts = (number, cpu_model(root), platform.machine(), str(os.cpu_count()))
    digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=8, key=b"lnbench")
    return digest.hexdigest()


@functools.cache
def _brand() -> str:
    """Return what macOS calls the processor, such as `Apple M2`; empty where there is no sysctl."""
    if platform.system() != "Darwin":
        return ""
    command = ["sysctl", "-n", "machdep.cpu.brand_string"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return ""
    return done.stdout.strip()


def _hardware_address() -> str:
    """Return the address of a network card; empty where Python finds none, and would draw one."""
    import uuid

    address = uuid.getnode()
    return "" if address >> 40 & 1 else f"{address:x}"


def _affinity() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def _core(cpu: int, root: Path) -> str:
    """Return what names the physical core of a CPU: the list of the CPUs that share it."""
    return read_text(root / _CPU_FOLDER / f"cpu{cpu}/topology/thread_siblings_list") or str(cpu)


def cgroups(root: Path) -> Iterator[Path]:
    """Yield the folders of this process's cgroups that may limit CPU time, up to the root.

    Inside a container the path may name a place outside of it: then only the root is there.
    """
    for line in read_text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Version 1 mounts a hierarchy by the names of its controllers, and links each name to it.
        tree = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
        for length in range(len(parts), -1, -1):
            yield tree.joinpath(*parts[:length])


def quotas(folder: Path) -> Iterator[float]:
    """Yield the CPU time per time that one cgroup grants; nothing where it does not limit."""
    texts = read_text(folder / "cpu.max").split() or [
        read_text(folder / "cpu.cfs_quota_us"),
        read_text(folder / "cpu.cfs_period_us"),
    ]
    # `max` and -1 mean no limit.
    if len(texts) == len(("quota", "period")) and all(text.isdigit() for text in texts):
        quota, period = map(int, texts)
        if period:
            yield quota / period


def _cpuinfo(root: Path, field: str) -> str:
    for line in read_text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""


def _size(text: str) -> int:
    """Return the bytes that '32768K' says, 0 where it says none."""
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    digits, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    return int(digits) * unit if digits.isdigit() else 0


def read_text(path: Path) -> str:
    """Return what a file says, stripped; nothing where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
