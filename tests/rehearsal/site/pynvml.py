# ruff: noqa: N802  (the names are NVML's)
"""NVML of the devices without silicon: each has a clock of its own, steady at once."""

import time

NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0
CLOCKS_MHZ = {
    "GPU-00000000-0000-0000-0000-000000000000": 1980,
    "GPU-00000000-0000-0000-0000-000000000001": 1755,
}


class NVMLError(Exception):
    """What NVML refuses."""


def nvmlInit():
    pass


def nvmlDeviceGetHandleByUUID(unique):
    if unique not in CLOCKS_MHZ:
        raise NVMLError(unique)
    return unique


def nvmlDeviceGetClockInfo(handle, kind):
    return {NVML_CLOCK_SM: CLOCKS_MHZ[handle], NVML_CLOCK_MEM: 3201}[kind]


def nvmlDeviceGetTemperature(_, kind):
    return {NVML_TEMPERATURE_GPU: 40}[kind]


def nvmlDeviceGetPowerUsage(_):
    return 300_000


def nvmlDeviceGetTotalEnergyConsumption(_):
    """In mJ: 100 W at rest, and 200 more while this process, in place of the device, works."""
    return int(100_000 * time.monotonic() + 200_000 * time.process_time())


def nvmlDeviceGetCurrentClocksEventReasons(_):
    return 0


def nvmlDeviceGetComputeRunningProcesses(_):
    return []
