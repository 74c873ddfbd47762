"""What the session and its workers say to each other.

Every message is one piece of MessagePack behind a length, which unlike JSON knows NaN and inf;
both sides check it against these types.
"""

from typing import TypeAlias

import msgspec

from lnbench.measure.profile_messages import Profile, Profiled
from lnbench.measure.shared import Packed
from lnbench.plan.case import Benchmark, Case
from lnbench.record.outcome import Agreement, Scalar, Stage

PROTOCOL = 11
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


class Fresh(msgspec.Struct, frozen=True):
    """Which new values the inputs get before a sample, and from where."""

    row: int
    """The row that gets them, by its number."""
    seed: int
    """What they follow from."""
    whole: bool = True
    """Whether all of the row is new, or one element of it."""


class NewRow(msgspec.Struct, frozen=True):
    """What a row of the inputs was given, and what a call made of it."""

    fresh: Fresh
    outputs: dict[str, Packed]
    """The row by output; and of the last sample of a process sums over all rows."""


class MakeInputs(msgspec.Struct, frozen=True, tag=True):
    """Ask the referee for the inputs of a case, and to know their truth."""

    case: Case
    seed: int
    folder: str
    """Where the arrays go."""
    truth: bool
    """Whether outputs will be compared whole: the float64 truth stays with the referee."""


class InputsMade(msgspec.Struct, frozen=True, tag=True):
    """The arrays are there."""

    torch_errors: dict[str, float] = {}
    """`max_relative` of torch in the same types, by output; empty without truth."""


class Compare(msgspec.Struct, frozen=True, tag=True):
    """Ask the referee how close the outputs in a folder are to the truth that it knows."""

    benchmark: Benchmark
    results: str
    """Where the outputs are; they are gone after it."""
    other: bool = False
    """Whether they are those of the other inputs, which a case has whose rows depend on another."""


class Compared(msgspec.Struct, frozen=True, tag=True):
    """What the referee found."""

    agreement: Agreement | None
    """How close the outputs are; None where only rows were compared, or nothing could be."""
    error: str = ""
    """What is wrong; empty where it may be timed."""


class CompareRows(msgspec.Struct, frozen=True, tag=True):
    """Ask the referee whether timed calls returned what follows from the new rows they were given.

    No truth of the whole case is needed.
    """

    benchmark: Benchmark
    folder: str
    """Where `MakeInputs` put the arrays."""
    rows: tuple[NewRow, ...]
    """One a call that is looked at."""
    sums: dict[str, Packed]
    """As in `Prepared`."""
    torch_errors: dict[str, float]
    """As in `InputsMade`."""


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """Ask for a routine that is ready to be timed."""

    benchmark: Benchmark
    folder: str
    """Where `MakeInputs` put the arrays."""
    results: str
    """Where outputs go, for the referee; empty where the checksum must do."""
    threads: int
    iterations: int | None
    """Calls a sample, as found by the first process; None to find out."""
    memory_bytes: int | None
    """Most memory that the process may take; None for no limit."""
    slowdown: float = 0.0
    """By which share every call is slowed on purpose; 0 leaves it as it is."""
    clock: str = ""
    """Which way its clock went in the first process; empty to choose."""


class Prepared(msgspec.Struct, frozen=True, tag=True):
    """The routine is ready; whether it is right the referee knows."""

    first_call_s: float
    iterations: int
    checksum: int
    peak_extra_bytes: int | None
    details: dict[str, Scalar]
    clock: str = ""
    """Which way its clock goes, where it has several."""
    watched: bool = False
    """Whether new values can be written into its inputs."""
    sums: dict[str, Packed] = {}
    """By output what is summed over all rows, of the inputs as they are."""


class Deliver(msgspec.Struct, frozen=True, tag=True):
    """Ask for the outputs of one more call, for the referee."""

    results: str
    """Where they go."""


class Delivered(msgspec.Struct, frozen=True, tag=True):
    """The outputs are there."""

    checksum: int


class TakeSample(msgspec.Struct, frozen=True, tag=True):
    """Ask for one sample."""

    iterations: int | None = None
    """Calls timed together; None for as many as were found to be enough."""
    fresh: Fresh | None = None
    """What the inputs are given before it; None leaves them."""
    last: bool = False
    """Whether it is the last of its process: then results that belong to no row are kept too."""
    results: str = ""
    """Where the referee will find what is kept whole."""
    at_once: bool = False
    """Whether nothing precedes the calls, neither untimed ones nor flushes: the session times them
    too."""


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
    outputs: dict[str, Packed] = {}
    """As in `NewRow`, where a row was new."""
    kept: int | None = None
    """Digest of what was kept whole of the last sample; None where a row was, or nothing."""


class CheckMemory(msgspec.Struct, frozen=True, tag=True):
    """Ask how long single calls take on new values, and on values that are written once more."""

    fresh: tuple[Fresh, ...]
    """The new values of a row, one a pair of calls."""
    factor: float = 0.0
    """What all other values are multiplied by, at each new value by less and with another sign; 0
    leaves them."""


class MemoryChecked(msgspec.Struct, frozen=True, tag=True):
    """Seconds of single calls, one a new value; equal but for chance where nothing is kept."""

    new_s: tuple[float, ...]
    same_s: tuple[float, ...]
    rows: tuple[NewRow, ...]
    """What calls on new values returned."""


class Inspect(msgspec.Struct, frozen=True, tag=True):
    """Ask what the process is made of, by code that was not in it before."""

    source: str
    """Text of `inspection.py`."""
    modules: tuple[str, ...] = ()
    """To be imported first, so that they can be compared."""


class Inspected(msgspec.Struct, frozen=True, tag=True):
    """What `describe` of that text returned."""

    words: dict[str, str]


class MeasureEnergy(msgspec.Struct, frozen=True, tag=True):
    """Ask what a call costs beyond an idle machine: samples of a second, after a second of rest."""


class EnergyMeasured(msgspec.Struct, frozen=True, tag=True):
    """Joules a call, one a sample."""

    joules: tuple[float, ...] = ()
    reason: str = ""
    """Why there are none; empty where there are."""


class Finish(msgspec.Struct, frozen=True, tag=True):
    """Ask for the checksum of one more call."""

    count_kernels: bool = False
    """Whether the kernels of a call are wanted; the profiler slows what comes after it."""
    look_closely: bool = False
    """Whether one more call must leave alone the results of the one before."""


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
    """Ask for the outputs of a benchmark on its own inputs and on hostile ones, not timed."""

    benchmark: Benchmark
    seed: int
    folder: str
    """Where `MakeInputs` put the arrays."""
    results: str
    """Where outputs go, for the referee: a folder for each set of inputs, by its number."""
    threads: int
    memory_bytes: int | None = None
    """As in `Prepare`."""


class CompareSets(msgspec.Struct, frozen=True, tag=True):
    """Ask the referee how close the outputs of `Check` are; those that are missing are left out."""

    benchmark: Benchmark
    seed: int
    folder: str
    results: str
    row: NewRow | None
    """What a second call made of a new row; None where none was written."""
    sums: dict[str, Packed]
    """As in `Prepared`."""


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
    """What is to be said of a benchmark's sets of inputs, by their number."""

    findings: dict[int, Finding]
    """Sets without outputs, or with wrong ones; the case's own inputs have number 0."""
    traits: Traits = Traits()
    """What the bits of the random inputs' outputs depend on."""
    row: NewRow | None = None
    sums: dict[str, Packed] = {}
    """As in `CompareSets`."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The worker could not do what was asked."""

    stage: Stage
    error: str
    unsupported: bool = False
    """Whether the backend has no kernel for the case: nothing went wrong."""


Request = (
    MakeInputs
    | Compare
    | CompareRows
    | CompareSets
    | Prepare
    | Deliver
    | TakeSample
    | CheckMemory
    | Inspect
    | MeasureEnergy
    | Profile
    | Finish
    | Rest
    | Check
)
Reply = (
    InputsMade
    | Compared
    | Prepared
    | Delivered
    | Sampled
    | MemoryChecked
    | Inspected
    | EnergyMeasured
    | Profiled
    | Finished
    | Rested
    | Checked
    | Refused
)

encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
