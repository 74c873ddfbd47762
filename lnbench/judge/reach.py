"""What a diff of two reports of this machine would detect, from one short session on it."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from lnbench.judge.drift import drift
from lnbench.judge.fitness import ALPHA
from lnbench.judge.noise import Noise, explain
from lnbench.judge.ranks import row_level
from lnbench.judge.stats import Floats, detectable, pass_logs, shift_intervals
from lnbench.plan.budget import PRESETS
from lnbench.record.outcome import Measured
from lnbench.record.report import Report
from lnbench.registry import SPEED_LIMIT

DRAWS = 400
"""Pairs of reports that are drawn: the median of their widths is known to 3 %."""

FEWEST_PASSES = 4
"""Passes below which scatter is not known, as for `Noise`."""


THRESHOLD = 0.05
"""The threshold of a `diff` where nobody says another."""

ROWS = 16
"""Rows that share alpha in the diff that is foretold: as many as `quick` has."""

PASSES = (PRESETS["default"].passes, PRESETS["default"].passes + 8)
"""Passes a report for which it is foretold: the default budget's, and 8 processes more."""


class RowReach(msgspec.Struct, frozen=True):
    """What diffs would detect in a row like one that was measured."""

    noise: Noise
    """Its time, and where its noise comes from."""
    ratios: tuple[float, ...]
    """For each of `PASSES`, the smallest ratio called in 80 of 100 diffs; inf where none."""


class Conclusion(msgspec.Struct, frozen=True):
    """What a session on this machine says of diffs to come."""

    rows: tuple[RowReach, ...]
    """At least one."""
    drift: float
    """By how much intervals would be widened, as a logarithm."""
    level: float
    """The level of a row among `ROWS`."""
    pass_s: float
    """Seconds that a pass of a row takes here, processes and checks and all."""

    @property
    def ratios(self) -> tuple[float, ...]:
        """What is detected in the row that shows least, for each of `PASSES`."""
        return tuple(map(max, zip(*(row.ratios for row in self.rows), strict=True)))


def conclude(report: Report) -> Conclusion | None:
    """Return what a report of a session says of diffs to come; None where it measured nothing."""
    noises = explain(report)
    if not noises:
        return None
    level, widened = row_level(ALPHA, ROWS), session_drift(noises)
    measured = {o.benchmark: o.times_s for o in report.outcomes if isinstance(o, Measured)}
    rows = []
    for noise in noises:
        (logs,) = pass_logs([measured[noise.benchmark]])
        foretold = (
            reach(logs, passes, threshold=THRESHOLD, level=level, drift=widened)
            for passes in PASSES
        )
        rows.append(RowReach(noise, tuple(foretold)))
    taken = sum(noise.units for noise in noises)
    seconds = 0.0 if isinstance(report.busy, msgspec.UnsetType) else report.busy.seconds
    return Conclusion(tuple(rows), widened, level, seconds / taken)


def reach(
    logs: Floats, passes: int, *, threshold: float, level: float, drift: float = 0.0
) -> float:
    """Return what `detects` says, in the middle, of diffs of two reports; inf where none can show.

    Reports are drawn from the passes that were measured, and each pair is judged as `diff` judges.

    Args:
        logs: the logarithm of each pass's median.
        passes: how many a report has.
        threshold: smallest change worth acting on, as a share.
        level: the level of a row.
        drift: by how much each end of an interval is widened, as a logarithm.
    """
    if logs.size < FEWEST_PASSES:
        return math.inf
    # What is drawn from n values scatters less than where they came from.
    spread = (logs - logs.mean()) * math.sqrt(logs.size / (logs.size - 1))
    drawn = np.random.default_rng(0).choice(spread, (2, DRAWS, passes))
    lines = shift_intervals(list(drawn[0]), list(drawn[1]), level)
    half_width = float(np.median(lines[:, 2] - lines[:, 1])) / 2
    return detectable(half_width, threshold, level, drift)


def session_drift(rows: Sequence[Noise]) -> float:
    """Return by how much `diff` would widen, were two reports as far apart as the session's halves.

    It is what the copy shows, by the rule of `diff`, and never less than that assumes.
    """
    seen = [n.drift for n in rows if n.benchmark.backend == SPEED_LIMIT and n.drift is not None]
    return drift(seen, [""] * len(seen)).largest
