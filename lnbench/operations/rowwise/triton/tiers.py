"""How the kernels cut a matrix: one table a direction, read from the top, first fit.

A configuration depends on the width and type of a row, and on a coarse bucket of the number of
rows, never on that number itself: another batch compiles and tunes nothing. Sizes follow research
that is summed up in docs/decisions/0017: bytes in flight, registers a thread, launches.
"""

import itertools
import math
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from typing import NamedTuple, TypeAlias

import torch
import triton

from lnbench.plan.case import Direction

_BYTES = (2, 4, 8)
_WHOLE = ("rows", "twice")  # tiers whose tiles are as wide as a row
_REGISTERS = 65536  # 32-bit registers of a multiprocessor, compute capability 7.0 to 10.0


class Rows(StrEnum):
    """Buckets of the number of rows."""

    SINGLE = "single"
    """So few that one program takes them all, and adds up dw and db on its own: one launch."""
    FEW = "few"
    """Fewer than the device has multiprocessors: a row of its own does not keep one busy."""
    MANY = "many"
    """Rows enough."""


SINGLE_ROWS = 4
"""Most rows of the bucket SINGLE."""


def bucket(rows: int, processors: int) -> Rows:
    """Return the bucket of a number of rows on a device with so many multiprocessors."""
    if rows <= SINGLE_ROWS:
        return Rows.SINGLE
    return Rows.FEW if rows < processors else Rows.MANY


class Configuration(NamedTuple):
    """A launch configuration: how a kernel cuts its matrix, as constants of its compilation."""

    tier: str
    """`rows` (whole rows in registers), or for wider ones `looped` and `split` (forward, in chunks
    by one program a row or by several), `twice` (backward, whole rows in two sweeps, with dw and db
    in registers), `separate` (backward, dx by one program a row in steps of `chunk`, then dw and db
    by tiles) and `columns` (backward, means over a row first, by a launch of their own)."""
    block_m: int
    """Rows of a tile."""
    block_n: int
    """Columns of a tile or of a step, a power of two."""
    num_warps: int
    """Warps of a program."""
    stages: int = 1
    """How many tiles are under way at once: the next one loads while this one is computed."""
    chunk: int = 0
    """Columns of a row that one program sums up where several share it, or takes in a step; 0 for
    all."""
    registers: int = 0
    """Most registers of a thread, of `rows` and `looped` forward; 0 for as many as it takes."""

    def chunks(self, columns: int) -> int:
        """Return in how many pieces a row is summed up."""
        return triton.cdiv(columns, self.chunk) if self.chunk else 1


_BySize: TypeAlias = tuple[int, int, int]
"""For elements of 2, 4 and 8 bytes."""


class _Band(NamedTuple):
    """A line of a table: which rows it is for, and how they are cut."""

    columns: int
    """Widest row, in elements of 4 bytes or fewer; half as wide for float64."""
    rows: tuple[Rows, ...]
    """For which buckets."""
    tier: str
    elements: _BySize
    """Of a tile, or of a step where a row is taken in steps."""
    num_warps: _BySize
    stages: _BySize = (1, 1, 1)
    """The fewer bytes a tile has, the more of them are under way."""
    heights: _BySize = (1, 1, 1)
    """Most rows of a tile."""
    chunks: _BySize = (0, 0, 0)
    """Columns that a program sums up, more where there would be too many `pieces`; 0 for all."""
    pieces: int = 1024
    """Most in which a row is summed up: who needs the sum adds them up anew."""
    registers: _BySize = (0, 0, 0)
    """Most of a thread, where one more program then fits on a multiprocessor."""


_ALL = tuple(Rows)
_SCARCE = (Rows.SINGLE, Rows.FEW)
_ANY_WIDTH = 2**62
_PIECES = {"columns": 64, "split": 1024}
"""Most in which a row is summed up; backward each is code of its own where they are added up."""


def _same(value: int) -> _BySize:
    return value, value, value


def _halved(value: int) -> _BySize:
    """Return a number that is half as large for float64."""
    return value, value, value // 2


_LOOPED = _Band(65536, _ALL, "looped", (8192, 4096, 2048), _same(16))
_COLUMNS = _Band(
    *(_ANY_WIDTH, _SCARCE, "columns", _halved(2048), _same(4)),
    heights=_same(2),
    chunks=_same(16384),
    pieces=16,
)
COLUMNS = Configuration("columns", 2, 1024, 4)
"""What takes any rows backward, whatever is asked for."""

_FORWARD = (
    _Band(512, _ALL, "rows", _halved(4096), _same(4), heights=_same(256)),
    _Band(1024, _ALL, "rows", _halved(4096), (2, 4, 4), heights=(1, 256, 256)),
    _Band(2048, _ALL, "rows", _halved(2048), _same(4)),
    _Band(4096, _ALL, "rows", _halved(4096), _same(4)),
    _Band(8192, _ALL, "rows", _halved(8192), _same(8), registers=(64, 0, 0)),
    _Band(16384, _ALL, "rows", _halved(16384), _same(16), registers=(64, 64, 0)),
    _Band(32768, _ALL, "rows", _halved(32768), _same(32)),
    _LOOPED,
    _Band(_ANY_WIDTH, _SCARCE, "split", _halved(4096), _same(8), chunks=_same(16384)),
    _LOOPED._replace(columns=_ANY_WIDTH),
)
_SEPARATE = _Band(
    *(_ANY_WIDTH, (Rows.MANY,), "separate", _halved(2048), _same(4)),
    heights=_same(2),
    stages=_same(3),
    chunks=(4096, 8192, 2048),
    pieces=_ANY_WIDTH,
)
_BACKWARD = (
    _Band(512, _ALL, "rows", _halved(2048), _same(4), heights=_same(128)),
    _Band(1024, _ALL, "rows", _halved(2048), _same(4), stages=(3, 3, 1), heights=(2, 1, 1)),
    _Band(2048, _ALL, "rows", _halved(2048), _same(4), stages=(3, 2, 1)),
    _Band(4096, _ALL, "rows", _halved(4096), _same(8), stages=(3, 2, 1)),
    _Band(8192, _ALL, "rows", _halved(8192), _same(16), stages=(3, 3, 1)),
    _Band(16384, _ALL, "twice", _halved(16384), _same(16)),
    _COLUMNS._replace(rows=(Rows.SINGLE,), pieces=_PIECES["columns"]),
    _COLUMNS,
    _SEPARATE,
)
_HELD = {
    ("rows", Direction.FORWARD): (2, False),
    ("looped", Direction.FORWARD): (2, False),
    ("split", Direction.FORWARD): (2, False),
    ("rows", Direction.BACKWARD): (5, True),
    ("twice", Direction.BACKWARD): (3, False),
    ("columns", Direction.BACKWARD): (5, True),
    ("separate", Direction.BACKWARD): (5, True),
}
"""How many tiles registers hold at once (x and y; x, dy, x̂, dw and db), and whether others may be
under way meanwhile."""
_TABLES = {Direction.FORWARD: _FORWARD, Direction.BACKWARD: _BACKWARD}


@cache
def heuristic(direction: Direction, columns: int, dtype: torch.dtype, rows: Rows) -> Configuration:
    """Return how a table cuts rows of a width and type.

    Args:
        direction: forward or backward.
        columns: N, the width of a row.
        dtype: x's type.
        rows: the bucket of the number of rows.
    """
    scale = 2 if dtype is torch.float64 else 1
    width = triton.next_power_of_2(max(1, columns))
    for band in _TABLES[direction]:
        if width * scale <= band.columns and rows in band.rows:
            return _cut(band, width, columns, dtype.itemsize)
    raise AssertionError("the last band of a table takes every width")


def _cut(band: _Band, width: int, columns: int, itemsize: int) -> Configuration:
    whole, size = band.tier in _WHOLE, _BYTES.index(itemsize)
    elements = band.elements[size]
    height, chunk = band.heights[size], band.chunks[size]
    if whole:
        height = min(height, max(1, elements // width))
    return Configuration(
        tier=band.tier,
        block_m=height,
        block_n=width if whole else elements // height,
        num_warps=band.num_warps[size],
        stages=band.stages[size],
        chunk=chunk and max(chunk, _power_above(columns / band.pieces)),
        registers=band.registers[size],
    )


def candidates(
    direction: Direction, columns: int, dtype: torch.dtype, rows: Rows
) -> Iterator[Configuration]:
    """Yield what `--autotune` tries: the table's own first, then its neighbours.

    Between 8 and 64 elements a thread, and no more than the registers of a multiprocessor hold.
    """
    first = heuristic(direction, columns, dtype, rows)
    yield first
    if first.tier == "twice":
        yield _cut(_SEPARATE, first.block_n, columns, dtype.itemsize)
    if first.tier in _PIECES:  # more programs a row in the first launch, more to add up after it
        yield from (
            first._replace(chunk=chunk)
            for chunk in (first.chunk // 4, first.chunk // 2)
            if triton.cdiv(columns, chunk) <= _PIECES[first.tier]
        )
    if first.tier == "separate":
        yield from (
            first._replace(chunk=chunk) for chunk in (2048, 4096, 8192) if chunk != first.chunk
        )
    words = 2 if dtype is torch.float64 else 1
    arrays, loops = _HELD[first.tier, direction]
    for height, width, warps, stages, registers in itertools.product(
        _around(first.block_m) if first.tier == "rows" else (first.block_m,),
        (first.block_n,) if first.tier in _WHOLE else _around(first.block_n),
        (2, 4, 8, 16, 32),
        (1, 2, 3) if loops else (1,),
        dict.fromkeys((first.registers, 0)),
    ):
        elements = height * width
        fits = arrays * words * elements <= _REGISTERS
        tried = Configuration(first.tier, height, width, warps, stages, first.chunk, registers)
        if fits and 8 <= elements / (32 * warps) * words <= 64 and tried != first:  # noqa: PLR2004
            yield tried


def _around(size: int) -> tuple[int, ...]:
    return tuple(near for near in (size // 2, size, 2 * size) if near >= 1)


def _power_above(number: float) -> int:
    return 1 << max(0, math.ceil(math.log2(max(1.0, number))))
