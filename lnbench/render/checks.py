"""What `check` showed: verdicts, the errors of all outputs, and what their bits depend on."""

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from lnbench.plan.case import shape_text
from lnbench.render.sheet import Column, View, group_title, grouped, objects, sheet
from lnbench.units import significant

if TYPE_CHECKING:
    from lnbench.record.outcome import OutputAgreement
    from lnbench.session.check import BenchmarkCheck

_ERRORS = ("max_error", "max_relative", "max_ulp", "allowed")


def check_view(checks: "Sequence[BenchmarkCheck]") -> View:
    """Return the verdicts, and of what was checked the accuracy on random inputs."""
    titles = grouped(checks, lambda checked: group_title(checked.benchmark.case))
    sheets = [sheet(title, _VERDICTS, rows) for title, rows in titles.items()]
    outputs = [
        (checked, name, output)
        for checked in checks
        if checked.findings and checked.findings[0].agreement  # the case's own inputs come first
        for name, output in checked.findings[0].agreement.outputs.items()
    ]
    titled = grouped(outputs, lambda row: group_title(row[0].benchmark.case))
    for title, members in titled.items():
        said = f"{title} · largest errors against float64, random inputs"
        sheets.append(sheet(said, _OUTPUTS, members))
    return View((), tuple(sheets), objects(_VERDICTS, checks))


def words(checked: "BenchmarkCheck") -> Iterator[str]:
    """Yield why a benchmark was not checked, and what was wrong on which inputs."""
    if checked.skipped or checked.error:
        yield checked.skipped or checked.error
    for finding in checked.findings:
        if finding.error:
            known = "known" if finding.tolerable else "WRONG"
            yield f"{known}: {finding.inputs}: {finding.error}"


def _shape(checked: "BenchmarkCheck") -> str:
    return shape_text(checked.benchmark.case.shape)


def _verdict(checked: "BenchmarkCheck") -> str:
    if checked.skipped:
        return "skipped"
    if checked.error:
        return "failed"
    if checked.failed:
        return "wrong"
    right = all(not finding.error for finding in checked.findings)
    return "right" if right else "right, with caveats"


def _inputs_right(checked: "BenchmarkCheck") -> str:
    right = sum(not finding.error for finding in checked.findings)
    return f"{right} of {len(checked.findings)}"


def _findings(checked: "BenchmarkCheck") -> list[dict[str, Any]]:
    """Return the errors of every output on every set of inputs."""
    return [
        {
            "inputs": finding.inputs,
            "error": finding.error,
            "tolerable": finding.tolerable,
            "outputs": {
                output: {name: getattr(figures, name) for name in _ERRORS}
                for output, figures in (
                    finding.agreement.outputs.items() if finding.agreement else ()
                )
            },
        }
        for finding in checked.findings
    ]


def _of_allowed(row: "tuple[BenchmarkCheck, str, OutputAgreement]") -> float | None:
    *_, output = row
    return output.max_relative / output.allowed if output.allowed else None


def _trait(heading: str, name: str) -> Column:
    """Return a column of what the bits of a benchmark's outputs depend on."""
    read = attrgetter(f"traits.{name}")
    words = {True: "yes", False: "no"}
    return Column(
        heading, lambda row: read(row[0]), words.__getitem__, right=False, worth=3, once=True
    )


_VERDICTS = (
    Column(None, attrgetter("benchmark.id"), key="benchmark"),
    Column("shape", _shape, right=False, once=True),
    Column("backend", attrgetter("benchmark.backend"), right=False),
    Column("verdict", _verdict, key="verdict", right=False),
    Column("inputs right", _inputs_right, key="inputs right", right=False, worth=1),
    Column(None, lambda checked: "; ".join(words(checked)), key="words"),
    Column(None, attrgetter("traits.repeatable"), key="repeatable"),
    Column(None, attrgetter("traits.any_threads"), key="any_threads"),
    Column(None, attrgetter("traits.any_batch"), key="any_batch"),
    Column(None, _findings, key="findings"),
)

_OUTPUTS = (
    Column("shape", lambda row: _shape(row[0]), right=False, once=True),
    Column("backend", lambda row: row[0].benchmark.backend, right=False, once=True),
    Column("output", lambda row: row[1], right=False),
    Column("ulp", lambda row: row[2].max_ulp, lambda ulp: significant(ulp, 2)),
    Column("relative", lambda row: row[2].max_relative, "{:.1e}".format, worth=2),
    Column("absolute", lambda row: row[2].max_error, "{:.1e}".format, worth=4),
    Column("of allowed", _of_allowed, "{:.0%}".format, worth=1),
    _trait("repeats", "repeatable"),
    _trait("any threads", "any_threads"),
    _trait("any batch", "any_batch"),
)
