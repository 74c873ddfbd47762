"""Accelerators, asked through the framework that knows them; only in a process that may load it."""

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from functools import cache

from lnbench.record.environment import Device
from lnbench.units import one_line

WITHOUT_TORCH = "LNBENCH_WITHOUT_TORCH"
"""Tells processes why they must not import torch; not there where they may."""


@cache
def torch_problem() -> str:
    """Return why torch cannot be used here, empty where it can; it is imported once."""
    if told := os.environ.get(WITHOUT_TORCH):
        return told
    try:
        torch = importlib.import_module("torch")
    # A library that is missing, or of another version, may raise anything.
    except Exception as error:  # noqa: BLE001
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            return "torch is not installed: pip install torch"
        return f"torch cannot be imported: {type(error).__name__}: {one_line(str(error))}"
    # Of a package that was taken away the folder may be left, which Python imports too.
    return (
        "" if hasattr(torch, "cuda") else "torch is not whole: pip install --force-reinstall torch"
    )


def accelerators(used: Sequence[str]) -> tuple[dict[str, Device], dict[str, int]]:
    """Return torch's accelerators by name, and the bytes that are free on those used.

    There are none without torch.

    Args:
        used: devices as users name them, `auto` too. To be asked what is free a device gets a
            context: those that are not used are left alone.
    """
    if torch_problem():
        return {}, {}
    import torch

    devices: dict[str, Device] = {}
    free: dict[str, int] = {}
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            devices[f"cuda:{index}"] = Device(
                name=properties.name,
                driver=_driver(),
                capability=f"{properties.major}.{properties.minor}",
                memory_bytes=properties.total_memory,
                cache_bytes=properties.L2_cache_size,
                processors=properties.multi_processor_count,
            )
            if f"cuda:{index}" in used or (index == 0 and "auto" in used):
                with contextlib.suppress(RuntimeError):  # another process has it for itself
                    free[f"cuda:{index}"] = torch.cuda.mem_get_info(index)[0]
    return devices, free


def release_memory() -> None:
    """Give back what a framework keeps of a device's memory for itself.

    Raises:
        RuntimeError: the device failed; it goes on failing, and a later call would be blamed.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()
        torch.cuda.empty_cache()


def _driver() -> str:
    """Return the version of NVIDIA's kernel driver, or what can be said without it."""
    try:
        with open("/proc/driver/nvidia/version", encoding="utf-8") as file:  # noqa: PTH123
            return file.readline().split("Kernel Module")[-1].split()[0]
    except (OSError, IndexError):
        return "unknown"
