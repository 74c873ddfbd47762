"""Who is fastest in a case, as far as its passes show it."""

from collections.abc import Mapping, Sequence

import msgspec

from lnbench.judge.ranks import row_level, smallest_units
from lnbench.judge.stats import (
    SHOWN_CONFIDENCE,
    Estimate,
    Floats,
    estimates,
    location_intervals,
    paired_logs,
    time_estimate,
)
from lnbench.plan.case import Case
from lnbench.record.outcome import CaveatKind, Measured


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """The backends of one case, against the fastest of those with enough passes."""

    case: Case
    """What was computed."""
    needed: int
    """Passes shared with the fastest that it takes to show a row slower."""
    fastest: str = ""
    """The backend; empty where fewer than two have enough passes."""
    equal: tuple[str, ...] = ()
    """Backends that are not shown to be slower."""
    slower: dict[str, Estimate] = {}
    """Backends that are: time ÷ that of the fastest, the whole interval above 1."""
    unknown: dict[str, int] = {}
    """Backends with too few passes to tell, and how many they share with the fastest."""

    @property
    def best(self) -> tuple[str, ...]:
        """The fastest and its equals; none where no backend is shown to be slower."""
        return (self.fastest, *self.equal) if self.slower else ()


def rank(rows: Sequence[Measured]) -> Ranking:
    """Return who is fastest of the backends of one case; their order does not matter.

    The level is shared among all but one row: of the intervals against a row that the data chose,
    those of the true fastest are at most so many.
    """
    named = {row.benchmark.backend: row for row in sorted(rows, key=lambda r: r.benchmark.backend)}
    level = row_level(1 - SHOWN_CONFIDENCE, len(named) - 1)
    needed = smallest_units(level, paired=True)
    case = rows[0].benchmark.case
    taken = {name: sum(map(bool, row.times_s)) for name, row in named.items()}
    enough = {name: row for name, row in named.items() if taken[name] >= needed}
    if len(enough) < 2:  # noqa: PLR2004  (two make a comparison)
        return Ranking(case=case, needed=needed, unknown=taken)
    fastest = _fastest(enough)
    equal, slower, unknown = [], {}, {}
    for name, row in named.items():
        logs = paired(row, named[fastest])
        if name == fastest:
            continue
        if logs.size < needed:
            unknown[name] = logs.size
            continue
        ratio = estimates(location_intervals([logs], level), 1 - level)[0]
        if ratio.low > 1:
            slower[name] = ratio
        else:
            equal.append(name)
    if not equal and not slower:
        return Ranking(case=case, needed=needed, unknown={fastest: taken[fastest], **unknown})
    return Ranking(
        case=case,
        needed=needed,
        fastest=fastest,
        equal=tuple(equal),
        slower=slower,
        unknown=unknown,
    )


def paired(above: Measured, below: Measured) -> Floats:
    """Return log ratios by round, or by pass where the backends did not share their rounds."""
    caveats = (*above.caveats, *below.caveats)
    sequential = any(caveat.kind is CaveatKind.SEQUENTIAL for caveat in caveats)
    return paired_logs(above, below, by_round=not sequential)


def _fastest(rows: Mapping[str, Measured]) -> str:
    """Return who beats most others in the passes that they share; of several, the shortest time."""
    times = {name: time_estimate(row.times_s).value for name, row in rows.items()}

    def beats(name: str, other: str) -> bool:
        logs = paired(rows[name], rows[other])
        if not logs.size:
            return times[name] < times[other]
        return bool(location_intervals([logs], 0.5)[0][0] < 0)

    def losses(name: str) -> tuple[int, float, str]:
        won = sum(beats(name, other) for other in rows if other != name)
        return (-won, times[name], name)

    return min(rows, key=losses)
