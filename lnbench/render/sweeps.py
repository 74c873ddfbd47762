"""Rows along M or N: what a chart draws a line through, and where the cache ends."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from lnbench.judge.regime import cache_bytes
from lnbench.judge.summary import Row
from lnbench.record.environment import Environment
from lnbench.record.outcome import Measured
from lnbench.registry import SPEED_LIMIT
from lnbench.render.sheet import grouped
from lnbench.units import format_bytes


class Sweep(msgspec.Struct, frozen=True):
    """Rows along which only M or N varies, or both together."""

    axis: Literal["M", "N"]
    """What grows along it."""
    beside: str
    """What the other one is: `M = 4096`."""
    rows: tuple[Row, ...]
    """In the order of the report."""

    def place(self, row: Row) -> int:
        """Return where a row stands on the axis."""
        case = row.benchmark.case
        return case.rows if self.axis == "M" else case.columns


def sweeps(rows: Sequence[Row]) -> Iterator[Sweep]:
    """Yield the rows along N for each M, then along M for each N; a sole line where one is enough.

    Where M and N vary together, as at constant volume, N is the axis of all.
    """
    places = {(row.benchmark.case.rows, row.benchmark.case.columns) for row in rows}
    by_m = grouped(rows, lambda row: f"M = {row.benchmark.case.rows}")
    by_n = grouped(rows, lambda row: f"N = {row.benchmark.case.columns}")
    if len(by_n) == len(places) > 1 or len(places) == 1:
        volumes = {m * n for m, n in places}
        beside = f"M × N = {volumes.pop()}" if len(volumes) == 1 else "each with its M"
        yield Sweep("N", next(iter(by_m)) if len(by_m) == 1 else beside, tuple(rows))
        return
    axes: Mapping[Literal["M", "N"], Mapping[str, list[Row]]] = {"N": by_m, "M": by_n}
    for axis, groups in axes.items():
        for beside, members in groups.items():
            if len({row.benchmark.case.shape for row in members}) > 1:
                yield Sweep(axis, beside, tuple(members))


def cache_crossings(sweep: Sweep, environment: Environment) -> list[dict[str, Any]]:
    """Return where on the axis a call begins to move more bytes than the last-level cache holds."""
    moved = {
        sweep.place(row): (row.outcome.work.bytes_moved, cache_bytes(row.outcome, environment))
        for row in sweep.rows
        if isinstance(row.outcome, Measured) and row.benchmark.backend != SPEED_LIMIT
    }
    found = []
    for (low, (less, cache)), (high, (more, _)) in itertools.pairwise(sorted(moved.items())):
        if 0 < less <= cache < more:
            share = math.log(cache / less) / math.log(more / less)
            place = low * (high / low) ** share
            found.append({"x": place, "label": f"cache {format_bytes(cache)}"})
    return found
