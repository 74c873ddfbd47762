"""What holds for a whole session."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from lnbench.plan.budget import Budget
from lnbench.plan.case import Case
from lnbench.session import memory


class Setting(msgspec.Struct, frozen=True):
    """What holds for a whole session."""

    budget: Budget
    seed: int
    threads: int
    memory_bytes: int | None = None
    """Most memory that one worker may take on the CPU; None for no limit."""
    device_bytes: Mapping[str, int] = MappingProxyType({})
    """Memory that was free on each accelerator, by name, where it was asked."""
    energy: bool = False
    """Whether rows are asked what a call costs in joules, in their first process."""

    def fit(self, case: Case, backends: int) -> memory.MemoryFit:
        """Return how many backends of a case fit beside each other, and why if none does."""
        return memory.fit(case, backends, self.device_bytes)
