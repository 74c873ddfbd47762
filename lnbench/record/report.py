"""Reports: read, checked and written, one file a run."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lnbench.errors import ReportError
from lnbench.plan.budget import Budget
from lnbench.record import files, wire
from lnbench.record.environment import Environment
from lnbench.record.harmless import harmless
from lnbench.record.layout import layout
from lnbench.record.outcome import Measured, Outcome
from lnbench.record.revision import Revision
from lnbench.record.wire import Tool
from lnbench.record.wire_environment import environment_of, environment_row

SCHEMA = 1  # A reader accepts every number up to its own; docs/report-format.md has the history.

KIND, COMPARISON = "benchmarks", "comparison"
"""What a report may hold: rows of one run, or pairs of two sides."""


_OTHER_KINDS = {"training": "lnbench show"}
"""Kinds that are read elsewhere → the command that shows them."""


class ReportSide(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One side of a comparison."""

    text: str
    """As the user wrote it: `git:main`, `backend:numpy+10%`."""
    commit: str
    """The full hash of a `git:` side, else empty."""
    slowdown: float
    """By which share it was slowed on purpose; 0 mostly."""
    environment: Environment
    """What its workers ran on."""


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one run measured, and on what."""

    schema: int = SCHEMA
    """Number of the file's form."""
    kind: str = KIND
    """What the file holds: `benchmarks` or `comparison`."""
    created: datetime
    """When the run began, with a time zone."""
    tool: Tool
    """The program that measured."""
    revision: Revision | None
    """The project in the folder of the run; None outside of a repository."""
    environment: Environment
    """Machine, software and settings."""
    suite: str
    """The suite's name."""
    budget: Budget
    """How much measuring was asked for."""
    seed: int
    """What drew the inputs and the orders."""
    outcomes: tuple[Outcome, ...]
    """What came of each benchmark, in the order of the suite; of a comparison, of each side."""
    sides: tuple[ReportSide, ...] = ()
    """Baseline and candidate of a comparison; empty in a report of benchmarks."""
    looks: tuple[int, ...] = ()
    """The numbers of pairs at which a comparison was judged, ascending; else empty."""


def read(path: Path) -> Report:
    """Return the report in a file; ReportError where it is none, or one that cannot be right."""
    data = files.read(path)
    try:
        _check_header(data, path)
        report = _report(msgspec.json.decode(data, type=wire.ReportFile))
    except msgspec.ValidationError as error:
        raise ReportError(f"{path}: {sentence(error)}", _FOREIGN) from None
    except RecursionError:
        raise ReportError(f"{path}: nested without end", _FOREIGN) from None
    except UnicodeDecodeError:
        raise ReportError(f"{path} is not UTF-8 text", _FOREIGN) from None
    except msgspec.DecodeError as error:
        raise ReportError(f"{path} {_malformed(error, data)}", _FOREIGN) from None
    _check(report, path, _FOREIGN)
    return report


def write(report: Report, path: Path) -> None:
    """Write a report in one step: a reader finds the whole old file or the whole new one."""
    _check(report, path, "a clock or a plug-in told nonsense: please report it")
    text = layout(msgspec.to_builtins(_file(report))) + "\n"
    # Half a surrogate, as in an undecodable file name, has no UTF-8.
    files.replace(path, text.encode("utf-8", "replace"))


def prepare_path(path: Path, *, force: bool = False) -> None:
    """Make the folder and try to write there, so that a bad path fails before an hour is spent."""
    files.prepare(path, force=force)


def default_path(now: datetime) -> Path:
    """Return where a report goes when nobody says: reports/2026-11-23T120000Z.json."""
    return Path("reports") / f"{now.astimezone(UTC):%Y-%m-%dT%H%M%SZ}.json"


def sentence(error: msgspec.ValidationError) -> str:
    """Return what msgspec found, with its path as users write one: `outcomes[3].times_s[0][1]`."""
    what, _, path = str(error).partition(" - at `")
    path = path.removesuffix("`").removeprefix("$").removeprefix(".").replace("[...]", "")
    what = what[:1].lower() + what[1:].replace("`", "'")
    return f"{path}: {what}" if path else what


def check_schema(schema: int, path: Path) -> None:
    """Raise ReportError where a file has a form that only a later lnbench reads."""
    if schema > SCHEMA:
        raise ReportError(
            f"{path} needs an lnbench that reads schema {schema}; this one reads up to {SCHEMA}",
            "upgrade lnbench",
        )


_FOREIGN = "the file was changed by hand or comes from elsewhere; measure again, or mend it"


class Header(msgspec.Struct):
    """What every version of the file begins with."""

    schema: int
    kind: str


def _check_header(data: bytes, path: Path) -> None:
    try:
        header = msgspec.json.decode(data, type=Header)
    except msgspec.ValidationError:
        raise ReportError(f"{path} is no report of lnbench", "lnbench run writes one") from None
    check_schema(header.schema, path)
    if header.kind in _OTHER_KINDS:
        command = _OTHER_KINDS[header.kind]
        raise ReportError(f"{path} is a {header.kind}, not a benchmark", f"`{command}` shows it")


def _malformed(error: msgspec.DecodeError, data: bytes) -> str:
    if not data.strip():
        return "is empty"
    if "truncated" in str(error):
        return "is cut short: its end is missing"
    return f"is no JSON: {str(error).removeprefix('JSON is malformed: ')}"


def _report(file: wire.ReportFile) -> Report:
    fields = {name: getattr(file, name) for name in wire.ReportFile.__struct_fields__}
    fields["environment"] = environment_of(file.environment)
    fields["outcomes"] = tuple(_outcomes(file.outcomes))
    try:
        fields["created"] = file.created.astimezone(UTC)
    except OverflowError:
        raise msgspec.ValidationError("no such time in UTC - at `$.created`") from None
    fields["sides"] = tuple(
        ReportSide(side.text, side.commit, side.slowdown, environment_of(side.environment))
        for side in file.sides
    )
    return Report(**fields)


def _outcomes(rows: tuple[wire.Row, ...]) -> Iterator[Outcome]:
    for i, row in enumerate(rows):
        try:
            yield wire.outcome_of(row)
        except ValueError as error:
            raise msgspec.ValidationError(f"{error} - at `$.outcomes[{i}]`") from None


def _file(report: Report) -> wire.ReportFile:
    fields = {name: getattr(report, name) for name in wire.ReportFile.__struct_fields__}
    fields["tool"] = msgspec.structs.replace(
        report.tool, arguments=tuple(map(harmless, report.tool.arguments))
    )
    fields["environment"] = environment_row(report.environment)
    fields["outcomes"] = tuple(map(wire.row_of, report.outcomes))
    fields["sides"] = tuple(
        wire.SideRow(
            harmless(side.text),
            side.commit,
            side.slowdown,
            environment_row(side.environment),
        )
        for side in report.sides
    )
    return wire.ReportFile(**fields)


def _check(report: Report, path: Path, hint: str) -> None:
    two = report.kind == COMPARISON
    if len(report.sides) != 2 * two:
        raise ReportError(f"{path}: sides: {report.kind} with {len(report.sides)} sides", hint)
    seen: set[tuple[str, str]] = set()
    for i, outcome in enumerate(report.outcomes):
        name = outcome.benchmark.id
        if (name, outcome.side) in seen:
            raise ReportError(f"{path}: outcomes[{i}]: {name} is there twice", hint)
        if two != bool(outcome.side):
            raise ReportError(f"{path}: outcomes[{i}]: a side in {report.kind}, or none", hint)
        seen.add((name, outcome.side))
        if isinstance(outcome, Measured):
            wrong = next(_contradictions(outcome), None)
            if wrong is not None:
                raise ReportError(f"{path}: outcomes[{i}] ({name}): {wrong}", hint)


def _contradictions(measured: Measured) -> Iterator[str]:
    if len(measured.times_s) != len(measured.rounds):
        yield f"{len(measured.times_s)} lists of times_s but {len(measured.rounds)} of rounds"
    for k, (times, rounds) in enumerate(zip(measured.times_s, measured.rounds, strict=False)):
        if len(times) != len(rounds):
            yield f"times_s[{k}] has {len(times)} values but rounds[{k}] has {len(rounds)}"
        if len(set(rounds)) != len(rounds):
            yield f"rounds[{k}] names a round twice"
        if not all(map(_is_amount, times)):
            yield f"times_s[{k}] holds a time that is negative or not finite"
    if not any(measured.times_s):
        yield "no time at all"
    for name in ("first_call_s", "page_faults"):
        value = getattr(measured, name)
        if value is not None and not _is_amount(value):
            yield f"{name} is {value}"


def _is_amount(value: float) -> bool:
    return math.isfinite(value) and value >= 0
