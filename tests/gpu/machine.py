"""What a machine lacks to run the GPU checks, one line each, and what it has.

    python tests/gpu/machine.py

Exits with 1 where anything is missing; `run.sh` asks before every part.
"""

import importlib
import importlib.metadata
import sys
from pathlib import Path

NEEDED = {
    "torch": "torch",
    "triton": "triton",
    "numpy": "numpy",
    "msgspec": "msgspec",
    "typer": "typer",
    "rich": "rich",
    "ml_dtypes": "ml-dtypes",
    "yaml": "pyyaml",
    "pynvml": "nvidia-ml-py",
    "liger_kernel": "liger-kernel",
    "pytest": "pytest",
    "pytest_timeout": "pytest-timeout",
    "xdist": "pytest-xdist",
    "hypothesis": "hypothesis",
    "lnbench": "lnbench",
}
"""Module → the distribution that has it."""


def missing() -> list[str]:
    """Return a line for each thing that is not there; print a line for each that is."""
    lacking = []
    for module, distribution in NEEDED.items():
        try:
            importlib.import_module(module)
            print(f"{distribution} {importlib.metadata.version(distribution)}", end="  ")
        # An import may fail in any way; the line says how.
        except Exception as error:  # noqa: BLE001
            lacking.append(f"{distribution} is missing: {type(error).__name__}: {error}")
    print()
    if not lacking:
        lacking = devices()
    return lacking


def devices() -> list[str]:
    """Print each device and the memory of the host; return a line where torch sees no device."""
    import torch

    if torch.version.cuda is None:
        return [f"torch {torch.__version__} is built for the CPU only: no CUDA"]
    if not torch.cuda.is_available():
        return [f"torch {torch.__version__} sees no CUDA device"]
    for index in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(index)
        print(
            f"cuda:{index} {found.name}, {found.multi_processor_count} multiprocessors, "
            f"L2 {found.L2_cache_size >> 20} MiB, {found.total_memory >> 30} GiB"
        )
    memory = Path("/proc/meminfo").read_text().splitlines()
    print("; ".join(line for line in memory if line.startswith(("MemTotal", "MemAvailable"))))
    return []


if __name__ == "__main__":
    if lacking := missing():
        print("\n".join(lacking), file=sys.stderr)
        sys.exit(1)
