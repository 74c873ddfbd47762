"""How much measuring to do."""

import msgspec

LONGEST_S = 2_000_000
"""Seconds, three weeks; in milliseconds poll(2) takes little more."""

MOST = 1_000_000
"""Passes and rounds."""

MOST_THREADS, LARGEST_SEED = 4096, 2**63 - 1


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When to stop; the number of rounds is fixed, only the number of passes adapts."""

    precision: float = 0.05
    """Half-width of a row's 95 % interval, as a share, at which the row may stop; above 0."""
    time_s: float = 5.0
    """Seconds of samples of one benchmark, over all passes; in `ab`, of whole passes of a pair."""
    passes: int = 12
    """Most passes; each takes a row once, in processes of its own."""
    rounds: int = 10
    """Samples that each process takes."""
    max_time_s: float | None = None
    """Seconds that the whole run may take; None means no cap."""
    timeout_s: float = 180.0
    """Seconds that one answer of a worker may take before it counts as hung."""

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            value, most = getattr(self, field), LONGEST_S if field.endswith("_s") else MOST
            if value is not None and not 0 < value <= most:  # no number is neither
                name = field.removesuffix("_s")
                raise ValueError(f"{name} must be above 0 and at most {most:,}, not {value:g}")


PASSES_FOR_PRECISION = 10
"""Fewest passes before a row may stop as precise: 10 a side is what a `diff` of 900 rows needs."""

PRESETS = {
    "default": Budget(),
    # Eight passes are the fewest that tell who is fastest of six backends: 2 ÷ 2⁸ < 5 % ÷ 5.
    "fast": Budget(precision=0.1, time_s=2.0, passes=8, rounds=5),
    "rigorous": Budget(precision=0.02, time_s=60.0, passes=40),
}
"""The budgets behind `--fast` (for a look, not for a verdict), no flag and `--rigorous`."""

LOOKS = (16, 24, 36, 54, 80)
"""Numbers of pairs at which a comparison looks at its rows.

Each half as many again: late looks cost more time than they spend of the level.
"""

AB_BUDGET = Budget(time_s=20.0, passes=LOOKS[-1])
"""What `lnbench ab` takes where nothing is said; a row of it has two benchmarks."""


def looks_within(passes: int) -> tuple[int, ...]:
    """Return the looks of a session of at most that many passes; the last is its end."""
    return (*(look for look in LOOKS if look < passes), passes)
