"""Where the noise of each row comes from, as sheets and as JSON."""

import math
from collections.abc import Sequence

from lnbench.judge.noise import Noise, Source
from lnbench.plan.case import shape_text
from lnbench.registry import SPEED_LIMIT
from lnbench.render.facts import interval_text
from lnbench.render.json import json_text
from lnbench.render.rows import group_title
from lnbench.render.sheet import ABSENT, Column, Line, Sheet
from lnbench.units import format_percent, significant

MANY = 200
"""More passes than this are no advice."""

_WORDS = {
    Source.SAMPLES: (
        "mostly samples: calls disturbed one by one; what else runs here? Each pass adds more"
    ),
    Source.ROUNDS: (
        "mostly rounds: the whole machine was disturbed for moments; what else runs here?"
    ),
    Source.PROCESSES: (
        "mostly processes: where memory happens to lie, new in each; only more passes narrow it"
    ),
    Source.PASSES: (
        "mostly passes: the machine itself was slower for a while; "
        "lnbench ab, whose sides share their passes, does not see that"
    ),
}


def noise_sheets(rows: Sequence[Noise], precision: float) -> tuple[Sheet, ...]:
    """Return one sheet for each operation, direction, type, device and set of options.

    Args:
        rows: the rows of a run, or of two sides.
        precision: the half-width, as a share, that the last column speaks of.
    """
    groups: dict[str, list[Noise]] = {}
    for row in rows:
        groups.setdefault(group_title(row.benchmark.case), []).append(row)
    return tuple(_sheet(title, members, precision) for title, members in groups.items())


def noise_json(rows: Sequence[Noise], precision: float) -> str:
    """Return one object a row; scatter in logarithms, so that 0.02 is 2 %."""
    found = [
        {
            "id": row.benchmark.id,
            "side": row.side or None,
            "samples": row.samples,
            "rounds": row.rounds,
            "processes": row.processes,
            "passes": row.passes,
            "drift": row.drift,
            "half_width": row.half_width if math.isfinite(row.half_width) else None,
            "units": row.units,
            "source": row.source,
            "precision": precision,
            "units_for_precision": row.units_for(precision),
        }
        for row in rows
    ]
    return json_text(found)


def _sheet(title: str, rows: Sequence[Noise], precision: float) -> Sheet:
    sided = any(row.side for row in rows)
    columns = (
        Column("shape", right=False),
        Column("backend", right=False),
        *((Column("side", right=False),) if sided else ()),
        Column("samples"),
        Column("rounds", wide=True),
        Column("processes"),
        Column("passes", wide=sided),
        Column("drift", wide=True),
        Column("± ratio" if sided else "±"),
        Column("pairs" if sided else "from", wide=True),
        Column(f"for ±{format_percent(precision)}"),
    )
    lines, last = [], None
    for row in rows:
        shape = row.benchmark.case.shape
        lines.append(_line(row, precision, sided=sided, first=shape != last))
        last = shape
    return Sheet(title, columns, tuple(lines), _notes(rows))


def _line(row: Noise, precision: float, *, sided: bool, first: bool) -> Line:
    cells = (
        shape_text(row.benchmark.case.shape) if first else "",
        row.benchmark.backend,
        *((row.side,) if sided else ()),
        *map(_share, (row.samples, row.rounds, row.processes, row.passes)),
        ABSENT if row.drift is None else f"{math.expm1(row.drift):+.1%}",
        interval_text(row.interval),
        str(row.units),
        _wanted(row, precision),
    )
    return Line(cells, dim=row.benchmark.backend == SPEED_LIMIT, first=first)


def _share(scale: float | None) -> str:
    return ABSENT if scale is None else f"{significant(math.expm1(scale) * 100, 2)}%"


def _wanted(row: Noise, precision: float) -> str:
    """Return how many passes are wanted for a precision: `enough`, `about 40` or `too noisy`."""
    units = row.units_for(precision)
    if units is None:
        return "?"
    if units == row.units:
        return "enough"
    return f"about {units}" if units <= MANY else f"over {MANY}"


def _notes(rows: Sequence[Noise]) -> tuple[str, ...]:
    """Return, for each source, the rows that it makes noisy and what would narrow it."""
    found: dict[Source, dict[str, list[str]]] = {}
    for row in rows:
        if row.source is not None:
            name = f"{row.benchmark.backend} {row.side}".strip()
            shapes = found.setdefault(row.source, {}).setdefault(name, [])
            shapes.append(shape_text(row.benchmark.case.shape))
    return tuple(
        "; ".join(f"{name} {', '.join(dict.fromkeys(shapes))}" for name, shapes in who.items())
        + f": {_WORDS[source]}"
        for source, who in found.items()
    )
