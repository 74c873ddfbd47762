"""Reports: read, checked and written, one file a run; in memory as in the file."""

import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from lnbench.errors import ReportError
from lnbench.plan.budget import Budget
from lnbench.record import files
from lnbench.record.busy import Busy
from lnbench.record.environment import Environment
from lnbench.record.harmless import harmless, may_steer
from lnbench.record.outcome import Count, Measured, Outcome
from lnbench.record.revision import Revision, revision
from lnbench.units import is_name

SCHEMA: Literal[1] = (
    1  # A reader accepts every number up to its own; docs/report-format.md has the history.
)

_FOREIGN = "the file was changed by hand or comes from elsewhere; measure again, or mend it"


class Tool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The program that made the report."""

    name: str
    """`lnbench`."""
    version: str
    """Its version."""
    arguments: tuple[str, ...]
    """Its command line, without the folders in it."""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """What every report begins with."""

    schema: Literal[1] = SCHEMA
    """Number of the file's form."""
    created: Annotated[datetime, Meta(tz=True)]
    """When the run began, with a time zone."""
    tool: Tool
    """The program that measured."""
    revision: Revision | None
    """The project in the folder of the run; None outside of a repository."""
    environment: Environment
    """Machine, software and settings."""

    def __post_init__(self) -> None:
        try:
            msgspec.structs.force_setattr(self, "created", self.created.astimezone(UTC))
        except OverflowError:
            raise ValueError(f"created: there is no {self.created} in UTC") from None

    @property
    def kind(self) -> str:
        """What the file calls this kind of report."""
        return str(self.__struct_config__.tag)

    def contradictions(self) -> Iterator[str]:
        """Yield what cannot be right: where it stands, and what is wrong there."""
        yield from ()


class _RowReport(Head, frozen=True, kw_only=True):
    """What reports of rows have in common."""

    suite: str
    """The suite's name."""
    budget: Budget
    """How much measuring was asked for."""
    seed: int
    """What drew the inputs and the orders."""
    busy: Busy | msgspec.UnsetType = msgspec.UNSET
    """What else kept the machine busy; left out of short sessions, and by lnbench before it."""
    outcomes: tuple[Outcome, ...]
    """What came of each benchmark, in the order of the suite; of a comparison, of each side."""

    def contradictions(self) -> Iterator[str]:
        """Yield rows that are there twice, or contradict themselves."""
        for kind, what in (("backend", "a backend"), ("operation", "an operation")):
            for name in dict.fromkeys(getattr(outcome, kind) for outcome in self.outcomes):
                if not is_name(name):
                    yield f"{name!a} cannot be the name of {what}"
        seen: set[tuple[str, str]] = set()
        for i, outcome in enumerate(self.outcomes):
            name = outcome.benchmark.id
            if (name, outcome.side) in seen:
                yield f"outcomes[{i}]: {name} is there twice"
            if bool(outcome.side) != isinstance(self, ComparisonReport):
                yield f"outcomes[{i}]: the side is '{outcome.side}' in a report of {self.kind}"
            seen.add((name, outcome.side))
            if isinstance(outcome, Measured):
                yield from (f"outcomes[{i}] ({name}): {text}" for text in contradictions(outcome))


class BenchmarkReport(_RowReport, frozen=True, kw_only=True, tag="benchmarks"):
    """What one run measured, and on what."""


class ReportSide(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One side of a comparison."""

    text: str
    """As the user wrote it: `git:main`, `backend:numpy+10%`."""
    commit: str
    """The full hash of a `git:` side, else empty."""
    slowdown: float
    """Fraction by which it was slowed on purpose; 0 mostly."""
    environment: Environment
    """What its workers ran on."""


class ComparisonReport(_RowReport, frozen=True, kw_only=True, tag="comparison"):
    """What one run measured of two sides."""

    sides: Annotated[tuple[ReportSide, ...], Meta(min_length=2, max_length=2)]
    """Baseline and candidate."""
    looks: tuple[Count, ...] = ()
    """The numbers of pairs at which rows were judged, ascending."""


Report: TypeAlias = BenchmarkReport | ComparisonReport
"""A report of rows; that of training is `lnbench.paper`'s."""

_OTHER_KINDS = {"training": "lnbench show"}  # read elsewhere → the command that shows them


def head() -> dict[str, Any]:
    """Return what a report that begins now says of itself, without its environment."""
    from lnbench import __version__

    return {
        "created": datetime.now(UTC).replace(microsecond=0),
        "tool": Tool("lnbench", __version__, tuple(sys.argv[1:])),
        "revision": revision(),
    }


def read(path: Path) -> Report:
    """Return the report in a file; ReportError where it is none, or one that cannot be right."""
    data = files.read(path)
    kind = kind_of(data, path)
    if kind in _OTHER_KINDS:
        raise ReportError(
            f"{path} is a report of {kind}, not of benchmarks", f"`{_OTHER_KINDS[kind]}` shows it"
        )
    report: Report = decoded(data, path, Report, _FOREIGN)
    return report


def kind_of(data: bytes, path: Path) -> str:
    """Return the kind of a report; ReportError where it is none, or needs a later lnbench."""
    try:
        header = files.decode(data, path, _Header, _FOREIGN)
    except msgspec.ValidationError:
        raise ReportError(f"{path} is no report of lnbench", "lnbench run writes one") from None
    if header.schema > SCHEMA:
        raise ReportError(
            f"{path} needs an lnbench that reads schema {header.schema}; "
            f"this one reads up to {SCHEMA}",
            "upgrade lnbench",
        )
    return str(header.kind)


def decoded(data: bytes, path: Path, kinds: Any, hint: str) -> Any:
    """Return a report of one of the kinds, checked; ReportError where it cannot be right."""
    try:
        report = files.decode(data, path, kinds, hint)
        if may_steer(data):
            report = msgspec.convert(harmless(msgspec.json.decode(data)), kinds)
    except msgspec.ValidationError as error:
        raise ReportError(f"{path}: {files.misfit(error)}", hint) from None
    _check(report, path, hint)
    return report


def write(report: Head, path: Path) -> None:
    """Write a report in one step: a reader finds the whole old file or the whole new one."""
    _check(report, path, "a clock or a plug-in told nonsense: please report it")
    fields = harmless(msgspec.to_builtins(report))
    fields["tool"] = files.without_paths(fields["tool"])
    for side in fields.get("sides", ()):
        side["text"] = files.without_paths(side["text"])
    for row in fields.get("outcomes", ()):
        texts = row.keys() & {"reason", "error", "details", "caveats"}
        row.update({name: files.without_paths(row[name]) for name in texts})
    text = files.layout({"schema": fields.pop("schema"), **fields}) + "\n"
    files.replace(path, text.encode("utf-8", "replace"))  # half a surrogate has no UTF-8


def _check(report: Head, path: Path, hint: str) -> None:
    for wrong in report.contradictions():
        raise ReportError(f"{path}: {wrong}", hint)


class _Header(msgspec.Struct):
    """What every version of the file begins with."""

    schema: int
    kind: str


def default_path(now: datetime) -> Path:
    """Return where a report goes when nobody says: reports/2026-11-23T120000Z.json."""
    return Path("reports") / f"{now.astimezone(UTC):%Y-%m-%dT%H%M%SZ}.json"


def contradictions(measured: Measured) -> Iterator[str]:
    """Yield what cannot be right in a row that was measured."""
    if len(measured.times_s) != len(measured.rounds):
        yield f"{len(measured.times_s)} lists of times_s but {len(measured.rounds)} of rounds"
    for k, (times, rounds) in enumerate(zip(measured.times_s, measured.rounds, strict=False)):
        if len(times) != len(rounds):
            yield f"times_s[{k}] has {len(times)} values but rounds[{k}] has {len(rounds)}"
        if len(set(rounds)) != len(rounds):
            yield f"rounds[{k}] names a round twice"
        if not (math.isfinite(sum(times)) and min(times, default=0) >= 0) and not all(
            map(_is_amount, times)  # of finite times the sum may still be too large
        ):
            yield f"times_s[{k}] holds a time that is negative or not finite"
    if not any(measured.times_s):
        yield "no time at all"
    for name in ("first_call_s", "page_faults"):
        value = getattr(measured, name)
        if value is not None and not _is_amount(value):
            yield f"{name} is {value}"
    if not all(map(_is_amount, measured.energy_j)):
        yield "energy_j holds what is no energy"


def _is_amount(value: float) -> bool:
    return math.isfinite(value) and value >= 0
