"""The shape of a report file: flat rows and named objects, where lnbench itself has tuples.

In memory everything is a tuple, so that it hashes; in the file what has a name is an object.
"""

import math
import os
import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from lnbench.plan.budget import Budget
from lnbench.plan.case import Benchmark, Case, Direction, DType, Options, Work
from lnbench.record.environment import Cpu, Device, Environment
from lnbench.record.outcome import (
    Agreement,
    Caveat,
    Failed,
    Measured,
    Outcome,
    OutputAgreement,
    Scalar,
    Skipped,
    Stage,
    Stopped,
)
from lnbench.record.revision import Revision

Seconds: TypeAlias = Annotated[float, Meta(ge=0)]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Figure: TypeAlias = float | None
"""An error figure; null stands for one that is infinite or no number, which JSON cannot say."""


class Tool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The program that made the report."""

    name: str
    """`lnbench`."""
    version: str
    """Its version."""
    arguments: tuple[str, ...]
    """Its command line, without the folders in it."""


class OutputRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How close one output is to the reference: the fields of `OutputAgreement`."""

    max_error: Figure
    max_relative: Figure
    max_ulp: Figure
    allowed: Figure


class AgreementRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How close all outputs are to the reference."""

    outputs: dict[str, OutputRow]
    passed: bool
    """For readers of the file; lnbench derives it from the figures."""


class _Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """On what reports join; of `device` only the type counts."""

    operation: str
    direction: Direction
    shape: Annotated[tuple[Count, ...], Meta(min_length=1)]
    dtype: DType
    device: str
    backend: str
    options: Options


class MeasuredRow(_Identity, frozen=True, forbid_unknown_fields=True, tag="measured"):
    """A benchmark that was right, and its times: the fields of `Measured`."""

    iterations: Annotated[int, Meta(ge=1)]
    first_call_s: Seconds
    times_s: tuple[tuple[Seconds, ...], ...]
    rounds: tuple[tuple[Count, ...], ...]
    work: Work
    agreement: AgreementRow
    page_faults: Seconds | None
    peak_extra_bytes: int | None
    stopped: Stopped | None
    details: dict[str, Scalar]
    caveats: tuple[Caveat, ...]


class SkippedRow(_Identity, frozen=True, forbid_unknown_fields=True, tag="skipped"):
    """A benchmark that cannot run there."""

    reason: str


class FailedRow(_Identity, frozen=True, forbid_unknown_fields=True, tag="failed"):
    """A benchmark that went wrong."""

    stage: Stage
    error: str


Row: TypeAlias = MeasuredRow | SkippedRow | FailedRow
"""One outcome."""


class EnvironmentRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of `Environment`, what has a name as an object."""

    python: str
    os: str
    cpu: Cpu
    memory_bytes: int | None
    packages: dict[str, str]
    devices: dict[str, Device]
    variables: dict[str, str]
    threads: int
    transparent_hugepages: str | None
    governor: str | None
    virtual: bool | None
    machine_id: str


class ReportFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A report of benchmarks, schema 1."""

    schema: Literal[1]
    kind: Literal["benchmarks"]
    created: Annotated[datetime, Meta(tz=True)]
    tool: Tool
    revision: Revision | None
    environment: EnvironmentRow
    suite: str
    budget: Budget
    seed: int
    outcomes: tuple[Row, ...]


def row_of(outcome: Outcome) -> Row:
    """Return an outcome as the file has it."""
    case = outcome.benchmark.case
    identity: dict[str, Any] = {
        "operation": case.operation,
        "direction": case.direction,
        "shape": case.shape,
        "dtype": case.dtype,
        "device": case.device,
        "backend": outcome.benchmark.backend,
        "options": case.options,
    }
    match outcome:
        case Skipped():
            return SkippedRow(**identity, reason=harmless(outcome.reason))
        case Failed():
            return FailedRow(**identity, stage=outcome.stage, error=harmless(outcome.error))
        case Measured():
            return MeasuredRow(**identity, **_measured_fields(outcome))


def outcome_of(row: Row) -> Outcome:
    """Return the outcome that a row of the file says; ValueError where the case is none."""
    case = Case(row.operation, row.direction, row.shape, row.dtype, row.device, row.options)
    benchmark = Benchmark(case, row.backend)
    match row:
        case SkippedRow():
            return Skipped(benchmark, row.reason)
        case FailedRow():
            return Failed(benchmark, row.stage, row.error)
        case MeasuredRow():
            return _measured(benchmark, row)


def environment_row(environment: Environment) -> EnvironmentRow:
    """Return an environment as the file has it."""
    fields = msgspec.structs.asdict(environment)
    named = {name: dict(fields[name]) for name in ("packages", "devices", "variables")}
    return EnvironmentRow(**fields | named)


def environment_of(row: EnvironmentRow) -> Environment:
    """Return the environment that the file says."""
    fields = msgspec.structs.asdict(row)
    named = {name: tuple(fields[name].items()) for name in ("packages", "devices", "variables")}
    return Environment(**fields | named)


# The folders of a path that begins at the root, at ~ or at a drive; the last name is kept. An id
# such as layernorm/forward/… begins with a letter and stays, and so does a web address.
_FOLDERS = re.compile(
    r"(?<![\w./~-])(?:~?/(?:[^\s/'\",:;()<>]+/)+|~/|[A-Za-z]:[\\/](?:[^\s/\\'\",:;()<>]+[\\/])*)"
)


def harmless(text: str) -> str:
    """Return a text without folders of the machine, and such that a file can hold it."""
    if any(mark in text for mark in "/\\~"):
        home = os.path.expanduser("~")  # noqa: PTH111  (Path.home raises where there is none)
        if len(home) > 1:
            text = re.sub(re.escape(home) + r"(?![\w-])", "~", text)
        while (shorter := _FOLDERS.sub("", text)) != text:
            text = shorter
    # An undecodable file name has halves of surrogates, for which UTF-8 has no bytes.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _measured_fields(measured: Measured) -> dict[str, Any]:
    fields = {name: getattr(measured, name) for name in MeasuredRow.__struct_fields__[7:]}
    outputs = {
        output.name: OutputRow(*(_figure(getattr(output, name)) for name in _FIGURES))
        for output in measured.agreement.outputs
    }
    fields["agreement"] = AgreementRow(outputs, measured.agreement.passed)
    fields["details"] = {harmless(name): _detail(value) for name, value in measured.details}
    fields["caveats"] = tuple(
        Caveat(caveat.kind, harmless(caveat.detail)) for caveat in measured.caveats
    )
    return fields


_FIGURES = OutputRow.__struct_fields__


def _measured(benchmark: Benchmark, row: MeasuredRow) -> Measured:
    outputs = tuple(
        OutputAgreement(
            name,
            *(math.inf if figure is None else figure for figure in msgspec.structs.astuple(output)),
        )
        for name, output in row.agreement.outputs.items()
    )
    fields = {name: getattr(row, name) for name in MeasuredRow.__struct_fields__[7:]}
    fields["agreement"] = Agreement(outputs)
    fields["details"] = tuple(row.details.items())
    return Measured(benchmark, **fields)


def _figure(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _detail(value: Scalar) -> Scalar:
    """Return a detail that JSON can say: no infinity, and no number beyond 64 bits."""
    if isinstance(value, str):
        return harmless(value)
    fits = math.isfinite(value) and (isinstance(value, float) or abs(value) < 2**63)
    return value if fits else str(value)
