"""JAX: LayerNorm as its formula reads, compiled by XLA for one static shape.

JAX has no fused LayerNorm: `jit` of the formula is what its users run. Statistics are two-pass,
float32 for halves, and returned as all others' are; backward starts from them, and a step is
`jax.vjp` of forward in one `jit`. `ready` outputs are donated: each call is given the memory of the
results before, and XLA writes into it.

On the CPU a call runs in the caller's thread beside those of XLA's pool, one for each thread of the
case and on its CPUs, and has ended when it returns: JAX's own default hands every call to another
thread, and waits. On CUDA devices tensors
come and go by DLPack within the call: JAX's stream waits for torch's, and torch's for JAX's, so
that the clock of torch's stream sees all of the work, and the exchange.
"""

import importlib.util
import inspect
import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from lnbench.arrays import to_host, to_torch
from lnbench.backend import BoundRoutine, Routine, Timer, bound_call
from lnbench.jax_arrays import host_view, to_jax
from lnbench.kernel_backend import KernelBackend
from lnbench.measure.cuda_timing import CudaTimer
from lnbench.measure.stream import CudaStream
from lnbench.measure.timing import HostTimer
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Cache, Case, Output

_PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin")
_POOL = "PJRT_NPROC"  # how many threads XLA's client on the CPU starts (xla/pjrt/utils.cc)
_STATIC = ("eps", "has_bias")


class Jax(KernelBackend):
    """What XLA makes of the formula."""

    name = "jax"
    framework = "jax"
    summary = "JAX: the formula, compiled by XLA"
    third_party = True
    packages = ("jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda13-plugin")
    variables = ("JAX_*", "XLA_*")
    modules: ClassVar = {"jax": "jax is not installed: pip install 'lnbench[jax]'"}
    kernels: ClassVar = {"layernorm": "lnbench.backends.jax"}  # this file
    known_failings: ClassVar = {
        "constant rows": "what rounding the mean left is all that there is of a row",
        "mean 1e4, spread 1e-2": "the rounding of the mean is not taken off again",
        "huge values": "a step's gradient of the reciprocal root is its cube, which underflows",
    }

    def device_problem(self, device: str) -> str | None:
        """Return why not: JAX is missing, built without the device, or torch cannot use it."""
        kind = device.partition(":")[0]
        if kind not in ("cpu", "cuda"):
            return "lnbench runs JAX on the CPU and on CUDA devices"
        if (problem := super().device_problem(device)) or kind == "cpu":
            return problem
        if not any(map(importlib.util.find_spec, _PLUGINS)):
            return "this jax is built for the CPU only: pip install 'jax[cuda13]'"
        from lnbench.torch_backend import device_problem

        return device_problem(device)

    def case_problem(self, case: Case) -> str | None:
        """Return why JAX does not compute a case, or None."""
        if case.device_type == "cuda" and case.options.output is Output.READY:
            return "jax allocates its outputs on CUDA devices: torch holds what it has been lent"
        return None

    def routine(self, operation: Operation, case: Case, inputs: Arrays, threads: int) -> Routine:
        """Return a call of the compiled formula on arrays in memory of their own."""
        module, names = self.kernels_for(operation, case), operation.outputs(case)
        if case.device_type == "cuda":
            os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # others need some too
            tensors = {name: to_torch(array, case.device) for name, array in inputs.items()}
            call = operation.bind(_Compiled(module, _lent), case, tensors, None)
            return BoundRoutine(call, names, to_host, arrays=tensors)
        _start(threads)
        arrays = {name: to_jax(array) for name, array in inputs.items()}
        call = bound_call(operation, _Compiled(module, _ended), case, arrays, _Ready)
        views, details = {n: host_view(a) for n, a in arrays.items()}, {"threads": threads}
        return BoundRoutine(call, names, np.asarray, lambda: details, arrays=views)

    def timer(self, case: Case) -> Timer:
        """Return the host's clock, or events on torch's stream."""
        if case.device_type == "cpu":
            return HostTimer(case.options.cache)
        return _Events(CudaStream(case.device), cold=case.options.cache is Cache.COLD)


class _Events(CudaTimer):
    def settle(self, run: Callable[[], object], *_: Any) -> Callable[[], object]:
        """Return the routine, for events: a graph cannot capture what runs on JAX's stream."""
        return run


def _start(threads: int) -> None:
    """Have XLA start so many threads on the CPU, and run each call in the thread that makes it."""
    import jax
    from jax.extend.backend import clear_backends

    jax.config.update("jax_cpu_enable_async_dispatch", False)
    if os.environ.get(_POOL) != str(threads):
        os.environ[_POOL] = str(threads)
        clear_backends()


class _Ready:
    """The memory of a result, which goes from call to call, and a view of it."""

    def __init__(self, like: Any) -> None:
        import jax

        self.array = jax.numpy.empty_like(like)
        self.host = host_view(self.array)


class _Compiled:
    """The functions of a module, compiled when they are first called."""

    def __init__(self, module: Any, called: Callable[..., Callable[..., Any]]) -> None:
        self._module, self._called = module, called

    def __getattr__(self, name: str) -> Callable[..., tuple[Any, ...]]:
        """Return a function of the module as it is called on a device."""
        function = getattr(self._module, name)
        static = [i for i, p in enumerate(inspect.signature(function).parameters) if p in _STATIC]
        call = self._called(function, static)
        setattr(self, name, call)
        return call


def _ended(function: Callable[..., Any], static: list[int]) -> Callable[..., tuple[Any, ...]]:
    """Return a compiled function that ends when its results are there, in ready memory or not."""
    import jax

    allocating = jax.jit(function, static_argnums=static)
    # What is donated is not read, and must be kept among the arguments all the same.
    into = jax.jit(
        lambda _, *arguments: function(*arguments),
        static_argnums=[1 + place for place in static],
        donate_argnums=0,
        keep_unused=True,
    )

    def call(*arguments: Any, out: tuple[_Ready | None, ...] | None = None) -> tuple[Any, ...]:
        if out is None:
            return jax.block_until_ready(allocating(*arguments))
        given = [None if ready is None else ready.array for ready in out]
        results = jax.block_until_ready(into(given, *arguments))
        for ready, result in zip(out, results, strict=True):
            if ready is not None:
                ready.array = result
        return tuple(None if ready is None else ready.host for ready in out)

    return call


def _lent(function: Callable[..., Any], static: list[int]) -> Callable[..., tuple[Any, ...]]:
    """Return a compiled function on torch's tensors, which JAX is lent and lends back."""
    import jax
    import torch

    compiled = jax.jit(function, static_argnums=static)

    def to_lend(argument: Any) -> Any:
        tensor = isinstance(argument, torch.Tensor)
        return jax.dlpack.from_dlpack(argument.contiguous()) if tensor else argument

    def call(*arguments: Any, **_: None) -> tuple[Any, ...]:
        results = compiled(*map(to_lend, arguments))
        return tuple(None if each is None else torch.from_dlpack(each) for each in results)

    return call


def forward(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """Return y in x's type, and mean and rstd in the type that it was computed in."""
    import jax

    wide = _wide(x)
    mean = wide.mean(axis=1, keepdims=True)
    centred = wide - mean
    rstd = jax.lax.rsqrt((centred * centred).mean(axis=1, keepdims=True) + eps)
    y = centred * rstd
    y = y if weight is None else y * _wide(weight)
    y = y if bias is None else y + _wide(bias)
    return y.astype(x.dtype), mean[:, 0], rstd[:, 0]


def backward(
    dy: Any,
    x: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    has_bias: bool,  # noqa: FBT001  (the interface of every framework's backward)
) -> tuple[Any, Any, Any]:
    """Return dx in x's type, and dw and db in weight's; None where there is no weight or bias."""
    normal, grad = (_wide(x) - mean[:, None]) * rstd[:, None], _wide(dy)
    g = grad if weight is None else grad * _wide(weight)
    along = normal * (g * normal).mean(axis=1, keepdims=True)
    dx = (g - g.mean(axis=1, keepdims=True) - along) * rstd[:, None]
    kind = x.dtype if weight is None else weight.dtype
    dw = None if weight is None else (grad * normal).sum(axis=0).astype(kind)
    db = grad.sum(axis=0).astype(kind) if has_bias else None
    return dx.astype(x.dtype), dw, db


def step(x: Any, weight: Any, bias: Any, eps: float, dy: Any) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db by `jax.vjp`, as a user's training step computes them."""
    import jax

    def affine(x: Any, weight: Any, bias: Any) -> Any:
        return forward(x, weight, bias, eps)[0]

    y, pullback = jax.vjp(affine, x, weight, bias)
    return y, *pullback(dy)


def _wide(array: Any) -> Any:
    return array.astype("float32") if array.dtype.itemsize == 2 else array  # noqa: PLR2004
