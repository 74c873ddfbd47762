"""Reports read a row at a time, for what needs the median of each pass alone: a diff."""

import statistics
from pathlib import Path

import msgspec

from lnbench.record import files
from lnbench.record.harmless import may_steer
from lnbench.record.outcome import Measured, Outcome
from lnbench.record.report import BenchmarkReport, Report, contradictions, read


class _LazyReport(BenchmarkReport, frozen=True, kw_only=True, tag="benchmarks"):
    """A report whose rows are not read yet."""

    outcomes: tuple[msgspec.Raw, ...]  # type: ignore[assignment]


def read_medians(path: Path) -> Report:
    """Return the report in a file with one sample a pass, its median; ReportError as of `read`.

    At no time are the samples of more than one row in memory.
    """
    data = files.read(path)
    if may_steer(data):
        return read(path)  # what mends it
    try:
        lazy = msgspec.json.decode(data, type=_LazyReport)
        rows = tuple(map(_condensed, lazy.outcomes))
    except (ValueError, RecursionError):
        return read(path)  # another kind, or what says what is wrong
    fields = {name: getattr(lazy, name) for name in BenchmarkReport.__struct_fields__}
    report = BenchmarkReport(**{**fields, "outcomes": rows})
    return read(path) if any(report.contradictions()) else report


_DECODER: msgspec.json.Decoder[Outcome] = msgspec.json.Decoder(Outcome)


def _condensed(raw: msgspec.Raw) -> Outcome:
    """Return a row with one sample a pass; ValueError where it contradicts itself."""
    row = _DECODER.decode(raw)
    if isinstance(row, Measured):
        if any(contradictions(row)):
            raise ValueError("contradicts itself")
        medians = tuple((statistics.median(times),) if times else () for times in row.times_s)
        msgspec.structs.force_setattr(row, "times_s", medians)
        msgspec.structs.force_setattr(row, "rounds", tuple((0,) * len(one) for one in medians))
    return row
