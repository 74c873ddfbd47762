"""What the session and its workers say to each other.

Every message is one piece of MessagePack behind a length, which unlike JSON knows NaN and inf;
both sides check it against these types.
"""

from typing import TypeAlias

import msgspec

from lnbench.plan.case import Benchmark, Case, Work
from lnbench.record.outcome import Agreement, Scalar, Stage

PROTOCOL = 7
"""Raised with every change of a message; both sides must have the same."""

Figure: TypeAlias = int | float
"""What a counter says, or the median of what it said."""


class Reading(msgspec.Struct, frozen=True):
    """The state of an accelerator, by its driver's counters; None for one that it does not have."""

    sm_mhz: Figure | None
    """Clock of the multiprocessors."""
    memory_mhz: Figure | None
    """Clock of the memory."""
    celsius: Figure | None
    """Temperature of the chip."""
    watts: float | None
    """Power drawn."""
    slowed_by: str = ""
    """Why its clocks are held down; empty where they are not."""
    others: int | None = None
    """Processes of others that compute there; None where the driver cannot tell."""


class MakeInputs(msgspec.Struct, frozen=True, tag=True):
    """Ask for the inputs of a case, and for their truth where outputs will be verified whole."""

    case: Case
    seed: int
    folder: str
    """Where the arrays go."""
    truth: bool
    """Whether the float64 truth, and torch's own error against it, are wanted."""


class InputsMade(msgspec.Struct, frozen=True, tag=True):
    """The arrays are there."""

    torch_errors: dict[str, float] = {}
    """`max_relative` of torch in the same types, by output; empty without truth."""


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """Ask for a routine that is ready to be timed."""

    benchmark: Benchmark
    folder: str
    """Where `MakeInputs` put the arrays."""
    threads: int
    torch_errors: dict[str, float] | None
    """As in `InputsMade`; None where no truth is there and the checksum must do."""
    iterations: int | None
    """Calls a sample, as found by the first process; None to find out."""
    memory_bytes: int | None
    """Most memory that the process may take; None for no limit."""
    slowdown: float = 0.0
    """By which share every call is slowed on purpose; 0 leaves it as it is."""
    clock: str = ""
    """Which way its clock went in the first process; empty to choose."""


class Prepared(msgspec.Struct, frozen=True, tag=True):
    """The routine is ready, and right as far as was asked."""

    first_call_s: float
    iterations: int
    checksum: int
    agreement: Agreement | None
    peak_extra_bytes: int | None
    work: Work
    details: dict[str, Scalar]
    clock: str = ""
    """Which way its clock goes, where it has several."""


class Verify(msgspec.Struct, frozen=True, tag=True):
    """Ask for a call whose outputs are compared with the truth in the folder."""

    torch_errors: dict[str, float]


class Verified(msgspec.Struct, frozen=True, tag=True):
    """How close that call was."""

    agreement: Agreement
    checksum: int


class TakeSample(msgspec.Struct, frozen=True, tag=True):
    """Ask for one sample."""

    iterations: int | None = None
    """Calls timed together; None for as many as were found to be enough."""


class Sampled(msgspec.Struct, frozen=True, tag=True):
    """One sample."""

    time_s: float
    """Seconds per iteration."""
    page_faults: float
    """Page faults an iteration."""
    reading: Reading | None = None
    """What the device's own counters said right after it; None where they cannot be read."""
    spent_s: float = 0.0
    """Seconds of the host that it took, with the untimed calls before it."""


class Finish(msgspec.Struct, frozen=True, tag=True):
    """Ask for the checksum of one more call, after the last sample."""

    count_kernels: bool = False
    """Whether the kernels of a call are wanted; the profiler slows what comes after it."""


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The digest of the last call's outputs."""

    checksum: int
    kernels: int | None = None
    """Kernels that a call launches; None where nobody asked, or none can be seen."""


class Rest(msgspec.Struct, frozen=True, tag=True):
    """Ask for all arrays to be let go: the worker will serve another case, or none."""


class Rested(msgspec.Struct, frozen=True, tag=True):
    """The memory is free, that of the device too."""


class Check(msgspec.Struct, frozen=True, tag=True):
    """Ask for a benchmark to be verified on its own inputs and on hostile ones, not timed."""

    benchmark: Benchmark
    seed: int
    threads: int
    memory_bytes: int | None = None
    """As in `Prepare`."""


class Finding(msgspec.Struct, frozen=True):
    """What one set of inputs showed."""

    inputs: str
    """Name of the inputs."""
    agreement: Agreement | None
    """How close the outputs were; None where there were none."""
    error: str
    """What is wrong; empty where nothing is."""
    tolerable: bool
    """Whether it is a peer's failing that torch shares or that its backend declares."""


class Traits(msgspec.Struct, frozen=True):
    """What a backend's bits depend on; None where it cannot be seen in a case."""

    repeatable: bool | None = None
    """Whether a second call gives the same bits."""
    any_threads: bool | None = None
    """Whether another number of threads does."""
    any_batch: bool | None = None
    """Whether a row alone gives the bits that it has among others (batch invariance)."""


class Checked(msgspec.Struct, frozen=True, tag=True):
    """What every set of inputs showed."""

    findings: tuple[Finding, ...]
    traits: Traits = Traits()
    """What the bits of the random inputs' outputs depend on."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The worker could not do what was asked."""

    stage: Stage
    error: str
    unsupported: bool = False
    """Whether the backend has no kernel for the case: nothing went wrong."""


Request = MakeInputs | Prepare | Verify | TakeSample | Finish | Rest | Check
Reply = InputsMade | Prepared | Verified | Sampled | Finished | Rested | Checked | Refused

encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
