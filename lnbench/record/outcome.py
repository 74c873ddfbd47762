"""What came of a benchmark: measured, skipped or failed."""

from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec

from lnbench.plan.case import Benchmark, Work

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
    THROTTLED = "throttled"
    """The device held its clocks down during some samples, also when they were taken again."""
    PEER_INACCURATE = "peer-inaccurate"
    """A peer's kernel exceeds the ceiling on hostile input, as is known of it."""
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


class OutputAgreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How close one output is to the float64 reference."""

    name: str
    """The output: y, mean, rstd, dx, dw or db."""
    max_error: float
    """Largest absolute error over elements that are finite in the reference."""
    max_relative: float
    """Largest error in units of the element's scale, the figure that `allowed` bounds."""
    max_ulp: float
    """Largest error in units in the last place of the output's type at the element's scale."""
    allowed: float
    """Largest `max_relative` that counts as right."""

    @property
    def passed(self) -> bool:
        """Whether the output is right; a NaN error is not."""
        return self.max_relative <= self.allowed


class Agreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How close all outputs are to the reference."""

    outputs: tuple[OutputAgreement, ...]
    """One entry an output, in the order of the operation."""

    @property
    def passed(self) -> bool:
        """Whether every output is right."""
        return all(output.passed for output in self.outputs)

    @property
    def max_ulp(self) -> float | None:
        """The largest error of any output in ulp; None without outputs."""
        return max((output.max_ulp for output in self.outputs), default=None)

    @property
    def worst(self) -> OutputAgreement | None:
        """The output that is nearest to its bound or furthest beyond it; None without outputs."""

        # NaN compares false with everything: rank it above any number.
        def rank(output: OutputAgreement) -> tuple[bool, float]:
            ratio = output.max_relative / output.allowed if output.allowed else float("inf")
            return (output.max_relative != output.max_relative, ratio)

        return max(self.outputs, key=rank, default=None)


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A benchmark that was right, and its times."""

    benchmark: Benchmark
    """What was timed."""
    iterations: int
    """Calls timed together in one sample."""
    first_call_s: float
    """Seconds of the very first call: compilation and autotuning are in it."""
    times_s: tuple[tuple[float, ...], ...]
    """Seconds per iteration, one tuple a pass, in the order taken; empty where the process died."""
    rounds: tuple[tuple[int, ...], ...]
    """The round of each time, to pair the backends of one case within a pass."""
    work: Work
    """The compulsory work of the case."""
    agreement: Agreement
    """Closeness to the reference in the first process."""
    page_faults: float | None
    """Mean page faults an iteration; None where the device has none."""
    peak_extra_bytes: int | None
    """Peak memory of a call beyond what was there before it; None where it cannot be read."""
    stopped: Stopped | None
    """Why no further pass was taken; None where the session ended first."""
    details: tuple[tuple[str, Scalar], ...] = ()
    """What the backend wants recorded: kernel configuration, threads, `interpreted`."""
    caveats: tuple[Caveat, ...] = ()
    """Reasons for care."""
    side: SideName = ""
    """`baseline` or `candidate` in a report of two sides, else empty."""


class Skipped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A benchmark that cannot run here."""

    benchmark: Benchmark
    """What was asked for."""
    reason: str
    """Why not, and what to install."""
    side: SideName = ""
    """As in `Measured`."""


class Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A benchmark that went wrong."""

    benchmark: Benchmark
    """What was asked for."""
    stage: Stage
    """Where it went wrong."""
    error: str
    """Its last words."""
    side: SideName = ""
    """As in `Measured`."""


Outcome: TypeAlias = Measured | Skipped | Failed
"""What came of a benchmark."""
