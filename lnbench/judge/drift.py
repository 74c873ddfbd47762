"""By how much two reports of different hours may differ without a change: what the copy shows."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

import msgspec

DRIFT_FLOOR = 0.02
"""Drift assumed even where the control shows less: it follows kernels at about half their size."""

WILD = 3.0
"""A copy row counts at most that many times what the copy typically moves."""

FELT_BEYOND = 0.02
"""Drift beyond it counts twice: in an hour that disturbed the copy by 0.1 Numba was slower by 0.22,
so kernels can feel twice what the copy does; of small drifts that is mostly noise of the copy."""

TOGETHER_WEIGHT = 2.0
"""Rows that all regimes together count as in the drift of one, which has few rows of its own."""


class Drift(msgspec.Struct, frozen=True):
    """What the copy shows, and by how much intervals are widened for it, as logarithms."""

    tau: float
    """τ, of all rows of the copy; at least 0.02."""
    together: float
    """What each end of an interval is widened by where its regime has no copy."""
    by_regime: Mapping[str, float]
    """The same for each regime that has one, such as `cpu cache`."""

    @property
    def largest(self) -> float:
        """The width of the regime that moved most."""
        return max(self.by_regime.values(), default=self.together)

    def of(self, regime: str) -> float:
        """Return the width for a regime."""
        return self.by_regime.get(regime, self.together)


def drift(log_ratios: Sequence[float], regimes: Sequence[str]) -> Drift:
    """Return the root mean square of the copy rows' log ratios, by regime; none moves it alone."""
    typical = statistics.median(map(abs, log_ratios)) if log_ratios else 0.0
    squares = [min(abs(value), WILD * typical) ** 2 for value in log_ratios]
    together = _root_mean(squares)
    by_regime = {}
    for regime in dict.fromkeys(regimes):
        own = [square for square, where in zip(squares, regimes, strict=True) if where == regime]
        by_regime[regime] = _felt(_root_mean(own, TOGETHER_WEIGHT, together))
    return Drift(together, _felt(together), by_regime)


def _root_mean(squares: Iterable[float], weight: float = 0.0, prior: float = 0.0) -> float:
    listed = [*squares, weight * prior * prior]
    # fsum is exact, so that the order of the rows cannot matter.
    return max(DRIFT_FLOOR, math.sqrt(math.fsum(listed) / max(1.0, len(listed) - 1 + weight)))


def _felt(tau: float) -> float:
    """Return what a kernel may have felt where the copy moved by τ."""
    return tau + max(0.0, tau - FELT_BEYOND)
