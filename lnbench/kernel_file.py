"""A kernel of the user's own as a backend: functions of a file, a callable, or a torch module.

The file is run where its routine is made, in a worker. Its functions get the arrays that lnbench
holds, as they would in their author's code; no frame of ours is in a timed call.
"""

import functools
import hashlib
import importlib
import importlib.util
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from lnbench.arrays import own_copy, to_host, to_torch, write
from lnbench.backend import (
    Availability,
    Available,
    Backend,
    BoundRoutine,
    Details,
    Routine,
    Timer,
    Unavailable,
)
from lnbench.jax_arrays import host_view, to_jax
from lnbench.kernel_calls import Call, Framework, KernelError, bind
from lnbench.kernel_loading import kernels_in, loaded
from lnbench.measure.devices import torch_problem
from lnbench.measure.timing import HostTimer, device_timer
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case
from lnbench.plan.kernel import Kernel


class KernelFile(Backend):
    """What one file computes."""

    third_party = True

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.name = kernel.name  # type: ignore[misc]  # one class, a name for each file
        self.framework = kernel.framework  # type: ignore[misc]
        self.summary = f"your own kernel ({kernel.framework})"  # type: ignore[misc]
        self.torch_threads = kernel.framework == "torch"  # type: ignore[misc]

    def availability(self, device: str) -> Availability:
        """Return why not: its framework is not installed, or has no arrays there."""
        framework = self._kernel.framework
        if framework == "torch":
            if problem := torch_problem():
                return Unavailable(problem)
            from lnbench.torch_backend import device_problem

            reason = device_problem(device)
            return Unavailable(reason) if reason else Available()
        if importlib.util.find_spec(framework) is None:
            return Unavailable(f"{self.name} takes {framework}'s arrays, which is not installed")
        if device.partition(":")[0] != "cpu":
            whose = "NumPy" if framework == "numpy" else "JAX"
            return Unavailable(f"{self.name} takes {whose} arrays, here on the CPU: --device cpu")
        return Available()

    def preload(self) -> None:
        """Import the framework; the file itself is run in workers only."""
        importlib.import_module(self._kernel.framework)

    def timer(self, case: Case) -> Timer:
        """Return the clock of the case's device."""
        if self._kernel.framework == "torch":
            return device_timer(case)
        return HostTimer(case.options.cache)

    def routine(self, operation: Operation, case: Case, inputs: Arrays, threads: int) -> Routine:
        """Return the call of the file's functions on arrays; raises with words for their author."""
        arrays, framework = _arrays(self._kernel.framework, case, inputs, threads)
        kernels = kernels_in(loaded(self._kernel), self._kernel)
        call = bind(kernels, operation, case, arrays, inputs, framework, self.name)
        digest = hashlib.sha256(Path(self._kernel.path).read_bytes()).hexdigest()
        details = {"framework": framework.name, "sha256": digest, **call.details}
        if framework.name == "jax":
            return _JaxRoutine(self.name, case, operation, _ended(call), arrays, details)
        return _KernelRoutine(self.name, case, operation, call, arrays, details)


_PLAIN_ITERATION = (tuple.__iter__, list.__iter__)


class _KernelRoutine(BoundRoutine):
    """What a user's function returns may be anything: it is looked at before it is taken apart."""

    def __init__(
        self,
        name: str,
        case: Case,
        operation: Operation,
        call: Call,
        arrays: dict[str, Any],
        details: Details,
    ) -> None:
        super().__init__(call.run, call.names, self._host, lambda: details, arrays=arrays)
        self._name, self._case, self._operation = name, case, operation

    def host(self, results: Any) -> Arrays:
        """Return the results by name."""
        return super().host(self._all(results))

    def rows_of(self, results: Any, rows: slice, by_row: Collection[str], *, rest: bool) -> Arrays:
        """Return host arrays of some rows."""
        for result in (results := self._all(results)):
            self._check(result)
        return super().rows_of(results, rows, by_row, rest=rest)

    def _all(self, results: Any) -> tuple[Any, ...]:
        """Return the results with None for statistics that are left out; KernelError else."""
        kind = type(results)
        if isinstance(results, tuple | list) and kind.__iter__ not in _PLAIN_ITERATION:
            raise KernelError(f"{self._case.direction} returned a {kind.__name__}, not a tuple")
        given = tuple(results) if isinstance(results, tuple | list) else (results,)
        least = [name for name in self._names if name not in self._operation.statistics]
        if results is None or not len(least) <= len(given) <= len(self._names):
            shapes = " and ".join(f"({', '.join(map(str, _shape(each)))})" for each in given)
            what = "None" if results is None else f"{len(given)} results of shape {shapes}"
            what = what.replace("1 results", "1 result")
            all_of = ", ".join(self._names)
            wanted = (
                all_of if len(least) == len(self._names) else f"{', '.join(least)}, or {all_of}"
            )
            direction = self._case.direction
            raise KernelError(
                f"{direction} returned {what}; {self._operation.name}'s {direction} "
                f"returns {wanted}"
            )
        return (*given, *[None] * (len(self._names) - len(given)))

    def _host(self, result: Any) -> Any:
        self._check(result)
        return to_host(result) if hasattr(result, "data_ptr") else result

    def _check(self, result: Any) -> None:
        """Raise where a result is no array of the framework, or lies elsewhere."""
        if result is None:
            return
        own, direction = next(iter((self.arrays or {}).values())), self._case.direction
        if type(result) is not type(own):
            kind = f"{type(own).__module__.partition('.')[0]}.{type(own).__name__}"
            raise KernelError(f"{direction} returned a {type(result).__name__}, not a {kind}")
        if hasattr(result, "data_ptr") and result.device != own.device:
            raise KernelError(f"{direction} returned a tensor on {result.device}, not {own.device}")


class _JaxRoutine(_KernelRoutine):
    """JAX's arrays never change to their owner: new values are written beneath them."""

    def write(self, name: str, rows: slice, values: Any) -> None:
        """Put new values into rows of an input, in the memory that calls read."""
        assert self.arrays is not None  # noqa: S101  (made with them)
        write(host_view(self.arrays[name]), rows, values)

    def _host(self, result: Any) -> Any:
        import numpy as np

        return np.asarray(result)


def _ended(call: Call) -> Call:
    """Return a call that ends when JAX has ended."""
    import jax

    return call._replace(run=lambda: jax.block_until_ready(call.run()))


def _shape(result: Any) -> tuple[int, ...]:
    return tuple(getattr(result, "shape", ()))


def _arrays(
    framework: str, case: Case, inputs: Arrays, threads: int
) -> tuple[dict[str, Any], Framework]:
    """Return the inputs as a framework's arrays, and how others are made."""
    if framework == "torch":
        import torch

        torch.set_num_threads(threads)
        take: Callable[[Any], Any] = functools.partial(to_torch, device=case.device)
        empty_like = torch.empty_like
    elif framework == "jax":
        import jax

        take, empty_like = to_jax, jax.numpy.empty_like
    else:
        import numpy as np

        take, empty_like = own_copy, np.empty_like
    return {n: take(a) for n, a in inputs.items()}, Framework(framework, take, empty_like)
