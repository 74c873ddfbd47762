"""What came of a benchmark: measured, skipped or failed; in memory as in the file."""

import functools
import math
import statistics
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

import msgspec
from msgspec import Meta

from lnbench.plan.case import Benchmark, Case, Direction, DType, Options, Work

Seconds: TypeAlias = Annotated[float, Meta(ge=0)]
Joules: TypeAlias = Annotated[float, Meta(gt=0)]
Count: TypeAlias = Annotated[int, Meta(ge=0)]

Scalar: TypeAlias = str | int | float | bool
"""What a backend may have recorded about itself."""

SideName: TypeAlias = Literal["", "baseline", "candidate"]
"""Which side of a comparison something belongs to; empty where there are no sides."""


class Stage(StrEnum):
    """Where in its life a benchmark failed."""

    PREPARE = "prepare"
    VERIFY = "verify"
    MEASURE = "measure"


class Stopped(StrEnum):
    """Why no further pass was taken."""

    PRECISION = "precision"
    TIME = "time"
    PASSES = "passes"
    DECIDED = "decided"


class CaveatKind(StrEnum):
    """Why a number should be read with care."""

    SEQUENTIAL = "sequential"
    """The backends of the case did not fit beside each other: rounds are not paired."""
    SPAWNED = "spawned"
    """Workers were started anew, not forked from a nursery."""
    INTERPRETED = "interpreted"
    """Ran in an interpreter: the time says nothing about the compiled kernel."""
    LOST_PASSES = "lost-passes"
    """A worker died in a later pass; its times are missing there."""
    ABOVE_COPY = "above-copy"
    """Faster than the copy on a set larger than the cache: a measuring error, no record."""
    SINGLE_PROCESS = "single-process"
    """One process a side: variation between processes is not seen."""
    FAST_INACCURATE = "fast-but-inaccurate"
    """Among the fastest of its case, and off by more than another backend that is close by."""
    UNEVEN = "uneven-passes"
    """The speedup is of passes in which the other backend took another time than in most."""
    UNWATCHED = "unwatched"
    """Nobody can write into its inputs: that its calls compute their results is not shown."""
    THROTTLED = "throttled"
    """The device held its clocks down during some samples, also when they were taken again."""
    NO_ENERGY = "no-energy"
    """Its energy was asked for, and cannot be measured here."""
    PEER_INACCURATE = "peer-inaccurate"
    """Another project's kernel exceeds the ceiling on hostile input, as is known of it."""
    ENVIRONMENT = "environment"
    """The two sides were measured in different environments."""
    DRIFT = "drift"
    """The machine changed between the reports: the copy itself moved."""


class Caveat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reason for care, carried with the number that it qualifies."""

    kind: CaveatKind
    """Which reason."""
    detail: str = ""
    """The particulars, one phrase; empty where the kind says all."""


if TYPE_CHECKING:
    Figure: TypeAlias = float
else:
    Figure = float | None  # JSON has no infinity: null in the file, infinite in memory


class OutputAgreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How close one output is to the float64 reference."""

    max_error: Figure
    """Largest absolute error over elements that are finite in the reference."""
    max_relative: Figure
    """Largest error in units of the element's scale, the figure that `allowed` bounds."""
    max_ulp: Figure
    """Largest error in units in the last place of the output's type at the element's scale."""
    allowed: Figure
    """Largest `max_relative` that counts as right."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) is None:
                msgspec.structs.force_setattr(self, name, math.inf)

    @property
    def passed(self) -> bool:
        """Whether the output is right; a NaN error is not."""
        return self.max_relative <= self.allowed

    @property
    def rank(self) -> tuple[bool, float]:
        """How near it is to its bound, or beyond it; a NaN error is above any number."""
        share = self.max_relative / self.allowed if self.allowed else math.inf
        return (math.isnan(self.max_relative), share)


class Agreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How close all outputs are to the reference."""

    outputs: dict[str, OutputAgreement]
    """By the name of the output (y, mean, rstd, dx, dw, db), in the order of the operation."""
    passed: bool = False
    """Whether every output is right; derived from the figures, whatever a file says."""

    def __post_init__(self) -> None:
        passed = all(output.passed for output in self.outputs.values())
        msgspec.structs.force_setattr(self, "passed", passed)

    @property
    def max_ulp(self) -> float | None:
        """The largest error of any output in ulp; None without outputs."""
        return max((output.max_ulp for output in self.outputs.values()), default=None)

    @property
    def worst(self) -> str | None:
        """The output that is nearest to its bound or furthest beyond it; None without outputs."""
        return max(self.outputs, key=lambda name: self.outputs[name].rank, default=None)


class _Outcome(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    kw_only=True,
    tag_field="kind",
    dict=True,  # keeps the benchmark once it is made
):
    """On what reports join; of `device` only the type counts."""

    operation: str
    direction: Direction
    shape: Annotated[tuple[Count, ...], Meta(min_length=1)]
    dtype: DType
    device: str
    backend: str
    options: Options

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "device", self.benchmark.case.device)

    @classmethod
    def of(cls, benchmark: Benchmark, **fields: Any) -> Self:
        """Return the outcome of a benchmark with its own fields."""
        case = benchmark.case
        return cls(
            operation=case.operation,
            direction=case.direction,
            shape=case.shape,
            dtype=case.dtype,
            device=case.device,
            backend=benchmark.backend,
            options=case.options,
            **fields,
        )

    @functools.cached_property
    def benchmark(self) -> Benchmark:
        """What was asked for; ValueError where there is no such case."""
        case = Case(
            self.operation, self.direction, self.shape, self.dtype, self.device, self.options
        )
        return Benchmark(case, self.backend)


class Measured(_Outcome, frozen=True, kw_only=True, tag="measured"):
    """A benchmark that was right, and its times."""

    iterations: Annotated[int, Meta(ge=1)]
    """Calls timed together in one sample."""
    first_call_s: Seconds
    """Seconds of the very first call: compilation and autotuning are in it."""
    times_s: tuple[tuple[Seconds, ...], ...]
    """Seconds per iteration, one tuple a pass, in the order taken; empty where the process died."""
    rounds: tuple[tuple[Count, ...], ...]
    """The round of each time, to pair the backends of one case within a pass."""
    work: Work
    """The compulsory work of the case."""
    agreement: Agreement
    """Closeness to the reference in the first process."""
    page_faults: Seconds | None
    """Mean page faults an iteration; None where the device has none."""
    peak_extra_bytes: Count | None
    """Peak memory of a call beyond what was there before it; None where it cannot be read."""
    stopped: Stopped | None
    """Why no further pass was taken; None where the session ended first."""
    details: dict[str, Scalar]
    """What is worth recording by name: kernel configuration, threads, clock, device's counters."""
    caveats: tuple[Caveat, ...]
    """Reasons for care."""
    side: SideName = ""
    """`baseline` or `candidate` in a report of two sides, else empty."""
    energy_j: tuple[Joules, ...] = ()
    """Joules a call beyond an idle machine, one a sample of a second; empty where nobody asked."""

    @property
    def energy(self) -> float | None:
        """The middle one of its samples' joules a call; None where there are none."""
        return statistics.median(self.energy_j) if self.energy_j else None

    @property
    def launch_s(self) -> float | None:
        """Seconds that the host takes to launch a call; None where they were not measured."""
        launch_s = self.details.get("launch_s")
        return launch_s if isinstance(launch_s, float) else None

    @property
    def kernels(self) -> Scalar | None:
        """How many kernels a call launches; None where they were not counted."""
        return self.details.get("kernels")

    @property
    def clock(self) -> str:
        """Which way the clock went that timed it; empty where it did not say."""
        return str(self.details.get("clock", ""))


class Skipped(_Outcome, frozen=True, kw_only=True, tag="skipped"):
    """A benchmark that cannot run here."""

    reason: str
    """Why not, and what to install."""
    side: SideName = ""
    """As in `Measured`."""


class Failed(_Outcome, frozen=True, kw_only=True, tag="failed"):
    """A benchmark that went wrong."""

    stage: Stage
    """Where it went wrong."""
    error: str
    """Its last words."""
    side: SideName = ""
    """As in `Measured`."""


Outcome: TypeAlias = Measured | Skipped | Failed
"""What came of a benchmark."""
