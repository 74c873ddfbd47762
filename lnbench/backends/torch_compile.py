"""torch.compile: the same operators, compiled by inductor for one static shape."""

import importlib
import importlib.util
import inspect
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch

from lnbench.operation import Operation
from lnbench.plan.case import Case
from lnbench.torch_backend import TorchBackend


class TorchCompile(TorchBackend):
    """What inductor makes of ATen's operators, in its default mode."""

    name = "torch-compile"
    framework = "torch"
    summary = "torch.compile (inductor, default mode)"
    third_party = True
    mode: ClassVar[str] = "default"
    """The mode of `torch.compile`."""
    known_failings: ClassVar[Mapping[str, str]] = {
        "constant rows": "inductor's mean of equal elements is a few roundings off them"
    }

    def __init__(self) -> None:
        self._compiled_for: Case | None = None

    def device_problem(self, device: str) -> str | None:
        """Return why torch cannot use the device, or inductor cannot compile for it."""
        return super().device_problem(device) or compiler_problem(device)

    def kernels_for(self, operation: Operation, case: Case) -> Any:
        """Return the compiled operators; their first call compiles."""
        kernels = super().kernels_for(operation, case)
        if case != self._compiled_for:
            torch.compiler.reset()  # a second shape would be compiled with dynamic sizes
            self._compiled_for = case
        return Compiled(kernels, self.mode)

    def preload(self) -> None:
        """Compile what normalizes rows, so that a worker's first compilation is its own only.

        A torch that is built for GPUs asks them for their state whenever it compiles, also for the
        CPU (`preserve_global_state` of dynamo, the cache key of inductor), and 2.11 opens them when
        `torch._inductor.compile_fx` is imported. A process that has asked must not be forked: then
        dynamo is imported and no more.
        """
        if torch.version.cuda is not None or torch.version.hip is not None:
            importlib.import_module("torch._dynamo")
        elif compiler_problem("cpu") is None:
            for _ in "by file", "from the cache":
                torch.compile(_normalized, dynamic=False)(torch.ones(2, 32))
                torch.compiler.reset()


class TorchCompileMax(TorchCompile):
    """What inductor makes of them after trying its configurations on the device."""

    name = "torch-compile-max"
    summary = "torch.compile (inductor, max-autotune-no-cudagraphs)"
    mode = "max-autotune-no-cudagraphs"

    def device_problem(self, device: str) -> str | None:
        """Return as `TorchCompile` does, but for the CPU, where there is nothing to tune."""
        if device.partition(":")[0] == "cpu":
            return "on the CPU max-autotune tunes matrix products alone: use torch-compile"
        return super().device_problem(device)


class Compiled:
    """A kernel module whose functions are compiled when they are first asked for."""

    def __init__(self, kernels: Any, mode: str = "default") -> None:
        self._kernels = kernels
        self._mode = mode

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a function of the module, compiled.

        A function that takes another one of the module, as `step` takes `layer_norm`, runs autograd
        itself and stays as it is: it is handed the compiled one.
        """
        function = getattr(self._kernels, name)
        inner = [taken for taken in inspect.signature(function).parameters if self._has(taken)]
        if inner:
            compiled: Callable[..., Any] = partial(
                function, **{taken: getattr(self, taken) for taken in inner}
            )
        else:
            compiled = torch.compile(function, dynamic=False, mode=self._mode)
        setattr(self, name, compiled)
        return compiled

    def _has(self, name: str) -> bool:
        return inspect.isfunction(getattr(self._kernels, name, None))


def compiler_problem(device: str) -> str | None:
    """Return what inductor lacks to compile for a device, or None."""
    if device.partition(":")[0] != "cpu":
        if importlib.util.find_spec("triton") is None:
            return "inductor compiles for this device with triton: pip install triton"
        return None
    compiler, command = ("g++", "apt install g++")
    if sys.platform == "darwin":
        compiler, command = ("clang++", "xcode-select --install")
    if shutil.which(os.environ.get("CXX", compiler)) is None:
        return f"torch.compile needs a C++ compiler on the CPU: {command}"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "torch.compile needs Python.h on the CPU: apt install python3-dev"
    return None


def _normalized(x: Any) -> Any:
    """Return sums over rows and over columns, as forward and backward take."""
    centred = x - x.mean(1, keepdim=True)
    return centred * (centred * centred).mean(1, keepdim=True).rsqrt(), centred.sum(0)
