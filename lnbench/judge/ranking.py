"""Who is fastest in a case, as far as its passes show it."""

import functools
import itertools
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from lnbench.judge.ranks import row_level, smallest_units
from lnbench.judge.stats import (
    SHOWN_CONFIDENCE,
    Estimate,
    Floats,
    RoundLogs,
    estimates,
    location_intervals,
    time_estimate,
)
from lnbench.plan.case import Case
from lnbench.record.outcome import CaveatKind, Measured
from lnbench.registry import SPEED_LIMIT


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


class CasePairs:
    """The ratios of the backends of one case: what is asked for twice is computed once."""

    def __init__(self) -> None:
        self._rows: dict[str, RoundLogs] = {}
        self._logs: dict[tuple[str, str], Floats] = {}

    def __call__(self, above: Measured, below: Measured) -> Floats:
        """Return log ratios by round, or by pass where the two did not share their rounds."""
        key = (above.backend, below.backend)
        if key not in self._logs:
            caveats = (*above.caveats, *below.caveats)
            sequential = any(caveat.kind is CaveatKind.SEQUENTIAL for caveat in caveats)
            for row in (above, below):
                if row.backend not in self._rows:
                    self._rows[row.backend] = RoundLogs(row)
            one, other = self._rows[above.backend], self._rows[below.backend]
            logs = one.over(other, by_round=not sequential)
            self._logs[key] = logs = logs[np.isfinite(logs)]
            self._logs[key[::-1]] = -logs
        return self._logs[key]


def rank(rows: Sequence[Measured], pairs: CasePairs | None = None) -> Ranking:
    """Return who is fastest of the backends of one case; their order does not matter.

    The level is shared among all but one row: of the intervals against a row that the data chose,
    those of the true fastest are at most so many.
    """
    pairs = pairs or CasePairs()
    named = {row.benchmark.backend: row for row in sorted(rows, key=lambda r: r.benchmark.backend)}
    level = row_level(1 - SHOWN_CONFIDENCE, len(named) - 1)
    needed = smallest_units(level, paired=True)
    case = rows[0].benchmark.case
    taken = {name: sum(map(bool, row.times_s)) for name, row in named.items()}
    enough = {name: row for name, row in named.items() if taken[name] >= needed}
    if len(enough) < 2:  # noqa: PLR2004  (two make a comparison)
        return Ranking(case=case, needed=needed, unknown=taken)
    fastest = _fastest(enough, pairs)
    equal, slower, unknown = [], {}, {}
    for name, row in named.items():
        if name == fastest:
            continue
        logs = pairs(row, named[fastest])
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


class JudgedCase(msgspec.Struct, frozen=True):
    """What the rows of one case say of each other."""

    ranking: Ranking | None
    """Who is fastest; None where none contends."""
    shares: dict[str, Floats]
    """By backend the logarithms of the copy's time ÷ its own, by pass; none without a copy."""
    speedups: dict[str, Floats]
    """The same of the chosen backend, of those that contend."""


def judge_case(members: Mapping[str, Measured], relative_to: str | None) -> JudgedCase:
    """Return what the rows of one case say of each other."""
    pairs = CasePairs()
    contestants = {name: row for name, row in members.items() if contends(row)}

    def against(rows: Mapping[str, Measured], backend: str | None) -> dict[str, Floats]:
        beside = rows.get(backend or "")
        return {name: pairs(beside, row) for name, row in rows.items()} if beside else {}

    return JudgedCase(
        rank(tuple(contestants.values()), pairs) if contestants else None,
        against(members, SPEED_LIMIT),
        against(contestants, relative_to),
    )


def contends(outcome: Measured) -> bool:
    """Return whether a time may be compared: not the limit's, an interpreter's, or on trust."""
    aside = {CaveatKind.INTERPRETED, CaveatKind.UNWATCHED}
    kinds = {caveat.kind for caveat in outcome.caveats}
    return outcome.benchmark.backend != SPEED_LIMIT and not aside & kinds


def _fastest(rows: Mapping[str, Measured], pairs: CasePairs) -> str:
    """Return who beats most others in the passes that they share; of several, the shortest time."""

    @functools.cache
    def time_s(name: str) -> float:
        return time_estimate(rows[name].times_s).value

    won = dict.fromkeys(rows, 0)
    for name, other in itertools.combinations(rows, 2):
        logs = pairs(rows[name], rows[other])
        if logs.size:  # swapped sides have the negated centre
            centre = location_intervals([logs], 0.5)[0][0]
        else:
            centre = time_s(name) - time_s(other)
        won[name] += bool(centre < 0)
        won[other] += bool(centre > 0)
    most = [name for name, count in won.items() if count == max(won.values())]
    return most[0] if len(most) == 1 else min(most, key=lambda name: (time_s(name), name))
