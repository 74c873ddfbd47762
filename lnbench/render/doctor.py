"""What disturbs a machine, how its times scatter, and what it can show, as a view."""

import math
from collections.abc import Iterator, Sequence
from operator import attrgetter

import msgspec
from msgspec import UNSET

from lnbench.judge.fitness import ALPHA
from lnbench.judge.reach import PASSES, ROWS, THRESHOLD, Conclusion, RowReach, conclude
from lnbench.plan.case import shape_text
from lnbench.record.looks import Look
from lnbench.record.outcome import Failed, Skipped
from lnbench.record.report import Report
from lnbench.render.busy import busy_lines
from lnbench.render.columns import interval_text
from lnbench.render.noise import scatter_text, signed_scatter_text
from lnbench.render.sheet import Column, Sheet, View, objects, sheet
from lnbench.units import format_duration, format_percent, format_time

CHECKED = (
    "detects was checked on recorded runs: changes of that size, planted, were called in 86 of 100 "
    "rows on one day and in 78 on another, of 80 promised (docs/evidence)"
)

WORDS = (
    "within: scatter of a sample in its process; between: of processes; "
    "drift: the later half of the session ÷ the earlier"
)


class Diagnosis(msgspec.Struct, frozen=True):
    """What `lnbench doctor` found out."""

    looks: tuple[Look, ...]
    """Everything that was looked at."""
    report: Report | None
    """What was measured; None where it only looked."""
    conclusion: Conclusion | None
    """What that says of diffs to come; None where nothing was measured."""


def diagnosis(looks: Sequence[Look], report: Report | None) -> Diagnosis:
    """Return what was found out, with what it means."""
    return Diagnosis(tuple(looks), report, None if report is None else conclude(report))


def disturbances(made: Diagnosis) -> tuple[str, ...]:
    """Return the names of what disturbs, and whether the machine was busy while it measured."""
    busy = busy_lines(UNSET if made.report is None else made.report.busy)
    return (*(look.name for look in made.looks if look.disturbs), *busy)


def doctor_view(made: Diagnosis) -> View:
    """Return a sheet of looks, and one of what was measured."""
    sheets = [_looked(made.looks)]
    if made.conclusion is not None:
        sheets.append(_measured(made.conclusion))
    return View(tuple(_trouble(made.report)), tuple(sheets), _data(made))


def _trouble(report: Report | None) -> Iterator[str]:
    """Yield what failed, why others were skipped, and what took the CPUs meanwhile."""
    if report is not None:
        failures = (outcome for outcome in report.outcomes if isinstance(outcome, Failed))
        yield from (f"failed: {outcome.benchmark.id}: {outcome.error}" for outcome in failures)
        skipped = (outcome for outcome in report.outcomes if isinstance(outcome, Skipped))
        yield from dict.fromkeys(f"skipped: {outcome.reason}" for outcome in skipped)
        yield from busy_lines(report.busy)


_LOOKS = (
    Column("look", attrgetter("name"), key="name", right=False),
    Column("disturbs", attrgetter("disturbs"), lambda yes: "yes" if yes else "", "disturbs", False),
    Column("what it is", attrgetter("found"), key="found", right=False),
    Column(None, attrgetter("effect"), key="effect"),
    Column(None, lambda look: look.command or None, key="command"),
)


def _looked(looks: Sequence[Look]) -> Sheet:
    ordered = sorted(looks, key=lambda look: not look.disturbs)
    notes = []
    for look in ordered:
        if look.disturbs:
            notes += [f"{look.name}: {look.effect}", *([f"→ {look.command}"] * bool(look.command))]
    if not notes:
        notes = ["nothing here disturbs timings"]
    return sheet("", _LOOKS, ordered, notes, dim=lambda look: not look.disturbs)


def _name(row: RowReach) -> str:
    benchmark = row.noise.benchmark
    return f"{benchmark.backend} {shape_text(benchmark.case.shape)}"


def _within(row: RowReach) -> float | None:
    """Return the whole scatter of samples in a process: their own, and what a round shares."""
    return _together(row.noise.samples, row.noise.rounds)


def _between(row: RowReach) -> float | None:
    """Return the whole scatter between processes: their own, and what a pass shares."""
    return _together(row.noise.processes, row.noise.passes)


def _together(own: float | None, shared: float | None) -> float | None:
    return None if own is None else math.hypot(own, shared or 0.0)


def _change(ratio: float) -> str:
    """Return a ratio as the change that it is; nothing is detected with too few passes."""
    return f"{ratio - 1:+.1%}" if math.isfinite(ratio) else "nothing"


_ROWS = (
    Column(None, attrgetter("noise.benchmark.id"), key="id"),
    Column("row", _name, right=False),
    Column("time", attrgetter("noise.interval.value"), format_time, "time_s"),
    Column("±", attrgetter("noise.interval"), interval_text, worth=1),
    Column(None, attrgetter("noise.half_width"), key="half_width"),
    Column("passes", attrgetter("noise.units"), key="passes"),
    Column("within", _within, scatter_text, "within_process"),
    Column("between", _between, scatter_text, "between_processes"),
    Column("drift", attrgetter("noise.drift"), signed_scatter_text, "drift"),
    Column("detects", attrgetter("ratios"), lambda ratios: _change(ratios[0])),
    Column(None, attrgetter("ratios"), key="detects"),
)


def _measured(conclusion: Conclusion) -> Sheet:
    notes = (WORDS, _scope(conclusion), CHECKED)
    return sheet("measured", _ROWS, conclusion.rows, notes, (_answer(conclusion),))


def _scope(conclusion: Conclusion) -> str:
    """Return for which diffs the detected changes hold."""
    rule = f"threshold {format_percent(THRESHOLD)}, alpha {format_percent(ALPHA)}, {ROWS} rows"
    drift = format_percent(math.expm1(conclusion.drift), 1)
    return f"detects: by the formula of diff ({rule}), with a drift of {drift} between reports"


def _answer(conclusion: Conclusion) -> str:
    first, second = (_shown(ratio) for ratio in conclusion.ratios)
    budget = f"with the default budget ({format_duration(PASSES[0] * conclusion.pass_s)} a row)"
    more = PASSES[1] - PASSES[0]
    return f"{budget} a diff would show {first} in a row; with {more} processes more, {second}"


def _shown(ratio: float) -> str:
    return f"a change of {_change(ratio)[1:]}" if math.isfinite(ratio) else "nothing"


def _data(made: Diagnosis) -> object:
    """Return the same for scripts."""
    conclusion, report = made.conclusion, made.report
    return {
        "disturbed": bool(disturbances(made)),
        "looks": objects(_LOOKS, made.looks),
        "busy": None if report is None or report.busy is UNSET else report.busy,
        "rows": objects(_ROWS, conclusion.rows) if conclusion else [],
        "conclusion": conclusion
        and {
            "passes": PASSES,
            "seconds_a_row": [passes * conclusion.pass_s for passes in PASSES],
            "detects": conclusion.ratios,
            "threshold": THRESHOLD,
            "level": conclusion.level,
            "drift": conclusion.drift,
        },
    }
