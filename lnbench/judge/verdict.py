"""The rule: from the interval of a ratio to a verdict, and to the next step where there is none."""

import math
from enum import StrEnum

import msgspec

from lnbench.judge.ranks import smallest_units
from lnbench.judge.stats import Estimate, detectable

_UNITS = {"pass": "passes a side", "report": "reports a side", "pair": "pairs", "node": "nodes"}
_PAIRED = ("pair", "node")

UNITS_TO_ADVISE = (16, 24, 36, 54, 80, 120, 200)
"""Round numbers of units; a row that needs more is too noisy for its threshold."""


class Verdict(StrEnum):
    """What is shown about a row."""

    REGRESSED = "regressed"
    """The candidate is slower, and by more than the threshold."""
    IMPROVED = "improved"
    """The candidate is faster, and by more than the threshold."""
    INCONCLUSIVE = "inconclusive"
    """None of the others is shown."""
    UNCHANGED = "unchanged"
    """Any change is shown to be within the threshold."""


class Rule(msgspec.Struct, frozen=True):
    """What every row of a diff is judged by."""

    threshold: float
    """Smallest change worth acting on, as a share; at least 0."""
    level: float
    """The level of every interval and verdict: alpha ÷ (rows × looks)."""
    drift: float
    """By how much each end of an interval is widened, as a logarithm: τ, or 0 between pairs; of
    several regimes the largest."""
    unit: str
    """What replicates: `pass`, `report`, `pair`, or `node` of a cluster."""
    looks: tuple[int, ...] = ()
    """The numbers of pairs at which rows were judged; empty where they are judged once."""

    @property
    def limit(self) -> float:
        """The threshold as a logarithm."""
        return math.log1p(self.threshold)


class LogInterval(msgspec.Struct, frozen=True):
    """A row's logarithm of candidate ÷ baseline, before it is widened for drift."""

    value: float
    """The Hodges–Lehmann centre."""
    low: float
    """Lower end of the interval; -inf where there are too few units."""
    high: float
    """Upper end of the interval; inf where there are too few units."""
    units: tuple[int, int]
    """Units of the baseline and of the candidate."""

    @property
    def half_width(self) -> float:
        """Half of the interval; inf where there are too few units."""
        return (self.high - self.low) / 2

    def estimate(self, drift: float, level: float) -> Estimate:
        """Return the ratio with its interval, widened by `drift` on both sides."""
        low, high = math.exp(self.low - drift), math.exp(self.high + drift)
        return Estimate(math.exp(self.value), low, high, 1 - level)

    def verdict(self, limit: float, drift: float) -> Verdict:
        """Return what is shown, in logarithms, so that swapped sides swap it exactly."""
        low, high = self.low - drift, self.high + drift
        if low > 0 and self.value > limit:
            return Verdict.REGRESSED
        if high < 0 and self.value < -limit:
            return Verdict.IMPROVED
        if -limit <= low and high <= limit:
            return Verdict.UNCHANGED
        return Verdict.INCONCLUSIVE


def judge(interval: LogInterval, rule: Rule) -> tuple[Verdict, str, float]:
    """Return a row's verdict, its next step and what it could have detected."""
    verdict = interval.verdict(rule.limit, rule.drift)
    reach = detectable(interval.half_width, rule.threshold, rule.level, rule.drift)
    reason = _next_step(interval, rule) if verdict is Verdict.INCONCLUSIVE else ""
    return verdict, reason, reach


def percent(share: float) -> str:
    """Return a share as people write it: 0.05 → '5%', 0.025 → '2.5%'."""
    return f"{share * 100:.3g}%"


def _next_step(interval: LogInterval, rule: Rule) -> str:
    """Return what would bring an inconclusive row to a verdict."""
    units = _UNITS[rule.unit]
    drift, threshold = percent(math.expm1(rule.drift)), percent(rule.threshold)
    if math.isinf(interval.half_width):
        few, many = interval.units
        has = f"{few}" if few == many else f"{few} and {many}"
        needed = smallest_units(rule.level, paired=rule.unit in _PAIRED)
        return f"needs {needed} {units}, has {has}"
    if interval.low - rule.drift > 0 or interval.high + rule.drift < 0:
        word = "slower" if interval.value > 0 else "faster"
        return f"{word} by less than {threshold}: lower the threshold to call it"
    if interval.verdict(rule.limit, 0) is not Verdict.INCONCLUSIVE:
        return f"cannot be told from drift (±{drift}): measure both sides in one session"
    advised = _advised_units(interval, rule.limit, rule.drift)
    if advised is not None:
        return f"take about {advised} {units}"
    if _advised_units(interval, rule.limit, 0) is not None:
        return f"noise and drift (±{drift}) hide {threshold}: measure both sides in one session"
    return f"too noisy for {threshold}: raise the threshold or quiet the machine"


def _advised_units(interval: LogInterval, limit: float, drift: float) -> int | None:
    """Return about how many units a side would tell, more than there are; None where too many."""
    size = abs(interval.value)
    # Either the interval must leave 1 behind, or it must fit within the threshold.
    room = size - drift if size > limit else limit - drift - size
    most = max(interval.units)
    enough = (n for n in UNITS_TO_ADVISE if interval.half_width <= room * math.sqrt(n / most))
    return next((units for units in enough if units > most), None)
