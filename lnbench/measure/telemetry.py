"""What an NVIDIA device says of itself while it is measured, and samples taken again for it."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lnbench.measure import energy
from lnbench.measure.messages import Reading

SESSION = "LNBENCH_SESSION"
"""Set to the session's process for all that it starts, so that these know each other."""

RETRIES = 3
"""How often a sample is taken again while the device holds its clocks down."""

_PAUSE_S = 0.2
"""For the device to cool before the first retry; twice as long before each further one."""

STEADY = 0.02
"""By how much the clock of the multiprocessors may still change, as a share, when it is steady."""

_BURST_S = 0.05
_BURSTS, _LEAST_BURSTS = 20, 2  # a clock that has not begun to rise looks steady
_UNSEEN_BURSTS = 4  # where the clock cannot be read

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
Counter = TypeVar("Counter")


class Telemetry:
    """Reads a device's counters by NVML; reads nothing where there is none."""

    def __init__(
        self,
        nvml: Any = None,
        handle: Any = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._nvml, self._handle, self._sleep = nvml, handle, sleep
        self._retries = RETRIES

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
        """Return a sample and the reading after it; again while the device is slowed, boundedly.

        A device that no pause helps, as one that works at its power limit, is not waited for again.
        """
        sample, reading = take(), self.read()
        for retry in range(self._retries):
            if reading is None or not reading.slowed_by:
                return sample, reading
            self._sleep(_PAUSE_S * 2**retry)
            sample, reading = take(), self.read()
        if reading is not None and reading.slowed_by:
            self._retries = 0
        return sample, reading

    def warm(self, work: Callable[[], object]) -> None:
        """Work until the multiprocessors' clock is steady, or for a second at most.

        An idle device sits at 345 MHz, as it does while the host compares results, and takes some
        time to come up to 1980: the first samples would be slow.
        """
        before: float | None = None
        for burst in range(_BURSTS):
            end = time.perf_counter() + _BURST_S
            while time.perf_counter() < end:
                work()
            reading = self.read()
            now = None if reading is None else reading.sm_mhz
            if now is None and burst + 1 >= _UNSEEN_BURSTS:
                return
            steady = now is not None and before is not None and abs(now - before) <= STEADY * now
            if steady and burst >= _LEAST_BURSTS:
                return
            before = now

    def energy(self, device: str) -> energy.Counter:
        """Return the energy counter of a device; EnergyError where there is none to be read."""
        return energy.device_counter(device, self._nvml, self._handle)

    def read(self) -> Reading | None:
        """Return what the counters say, each None where it cannot be read; None without NVML."""
        nvml, handle = self._nvml, self._handle
        if nvml is None:
            return None

        def asked(ask: Callable[..., Counter], *more: object) -> Counter | None:
            try:
                return ask(handle, *more)
            except nvml.NVMLError:
                return None

        milliwatts = asked(nvml.nvmlDeviceGetPowerUsage)
        return Reading(
            sm_mhz=asked(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM),
            memory_mhz=asked(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_MEM),
            celsius=asked(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
            watts=None if milliwatts is None else milliwatts * _MILLIWATTS,
            slowed_by=reasons(asked(slowing_call(nvml)) or 0),
            others=_others(asked(nvml.nvmlDeviceGetComputeRunningProcesses) or []),
        )


def slowing_call(nvml: Any) -> Callable[[Any], int]:
    """Return what asks why the clocks are held down; it has two names, the older one goes away."""
    call: Callable[[Any], int] = getattr(
        nvml,
        "nvmlDeviceGetCurrentClocksEventReasons",
        getattr(nvml, "nvmlDeviceGetCurrentClocksThrottleReasons", lambda _: 0),
    )
    return call


def reasons(bits: int) -> str:
    """Return what slows the device, in words."""
    return ", ".join(words for bit, words in _REASONS.items() if bits & bit)


def _others(processes: Sequence[Any]) -> int | None:
    """Return how many processes that are not this session's compute there.

    None where the driver's process numbers are not ours, as in a container: then nobody knows.
    """
    pids = {process.pid for process in processes}
    if os.getpid() not in pids:
        return None
    session = int(os.environ.get(SESSION, os.getpid()))
    return sum(session not in _line_of(pid) for pid in pids)


def _line_of(pid: int) -> Iterator[int]:
    """Yield a process and those it descends from, as far as they can be seen."""
    while pid > 0:
        yield pid
        try:
            # The name, which may hold anything, is in parentheses; behind it: state and parent.
            behind = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
            pid = int(behind.rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
