"""What `check` found: a verdict a benchmark, the errors of its outputs, what its bits depend on."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lnbench.render.json import finite, json_text
from lnbench.render.sheet import ABSENT, Column, Line, Sheet
from lnbench.units import significant

if TYPE_CHECKING:
    from lnbench.measure.inspection import Checked
    from lnbench.record.outcome import OutputAgreement

_HEAD = ("benchmark", "verdict", "inputs right")
_TRAITS = {True: "yes", False: "no", None: ABSENT}


def check_sheets(checks: "Sequence[Checked]") -> tuple[Sheet, ...]:
    """Return the verdicts, and of what was checked the accuracy on random inputs."""
    verdicts = Sheet(
        "",
        tuple(Column(name, right=False) for name in _HEAD),
        tuple(Line(tuple(_row(each).values())) for each in checks),
    )
    lines = tuple(line for each in checks for line in _lines(each))
    if not lines:
        return (verdicts,)
    columns = (
        Column("benchmark", right=False),
        Column("output", right=False),
        Column("ulp"),
        Column("relative"),
        Column("absolute", wide=True),
        Column("of allowed"),
        Column("repeats", right=False, wide=True),
        Column("any threads", right=False, wide=True),
        Column("any batch", right=False, wide=True),
    )
    return verdicts, Sheet("largest errors against float64, random inputs", columns, lines)


def checks_json(checks: "Sequence[Checked]") -> str:
    """Return one object a benchmark, with the errors of every output on every set of inputs."""
    found = [
        {
            **_row(each),
            "words": "; ".join(words(each)),
            "repeatable": each.traits.repeatable,
            "any_threads": each.traits.any_threads,
            "any_batch": each.traits.any_batch,
            "findings": [
                {
                    "inputs": finding.inputs,
                    "error": finding.error,
                    "tolerable": finding.tolerable,
                    "outputs": {
                        output.name: _figures(output)
                        for output in (finding.agreement.outputs if finding.agreement else ())
                    },
                }
                for finding in each.findings
            ],
        }
        for each in checks
    ]
    return json_text(found)


def words(checked: "Checked") -> Iterator[str]:
    """Yield why a benchmark was not checked, and what was wrong on which inputs."""
    if checked.skipped or checked.error:
        yield checked.skipped or checked.error
    for finding in checked.findings:
        if finding.error:
            known = "known" if finding.tolerable else "WRONG"
            yield f"{known}: {finding.inputs}: {finding.error}"


def _row(checked: "Checked") -> dict[str, str]:
    good = sum(not finding.error for finding in checked.findings)
    cells = (checked.benchmark.id, _verdict(checked), f"{good} of {len(checked.findings)}")
    return dict(zip(_HEAD, cells, strict=True))


def _verdict(checked: "Checked") -> str:
    if checked.skipped:
        return "skipped"
    if checked.error:
        return "failed"
    if checked.failed:
        return "wrong"
    right = all(not finding.error for finding in checked.findings)
    return "right" if right else "right, with caveats"


def _lines(checked: "Checked") -> Iterator[Line]:
    """Yield a line an output of the case's own inputs, which come first."""
    found = checked.findings[0].agreement if checked.findings else None
    traits = checked.traits
    for place, output in enumerate(found.outputs if found else ()):
        first = place == 0
        seen = (traits.repeatable, traits.any_threads, traits.any_batch)
        yield Line(
            (
                checked.benchmark.id if first else "",
                output.name,
                significant(output.max_ulp, 2),
                f"{output.max_relative:.1e}",
                f"{output.max_error:.1e}",
                f"{output.max_relative / output.allowed:.0%}" if output.allowed else ABSENT,
                *(_TRAITS[each] if first else "" for each in seen),
            ),
            first=first,
        )


def _figures(output: "OutputAgreement") -> dict[str, float | None]:
    names = ("max_error", "max_relative", "max_ulp", "allowed")
    return {name: finite(getattr(output, name)) for name in names}
