"""lnbench's own Triton kernels."""

import importlib.util
import os
from typing import Any, ClassVar

from lnbench.backend import Availability, Available, Details
from lnbench.plan.case import Case
from lnbench.torch_backend import TorchBackend

_INTERPRETER = "TRITON_INTERPRET"


class Triton(TorchBackend):
    """Kernels compiled by Triton for the device, or interpreted on the CPU."""

    name = "triton"
    framework = "triton"
    summary = "lnbench's Triton kernels"
    modules: ClassVar = {"triton": "triton is not installed: pip install 'lnbench[triton]'"}

    def availability(self, device: str) -> Availability:
        """Return the reason why not, or that the kernels are interpreted on the CPU."""
        answer = super().availability(device)
        on_cpu = device.partition(":")[0] == "cpu"
        return Available("interpreted") if on_cpu and answer == Available() else answer

    def device_problem(self, device: str) -> str | None:
        """Return why the device is none that Triton compiles for, or that it is not installed."""
        kind = device.partition(":")[0]
        if kind not in ("cpu", "cuda"):
            return f"triton compiles for CUDA devices, not for {device}"
        if kind == "cpu" and not _interpreted():
            return f"triton needs a CUDA device; {_INTERPRETER}=1 interprets it on the CPU, slowly"
        return super().device_problem(device)

    def preload(self) -> None:
        """Import triton; an operation's kernels come with its first case."""
        if importlib.util.find_spec("triton") is not None:
            import triton  # noqa: F401

    def details(self, kernels: Any, case: Case) -> Details:
        """Return the launch that the first call may have tuned, and whether it is interpreted."""
        launch = dict(kernels.details(case)) if hasattr(kernels, "details") else {}
        return launch | {"interpreted": True} if _interpreted() else launch


def _interpreted() -> bool:
    return os.environ.get(_INTERPRETER) == "1"
