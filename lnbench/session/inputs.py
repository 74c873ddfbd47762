"""The inputs of cases, kept from pass to pass as far as memory allows."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lnbench.measure import shared
from lnbench.plan.case import Case


class InputStore:
    """Folders of cases; those of the first cases stay, as many as fit.

    To make the inputs of 8 Mi elements takes 0.7 s, which a pass of them hardly does. The float64
    truth, several times their size, is needed once and goes with its pass.

    Args:
        folder: where they lie.
        most_bytes: what those that stay may take together.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        self._kept: dict[Case, int] = {}
        self._numbers: dict[Case, int] = {}

    @contextlib.contextmanager
    def lent(self, case: Case) -> Iterator[Path]:
        """Lend the folder of a case for a pass; what is in it stays where it fits."""
        number = self._numbers.setdefault(case, len(self._numbers))
        where = self._folder / f"case-{number}"
        try:
            yield where
        finally:
            for left in where.glob("results-*"):  # of workers that died, or rows that failed
                shared.clear(left)
            if case not in self._kept:
                size = shared.size_bytes(where)
                if shared.written(where / "inputs") and self._fits(size):
                    self._kept[case] = size
                else:
                    shared.clear(where)

    def forget(self) -> bool:
        """Let go of all that is kept, and keep no more; return whether that frees anything."""
        freed = sum(self._kept.values()) > 0
        for case in self._kept:
            shared.clear(self._folder / f"case-{self._numbers[case]}")
        self._kept.clear()
        self._most_bytes = 0
        return freed

    def _fits(self, size: int) -> bool:
        return sum(self._kept.values()) + size <= self._most_bytes
