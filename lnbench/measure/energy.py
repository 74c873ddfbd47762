"""Joules: what a device or a processor has used, by its own counter, and what of it calls cost.

NVIDIA's counter moves about every 10 ms, not always, and is a second behind at worst: a shorter
sample says little (gpuopenanalytics/pynvml#18). RAPL's counts a whole package, whoever uses it.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from lnbench.measure.messages import EnergyMeasured

SAMPLE_S = 1.0
"""Least seconds of a sample, and of the rest before the first."""

SAMPLES = 3

WHOLE_S = (SAMPLES + 3) * SAMPLE_S
"""Seconds that it takes at least."""

Counter: TypeAlias = Callable[[], float]
"""Joules since some moment."""

_POWERCAP = Path("/sys/class/powercap")
_ZONES = ("package", "dram")  # memory is no part of a package; `core` and `uncore` are
_MILLIJOULES, _MICROJOULES = 1e-3, 1e-6


class EnergyError(Exception):
    """No counter can be read; the text says why."""


def measured(
    counter: Counter,
    calls: Callable[[int], object],
    call_s: float,
    *,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> EnergyMeasured:
    """Return the joules of a call beyond what the machine uses at rest.

    Args:
        counter: joules so far.
        calls: makes that many calls, and waits for them.
        call_s: about how long one takes.
        sleep: rests for some seconds.
        clock: tells the seconds.
    """
    sleep(SAMPLE_S)  # the counter may be as far behind the calls that were made before
    joules, begun = counter(), clock()
    sleep(SAMPLE_S)
    idle_watts = (counter() - joules) / (clock() - begun)
    stretch = max(1, round(SAMPLE_S / 10 / call_s))
    found = []
    for _ in range(1 + SAMPLES):
        number, joules, begun = 0, counter(), clock()
        while clock() - begun < SAMPLE_S:
            calls(stretch)
            number += stretch
        spent = counter() - joules
        found.append((spent - idle_watts * (clock() - begun)) / number)
    kept = found[1:]  # in the first the counter may still show the rest
    if min(kept) <= 0:
        return EnergyMeasured(reason="the counter shows no more than that of an idle machine")
    return EnergyMeasured(tuple(kept))


def device_counter(device: str, nvml: Any, handle: Any) -> Counter:
    """Return the counter of a device; EnergyError where there is none.

    Args:
        device: `cpu`, `cuda:0`, …
        nvml: NVML's module; None where it cannot be used.
        handle: what it calls the device.
    """
    if device == "cpu":
        return package_counter()
    if nvml is None:
        raise EnergyError(f"energy of {device} is read through NVML: pip install 'lnbench[nvml]'")
    ask = nvml.nvmlDeviceGetTotalEnergyConsumption
    try:
        ask(handle)
    except nvml.NVMLError as error:
        raise EnergyError(f"{device} has no energy counter: {error}") from None
    return lambda: float(ask(handle)) * _MILLIJOULES


def package_counter(root: Path = _POWERCAP) -> Counter:
    """Return the counter of all packages, and of their memory where that has its own.

    Raises:
        EnergyError: the system shows none, or not to this user.
    """
    zones = [
        zone
        for zone in sorted(root.glob("intel-rapl:*"))  # AMD's have that name too
        if _text(zone / "name").startswith(_ZONES)
    ]
    if not zones:
        raise EnergyError("this machine shows no energy counter (RAPL), as most virtual ones")
    try:
        parts = [_Zone(zone) for zone in zones]
    except PermissionError:
        raise EnergyError(
            "RAPL is readable for root alone: sudo chmod a+r /sys/class/powercap/*/energy_uj"
        ) from None
    return lambda: sum(part.joules() for part in parts)


class _Zone:
    """A counter that begins anew at its end, which it reaches within minutes."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._range = int(_text(folder / "max_energy_range_uj") or 0)
        self._last, self._sum = self._count(), 0

    def joules(self) -> float:
        """Return what was used since it was made."""
        count = self._count()
        self._sum += count - self._last + (self._range if count < self._last else 0)
        self._last = count
        return self._sum * _MICROJOULES

    def _count(self) -> int:
        return int(self._file.read_text())


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
