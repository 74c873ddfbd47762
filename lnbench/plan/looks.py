"""At which numbers of pairs a comparison looks at its rows."""

from lnbench.plan.budget import Budget

LOOKS = (16, 24, 36, 54, 80)
"""Each half as many again: late looks cost more time than they spend of the level."""

AB_BUDGET = Budget(time_s=20.0, passes=LOOKS[-1])
"""What `lnbench ab` takes where nothing is said; a row of it has two benchmarks."""


def looks_within(passes: int) -> tuple[int, ...]:
    """Return the looks of a session of at most that many passes; the last is its end."""
    return (*(look for look in LOOKS if look < passes), passes)
