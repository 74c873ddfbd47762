"""What an NVIDIA device says of itself while it is measured, and samples taken again for it."""

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from lnbench.measure.messages import Reading

RETRIES = 3
"""How often a sample is taken again while the device holds its clocks down."""

_PAUSE_S = 0.2
"""For the device to cool before the first retry; twice as long before each further one."""

# Bits of nvmlDeviceGetCurrentClocksEventReasons that slow a device (nvml.h); idle clocks and
# those that somebody set are no disturbance.
_REASONS = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}

_MILLIWATTS = 1e-3

Result = TypeVar("Result")


class Telemetry:
    """Reads a device's counters by NVML; reads nothing where there is none."""

    def __init__(
        self,
        nvml: Any = None,
        handle: Any = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._nvml, self._handle, self._sleep = nvml, handle, sleep

    @classmethod
    def of(cls, device: str) -> "Telemetry":
        """Return the telemetry of a device: without NVML, its package or its answer, an idle one.

        NVML counts devices its own way: torch's is found by its number that is unique in the world.
        """
        if not device.startswith("cuda"):
            return cls()
        try:
            import pynvml
            import torch

            pynvml.nvmlInit()
            unique = torch.cuda.get_device_properties(device).uuid
            return cls(pynvml, pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{unique}"))
        # No package, no driver's library, no such number: a time without telemetry is a time.
        except Exception:  # noqa: BLE001
            return cls()

    def watched(self, take: Callable[[], Result]) -> tuple[Result, Reading | None]:
        """Return a sample and the reading after it; again while the device is slowed, boundedly."""
        sample, reading = take(), self.read()
        for retry in range(RETRIES):
            if reading is None or not reading.slowed_by:
                break
            self._sleep(_PAUSE_S * 2**retry)
            sample, reading = take(), self.read()
        return sample, reading

    def read(self) -> Reading | None:
        """Return what the counters say, or None where they cannot be read."""
        nvml, handle = self._nvml, self._handle
        if nvml is None:
            return None
        try:
            return Reading(
                sm_mhz=nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
                memory_mhz=nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
                celsius=nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
                watts=nvml.nvmlDeviceGetPowerUsage(handle) * _MILLIWATTS,
                slowed_by=_reasons(nvml, handle),
                others=_others(nvml, handle),
            )
        except nvml.NVMLError:
            return None


def _reasons(nvml: Any, handle: Any) -> str:
    """Return why the clocks are held down; the call has two names, the older one goes away."""
    ask = getattr(
        nvml,
        "nvmlDeviceGetCurrentClocksEventReasons",
        getattr(nvml, "nvmlDeviceGetCurrentClocksThrottleReasons", None),
    )
    bits = 0 if ask is None else int(ask(handle))
    return ", ".join(words for bit, words in _REASONS.items() if bits & bit)


def _others(nvml: Any, handle: Any) -> int | None:
    """Return how many processes of other sessions compute there.

    None where the driver's process numbers are not ours, as in a container: then nobody knows.
    """
    found = {process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    if os.getpid() not in found:
        return None
    return sum(_session(pid) != os.getsid(0) for pid in found)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
