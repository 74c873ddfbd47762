"""Where the noise of each row comes from, as a view."""

import math
from collections.abc import Iterator, Sequence
from operator import attrgetter

from msgspec import UNSET

from lnbench.judge import noise
from lnbench.judge.noise import Noise, Source
from lnbench.plan.case import shape_text
from lnbench.record.report import Report
from lnbench.registry import SPEED_LIMIT
from lnbench.render.columns import interval_text
from lnbench.render.notes import said_once
from lnbench.render.rows import head_lines
from lnbench.render.sheet import Column, Sheet, View, group_title, grouped, objects, sheet
from lnbench.units import format_percent, significant

MANY = 200
"""More passes than this are no advice."""

_WORDS = {
    Source.SAMPLES: (
        "mostly samples: single calls were disturbed; what else runs here? More passes help"
    ),
    Source.ROUNDS: (
        "mostly rounds: the whole machine was disturbed for moments at a time; what else runs here?"
    ),
    Source.PROCESSES: (
        "mostly processes: memory is laid out anew in each; only more passes narrow it"
    ),
    Source.PASSES: (
        "mostly passes: the machine itself was slower for a while; "
        "in lnbench ab both sides share their passes, and that cancels"
    ),
}


def noise_view(report: Report, rows: Sequence[Noise]) -> View:
    """Return one sheet for each operation, direction, type, device and set of options.

    Args:
        report: of a run, or of two sides.
        rows: where the noise of its rows comes from.
    """
    precision = report.budget.precision
    titles = grouped(rows, lambda row: group_title(row.benchmark.case))
    sheets = tuple(_sheet(title, members, precision) for title, members in titles.items())
    head = (*head_lines(report), *_timed(report))
    return View(head, sheets, objects(_columns(precision, sided=False), rows))


def _timed(report: Report) -> Iterator[str]:
    """Yield which share of a session's seconds were timed calls, where it was watched."""
    if report.busy is not UNSET:
        taken_s, whole_s = noise.timed_s(report), report.busy.seconds
        words = "the rest went into starting processes, making inputs and comparing results"
        share = format_percent(taken_s / whole_s)
        yield f"timed calls: {taken_s:.3g} of {whole_s:.3g} s ({share}); {words}"


def _sheet(title: str, rows: Sequence[Noise], precision: float) -> Sheet:
    columns = _columns(precision, sided=any(row.side for row in rows))
    return sheet(
        title,
        columns,
        rows,
        said_once(
            (
                _WORDS[row.source],
                f"{row.benchmark.backend} {row.side}".strip(),
                shape_text(row.benchmark.case.shape),
            )
            for row in rows
            if row.source is not None
        ),
        dim=lambda row: row.benchmark.backend == SPEED_LIMIT,
    )


def _columns(precision: float, *, sided: bool) -> tuple[Column, ...]:
    """Return what is said of every row; scatter in logarithms, so that 0.02 is 2 %.

    Args:
        precision: the half-width, as a share, that the last columns speak of.
        sided: whether the rows are of two sides.
    """
    return (
        Column(None, attrgetter("benchmark.id"), key="id"),
        Column("shape", lambda row: shape_text(row.benchmark.case.shape), right=False, once=True),
        Column("backend", attrgetter("benchmark.backend"), right=False),
        Column("side" if sided else None, lambda row: row.side or None, key="side", right=False),
        Column("samples", attrgetter("samples"), scatter_text, key="samples"),
        Column("rounds", attrgetter("rounds"), scatter_text, key="rounds", worth=2),
        Column("processes", attrgetter("processes"), scatter_text, key="processes"),
        Column("passes", attrgetter("passes"), scatter_text, key="passes", worth=3 * sided),
        Column("drift", attrgetter("drift"), signed_scatter_text, key="drift", worth=4),
        Column("± ratio" if sided else "±", attrgetter("interval"), interval_text),
        Column(None, attrgetter("half_width"), key="half_width"),
        Column("pairs" if sided else "from", attrgetter("units"), key="units", worth=1),
        Column(None, attrgetter("source"), key="source"),
        Column(None, lambda _: precision, key="precision"),
        Column(f"for ±{format_percent(precision)}", lambda row: _wanted(row, precision)),
        Column(None, lambda row: row.units_for(precision), key="units_for_precision"),
    )


def scatter_text(scale: float) -> str:
    """Return scatter of logarithms as a share: 0.02 → '2.0%'."""
    return f"{significant(math.expm1(scale) * 100, 2)}%"


def signed_scatter_text(log_ratio: float) -> str:
    """Return a logarithm of a ratio as the change that it is."""
    return f"{math.expm1(log_ratio):+.1%}"


def _wanted(row: Noise, precision: float) -> str:
    """Return how many passes are wanted for a precision: `enough`, `about 40` or `too noisy`."""
    units = row.units_for(precision)
    if units is None:
        return "?"
    if units == row.units:
        return "enough"
    return f"about {units}" if units <= MANY else f"over {MANY}"
