"""When a row of a run may stop: the rule that a session is handed."""

from lnbench.judge.stats import SHOWN_CONFIDENCE, Times, location_intervals, pass_logs
from lnbench.plan.budget import PASSES_FOR_PRECISION, Budget


def precise(times_s: Times, budget: Budget) -> bool:
    """Return whether a row's time is known as closely as the budget asks, over enough passes.

    Args:
        times_s: seconds per iteration, one tuple a pass; empty where the process died.
        budget: its `precision` bounds half of the 95 % interval of the logarithm.
    """
    if sum(map(bool, times_s)) < min(PASSES_FOR_PRECISION, budget.passes):
        return False
    _, low, high = location_intervals(pass_logs([times_s]), 1 - SHOWN_CONFIDENCE)[0].tolist()
    return bool(high - low <= 2 * budget.precision)
