"""The shape of a report file: flat rows and named objects, where lnbench itself has tuples.

In memory everything is a tuple, so that it hashes; in the file what has a name is an object.
"""

import math
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from lnbench.plan.budget import Budget
from lnbench.plan.case import Benchmark, Case, Direction, DType, Options, Work
from lnbench.record.harmless import harmless
from lnbench.record.outcome import (
    Agreement,
    Caveat,
    Failed,
    Measured,
    Outcome,
    OutputAgreement,
    Scalar,
    SideName,
    Skipped,
    Stage,
    Stopped,
)
from lnbench.record.revision import Revision
from lnbench.record.wire_environment import EnvironmentRow

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


class _Identity(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind"
):
    """On what reports join; of `device` only the type counts."""

    operation: str
    direction: Direction
    shape: Annotated[tuple[Count, ...], Meta(min_length=1)]
    dtype: DType
    device: str
    backend: str
    options: Options


class MeasuredRow(
    _Identity, frozen=True, forbid_unknown_fields=True, tag="measured", omit_defaults=True
):
    """A benchmark that was right, and its times: the fields of `Measured`."""

    iterations: Annotated[int, Meta(ge=1)]
    first_call_s: Seconds
    times_s: tuple[tuple[Seconds, ...], ...]
    rounds: tuple[tuple[Count, ...], ...]
    work: Work
    agreement: AgreementRow
    page_faults: Seconds | None
    peak_extra_bytes: Count | None
    stopped: Stopped | None
    details: dict[str, Scalar]
    caveats: tuple[Caveat, ...]
    side: SideName = ""


class SkippedRow(
    _Identity, frozen=True, forbid_unknown_fields=True, tag="skipped", omit_defaults=True
):
    """A benchmark that cannot run there."""

    reason: str
    side: SideName = ""


class FailedRow(
    _Identity, frozen=True, forbid_unknown_fields=True, tag="failed", omit_defaults=True
):
    """A benchmark that went wrong."""

    stage: Stage
    error: str
    side: SideName = ""


Row: TypeAlias = MeasuredRow | SkippedRow | FailedRow
"""One outcome."""


class SideRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One side of a comparison."""

    text: str
    """As the user wrote it."""
    commit: str
    """The full hash of a `git:` side, else empty."""
    slowdown: float
    """By which share it was slowed on purpose."""
    environment: EnvironmentRow


class ReportFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A report of benchmarks, or of a comparison of two sides; schema 1."""

    schema: Literal[1]
    kind: Literal["benchmarks", "comparison"]
    created: Annotated[datetime, Meta(tz=True)]
    tool: Tool
    revision: Revision | None
    environment: EnvironmentRow
    suite: str
    budget: Budget
    seed: int
    outcomes: tuple[Row, ...]
    sides: tuple[SideRow, ...] = ()
    looks: tuple[Count, ...] = ()


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
            return SkippedRow(**identity, reason=harmless(outcome.reason), side=outcome.side)
        case Failed():
            error = harmless(outcome.error)
            return FailedRow(**identity, stage=outcome.stage, error=error, side=outcome.side)
        case Measured():
            return MeasuredRow(**identity, **_measured_fields(outcome))


def outcome_of(row: Row) -> Outcome:
    """Return the outcome that a row of the file says; ValueError where the case is none."""
    case = Case(row.operation, row.direction, row.shape, row.dtype, row.device, row.options)
    benchmark = Benchmark(case, row.backend)
    match row:
        case SkippedRow():
            return Skipped(benchmark, row.reason, row.side)
        case FailedRow():
            return Failed(benchmark, row.stage, row.error, row.side)
        case MeasuredRow():
            return _measured(benchmark, row)


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
