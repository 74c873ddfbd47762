"""The interface of a backend: whether it can run here, and a routine that does."""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import Any, ClassVar, Protocol, TypeAlias

import msgspec

from lnbench.arrays import write
from lnbench.operation import Arrays, CopyTraffic, Operation, Truth
from lnbench.plan.case import Case, Output


class Available(msgspec.Struct, frozen=True):
    """The backend runs on this device."""

    note: str = ""
    """What a reader of its times must know, such as `interpreted`; mostly empty."""


class Unavailable(msgspec.Struct, frozen=True):
    """The backend does not run on this device."""

    reason: str
    """Why not, and what to install."""


Availability: TypeAlias = Available | Unavailable
"""Whether a backend runs, with the reason why not."""

Details: TypeAlias = Mapping[str, str | int | float | bool]
"""Scalars that a report keeps of a routine, by name."""


class UnsupportedError(Exception):
    """A backend does not compute a case; raised by `routine`, it skips the row with its words."""


class Timer(Protocol):
    """A clock that times iterations of a routine on one device."""

    resolution_s: float
    """Smallest difference that the clock shows, plus what reading it costs, in seconds."""

    def time(self, run: Callable[[], object], iterations: int) -> float:
        """Return the seconds that `iterations` calls took together."""

    def synchronize(self) -> None:
        """Wait until the device has done all that it was asked."""


class Routine(ABC):
    """A kernel bound to arrays, ready to run."""

    @abstractmethod
    def run(self) -> Any:
        """Run one iteration and return its results, in whatever form `host` reads."""

    @abstractmethod
    def host(self, results: Any) -> Arrays:
        """Return results of `run` as host arrays by output name, without a copy where possible."""

    def write(self, name: str, rows: slice, values: Any) -> None:
        """Put host values into rows of an input, where every later call reads them.

        A routine that does not offer it cannot be watched: its rows carry the caveat `unwatched`.
        """
        raise NotImplementedError

    def rows_of(self, results: Any, rows: slice, by_row: Collection[str], *, rest: bool) -> Arrays:
        """Return host arrays of some rows of results of `run`, by output name.

        `by_row` names the outputs that have rows; the `rest` is wanted whole, or not.
        """
        outputs = self.host(results)
        return {
            name: array[rows] if name in by_row else array
            for name, array in outputs.items()
            if rest or name in by_row
        }

    def details(self) -> Details:
        """Return scalars worth recording, such as the kernel's configuration."""
        return {}

    def close(self) -> None:
        """Release what `__init__` took, such as a thread pool."""


class BoundRoutine(Routine):
    """The routine of most backends: a call of kernels, and how their results are read."""

    def __init__(
        self,
        call: Callable[[], tuple[Any, ...]],
        names: tuple[str, ...],
        to_host: Callable[[Any], Any],
        details: Callable[[], Details] = dict,
        *,
        arrays: Mapping[str, Any] | None = None,
    ) -> None:
        """Bind a call.

        Args:
            call: one iteration.
            names: of its results, in order.
            to_host: what makes a host array of a result, without a copy where possible.
            details: scalars worth recording.
            arrays: the inputs that every call reads, in memory that may be written; None where
                there are none.
        """
        self.arrays = arrays
        self.run = call  # type: ignore[method-assign]  # no frame of ours in a timed call
        self._names = names
        self._to_host = to_host
        self._details = details

    def run(self) -> Any:
        """Run one iteration; `__init__` puts the call itself here."""
        raise NotImplementedError

    def host(self, results: Any) -> Arrays:
        """Return the results that are there, by name."""
        named = zip(self._names, results, strict=True)
        return {name: self._to_host(result) for name, result in named if result is not None}

    def write(self, name: str, rows: slice, values: Any) -> None:
        """Put new values into rows of one of the arrays."""
        if self.arrays is None:
            raise NotImplementedError
        write(self.arrays[name], rows, values)

    def rows_of(self, results: Any, rows: slice, by_row: Collection[str], *, rest: bool) -> Arrays:
        """Return host arrays of some rows; of a device's results no more than these are copied."""
        if all(getattr(result, "is_cpu", True) for result in results):
            return super().rows_of(results, rows, by_row, rest=rest)
        named = zip(self._names, results, strict=True)
        wanted = {
            name: result[rows] if name in by_row else result
            for name, result in named
            if result is not None and (rest or name in by_row)
        }
        return {name: self._to_host(result) for name, result in wanted.items()}

    def details(self) -> Details:
        """Return what is known by now, as of a kernel that its first call has tuned."""
        return self._details()


def bound_call(
    operation: Operation,
    kernels: Any,
    case: Case,
    arrays: Mapping[str, Any],
    empty_like: Callable[[Any], Any],
) -> Callable[[], tuple[Any, ...]]:
    """Return one iteration of a framework's kernels, on ready outputs where the case says so."""
    call = operation.bind(kernels, case, arrays, None)
    if case.options.output is Output.ALLOCATED:
        return call
    out = tuple(None if result is None else empty_like(result) for result in call())
    return operation.bind(kernels, case, arrays, out)


def missing_module(modules: Mapping[str, str]) -> str | None:
    """Return the reason that goes with the first module that is not installed, or None."""
    reasons = (reason for name, reason in modules.items() if importlib.util.find_spec(name) is None)
    return next(reasons, None)


class Backend(ABC):
    """Who computes.

    A plug-in registers a subclass under the entry-point group `lnbench.backends`.
    """

    name: ClassVar[str]
    """How users call it; lower case, with hyphens."""

    framework: ClassVar[str]
    """Whose arrays it takes: the key of `Operation.kernels` that it speaks."""

    summary: ClassVar[str]
    """One phrase for `lnbench list backends`."""

    third_party: ClassVar[bool] = False
    """Whether its kernels are another project's: where they are no closer to the truth than torch
    is, but beyond the ceiling that lnbench sets itself, the row gets a caveat and still a time."""

    packages: ClassVar[tuple[str, ...]] = ()
    """Distributions whose versions explain its times, beside those that are always recorded."""

    variables: ClassVar[tuple[str, ...]] = ()
    """Environment variables that explain its times, by name or glob, such as `XLA_*`."""

    kernels: ClassVar[Mapping[str, str]] = {}
    """Operation → module with this backend's own kernels; looked at before the operation's."""

    torch_threads: ClassVar[bool] = False
    """Whether its threads are those of torch's OpenMP, each bound to a CPU of its own. The import
    binds the process to the first of them: other pools are given all CPUs of the session back."""

    known_failings: ClassVar[Mapping[str, str]] = {}
    """Hostile inputs → why third-party kernels are wrong on them: `check` says so and goes on."""

    @abstractmethod
    def availability(self, device: str) -> Availability:
        """Return whether the backend runs on `device` (`cpu`, `cuda:0`); never raises."""

    @abstractmethod
    def routine(self, operation: Operation, case: Case, inputs: Arrays, threads: int) -> Routine:
        """Return the routine of a case; raises where the case cannot be prepared.

        UnsupportedError says that the backend has no kernel for it: the row is skipped, not failed.

        Args:
            operation: what the case computes.
            case: the case; its device is available.
            inputs: host arrays, read-only, by name.
            threads: how many threads a CPU routine may use.
        """

    @abstractmethod
    def timer(self, case: Case) -> Timer:
        """Return the clock for the case's device and cache state."""

    def preload(self) -> None:
        """Import what a worker needs, in the nursery, before workers are forked.

        Must start no thread and touch no device.
        """

    def preload_kernels(self, kernels: ModuleType) -> None:
        """Make ready, in the nursery, what a first call of an operation's kernels would load.

        Must start no thread and touch no device.

        Args:
            kernels: the module of an operation's kernels, which has just been imported.
        """

    def truth(self, operation: Operation, case: Case, inputs: Arrays) -> Mapping[str, Truth] | None:
        """Return this backend's own truth where it does not compute the operation, else None."""
        return None

    def bulk(self, operation: Operation, case: Case) -> CopyTraffic | None:
        """Return what this backend moves where it is the speed limit itself, else None."""
        return None
