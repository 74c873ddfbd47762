"""How many bytes a call moves, and who says so: counters, or operators, or page faults."""

from enum import StrEnum

import msgspec

from lnbench.judge.regime import PAGE_BYTES
from lnbench.plan.case import Work

_LINE_BYTES = 64
"""Of a cache, on every x86-64; Apple's have twice that, and no counters here."""

_LEAST_SHARE = 0.9
"""Operators that say less of the compulsory bytes do not do the work: compiled code does."""


class Source(StrEnum):
    """Who says how many bytes were moved."""

    COUNTERS = "counters"
    OPERATORS = "operators"
    PAGE_FAULTS = "page faults"
    UNKNOWN = "unknown"


class Traffic(msgspec.Struct, frozen=True):
    """The bytes that a call moves."""

    compulsory: int
    """What a perfect kernel moves."""
    source: Source
    """Who says it."""
    moved: float | None = None
    """Bytes a call; None where nobody says it. Of page faults: at least so many."""

    @property
    def ratio(self) -> float | None:
        """Bytes moved by compulsory bytes; None where either is not known."""
        known = self.moved is not None and self.compulsory
        return self.moved / self.compulsory if known and self.moved is not None else None


def traffic(
    work: Work, misses: float | None, operator_bytes: int | None, page_faults: float
) -> Traffic:
    """Return the bytes of a call by the best of its witnesses.

    Args:
        work: what it must move.
        misses: of the last-level cache, a call: each brings a line, to be read or to be written.
            What is written past the cache, and what goes back to memory, is in none.
        operator_bytes: what torch's operators read and write, in the cache or not.
        page_faults: a call. For each the kernel clears a page, beside what the call must move.
    """
    least = work.bytes_moved
    if misses is not None:
        return Traffic(least, Source.COUNTERS, misses * _LINE_BYTES)
    if operator_bytes and operator_bytes >= _LEAST_SHARE * least:
        return Traffic(least, Source.OPERATORS, operator_bytes)
    if page_faults >= 1:
        return Traffic(least, Source.PAGE_FAULTS, least + page_faults * PAGE_BYTES)
    return Traffic(least, Source.UNKNOWN)
