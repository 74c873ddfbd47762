"""What `lnbench doctor` looks at on NVIDIA devices, by NVML; only ever read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from lnbench.measure.telemetry import reasons, slowing_call
from lnbench.record import machine
from lnbench.record.looks import Look, Looks

_MILLIWATTS = 1e-3


def devices(root: Path = machine.ROOT, nvml: Any = None) -> Looks:
    """Yield the looks at each NVIDIA device; one at the missing package where there is none."""
    if nvml is None:
        try:
            import pynvml as nvml  # type: ignore[no-redef]
        except ImportError:
            yield from _unseen(root)
            return
    try:
        nvml.nvmlInit()
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError:  # no driver: no device
        return
    try:
        for index in range(count):
            yield from device(nvml, index)
    finally:
        nvml.nvmlShutdown()


def device(nvml: Any, index: int) -> Looks:
    """Yield what one device says; what it does not support is left out."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)

    def asked(what: str | Callable[..., Any], *more: object) -> Any:
        call = getattr(nvml, what, None) if isinstance(what, str) else what
        try:
            return None if call is None else call(handle, *more)
        except nvml.NVMLError:  # the device has no such thing
            return None

    smi = f"sudo nvidia-smi --id={index}"
    for look in (_persistence, _clocks, _slowed, _power, _memory_check, _mig, _processes, _link):
        for one in look(nvml, asked, smi):
            yield msgspec.structs.replace(one, name=f"gpu {index} {one.name}")


Asked = Callable[..., Any]


def _persistence(_: Any, asked: Asked, smi: str) -> Looks:
    mode = asked("nvmlDeviceGetPersistenceMode")
    if mode is not None:
        yield Look(
            name="persistence",
            found="on" if mode else "off",
            effect="off, the driver leaves between processes: starts are slow, settings are lost",
            command=f"{smi} --persistence-mode=1",
            disturbs=not mode,
        )


def _clocks(nvml: Any, asked: Asked, smi: str) -> Looks:
    now = asked("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM)
    top = asked("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM)
    chosen = asked("nvmlDeviceGetApplicationsClock", nvml.NVML_CLOCK_SM)
    if top is not None:
        yield Look(
            name="clocks",
            found=f"{now} of {top} MHz now" + (f", applications {chosen} MHz" if chosen else ""),
            effect="free clocks follow temperature and power: two hours differ; locked ones do not",
            command=f"{smi} --lock-gpu-clocks={chosen or top}",
            disturbs=bool(chosen and chosen < top),
        )


def _slowed(nvml: Any, asked: Asked, smi: str) -> Looks:
    bits = asked(slowing_call(nvml))
    if bits is not None:
        slowed = reasons(bits)
        yield Look(
            name="slowed by",
            found=slowed or "nothing",
            effect="the device holds its clocks down: every time is longer while it lasts",
            command=f"{smi} --query --display=PERFORMANCE,TEMPERATURE",
            disturbs=bool(slowed),
        )


def _power(_: Any, asked: Asked, smi: str) -> Looks:
    limit, usual = (asked(f"nvmlDeviceGetPowerManagement{name}") for name in _LIMITS)
    if limit and usual:
        yield Look(
            name="power limit",
            found=f"{limit * _MILLIWATTS:.0f} of {usual * _MILLIWATTS:.0f} W",
            effect="below the default, long kernels run at a lower clock than elsewhere",
            command=f"{smi} --power-limit={usual * _MILLIWATTS:.0f}",
            disturbs=limit < usual,
        )


_LIMITS = ("Limit", "DefaultLimit")


def _memory_check(_: Any, asked: Asked, smi: str) -> Looks:
    modes = asked("nvmlDeviceGetEccMode")
    if modes is not None:
        yield Look(
            name="ECC",
            found="on" if modes[0] else "off",
            effect="on GDDR it takes some bandwidth: compare devices of one setting",
            command=f"{smi} --ecc-config={int(not modes[0])}",
        )


def _mig(_: Any, asked: Asked, smi: str) -> Looks:
    modes = asked("nvmlDeviceGetMigMode")
    if modes is not None:
        yield Look(
            name="MIG",
            found="on" if modes[0] else "off",
            effect="on, the other instances share power and clocks",
            command=f"{smi} --multi-instance-gpu=0",
            disturbs=bool(modes[0]),
        )


def _processes(_: Any, asked: Asked, smi: str) -> Looks:
    found = asked("nvmlDeviceGetComputeRunningProcesses")
    if found is not None:
        yield Look(
            name="processes",
            found=f"{len(found)} compute there",
            effect="they take multiprocessors and bandwidth from samples",
            command=f"{smi} --query-compute-apps=pid,name,used_memory --format=csv",
            disturbs=bool(found),
        )


def _link(_: Any, asked: Asked, smi: str) -> Looks:
    width, most = (asked(f"nvmlDeviceGet{name}PcieLinkWidth") for name in ("Curr", "Max"))
    if width and most:
        yield Look(
            name="PCIe",
            found=f"x{width} of x{most}",
            effect="narrower, copies to the device take longer; times of kernels do not",
            command=f"{smi} --query --display=PCI" if width < most else "",
        )


def _unseen(root: Path) -> Looks:
    if (root / "proc/driver/nvidia/version").exists():
        yield Look(
            name="gpu",
            found="a driver of NVIDIA, and no package that asks it",
            effect="clocks, power and other processes of the device are not seen",
            command="pip install 'lnbench[nvml]'",
        )
