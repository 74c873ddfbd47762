"""The interface of an operation: its inputs, its truth, its work, and how a kernel is called."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeAlias

import msgspec

from lnbench.plan.case import Case, Direction, DType, Tolerance, Work

Array: TypeAlias = Any
"""A host array of NumPy, with `ml_dtypes.bfloat16` for bfloat16."""

Arrays: TypeAlias = Mapping[str, Array]
"""Arrays by the name of an input or output."""


TOLERANCES: Mapping[DType, Tolerance] = {
    # Sums of a row in blocks lose a few units of roundoff (2⁻⁵³, 2⁻²⁴); sums over rows some more.
    DType.FLOAT64: Tolerance(absolute=2e-14, ceiling=1e-13),
    DType.FLOAT32: Tolerance(absolute=4e-6, ceiling=2e-5),
    # One rounding of the result (2⁻¹¹, 2⁻⁸ at the most between neighbours), and the sums' own.
    DType.FLOAT16: Tolerance(absolute=1e-3, ceiling=2e-3),
    DType.BFLOAT16: Tolerance(absolute=8e-3, ceiling=1.6e-2),
}
"""How far an output may be from the truth, by the coarsest type that it passed through."""


class Truth(msgspec.Struct, frozen=True):
    """The float64 truth of one output.

    An error counts in units of the larger of the true value and the product of `scales`.
    """

    values: Array
    """The true values, float64, in the shape of the output."""
    scales: tuple[Array, ...]
    """Factors, float64, each broadcastable to `values`, of the size that rounding acts on."""
    dtype: DType | None
    """The coarsest type that the output passes through; None judges it by its own type."""


class Hostile(msgspec.Struct, frozen=True):
    """Inputs on which real kernels were wrong."""

    name: str
    """What is nasty about them, in two or three words."""
    case: Case
    """The case that they belong to; its shape may differ from the case asked about."""
    inputs: Arrays
    """The inputs; strides may be odd or 0."""


class CopyTraffic(msgspec.Struct, frozen=True):
    """The bulk of a case's traffic, which `copy` moves to find the speed limit."""

    read: tuple[tuple[str, ...], ...]
    """One entry a transfer: names of the inputs that it adds up."""

    @property
    def arrays_moved(self) -> int:
        """Arrays read and written over all transfers."""
        return sum(len(names) + 1 for names in self.read)


class Operation(ABC):
    """The mathematics, without a word on who computes it.

    A plug-in registers a subclass under the entry-point group `lnbench.operations`.
    """

    name: ClassVar[str]
    """How users call it; lower case."""

    summary: ClassVar[str]
    """One phrase for `lnbench list operations`."""

    kernels: ClassVar[Mapping[str, str]] = {}
    """Framework → module with its kernels, imported on first use."""

    rows_are_cases: ClassVar[bool] = True
    """Whether a row of a case is a smaller case by itself, as `check` takes it."""

    rows_stand_alone: ClassVar[bool] = True
    """Whether what belongs to a row follows from that row alone."""

    statistics: ClassVar[frozenset[str]] = frozenset({"mean", "rstd"})
    """Outputs of forward that a kernel of another author need not return."""

    @abstractmethod
    def inputs(self, case: Case, seed: int) -> Arrays:
        """Return the inputs of a case, the same for the same seed, in the case's types."""

    @abstractmethod
    def reference(self, case: Case, inputs: Arrays) -> Mapping[str, Truth]:
        """Return the float64 truth of every output, computed from the rounded inputs."""

    @abstractmethod
    def work(self, case: Case) -> Work:
        """Return the least that a perfect kernel must move and compute."""

    @abstractmethod
    def bulk(self, case: Case) -> CopyTraffic:
        """Return what `copy` moves in the case's stead."""

    @abstractmethod
    def bind(
        self, kernels: Any, case: Case, arrays: Mapping[str, Any], out: tuple[Any, ...] | None
    ) -> Callable[[], tuple[Any, ...]]:
        """Return a call without arguments that runs one iteration of a framework's kernels.

        Args:
            kernels: what `self.kernels[framework]` names, or a backend's own.
            case: what to compute.
            arrays: the inputs as the framework's arrays, on the case's device.
            out: ready buffers in the order of `outputs`, or None to allocate.
        """

    @abstractmethod
    def outputs(self, case: Case) -> tuple[str, ...]:
        """Return the names of what `bind`'s call returns, in order; absent ones are None there."""

    def renewable(self, case: Case) -> tuple[str, ...]:
        """Return the inputs that may change between the calls of `bind`, which reads them anew.

        Of backward these are the gradients alone: its statistics belong to the x that it had.
        """
        return {
            Direction.FORWARD: ("x",),
            Direction.BACKWARD: ("dy",),
            Direction.STEP: ("x", "dy"),
        }[case.direction]

    @abstractmethod
    def memory_bytes(self, case: Case) -> int:
        """Return about how much memory one backend needs for inputs, outputs and scratch."""

    def hostile(self, case: Case, seed: int) -> Iterator[Hostile]:
        """Yield inputs that broke real kernels, in the case's types; `check` runs them all."""
        yield from ()
