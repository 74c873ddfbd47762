"""What a worker does around its samples, so that no result can have been computed at another time.

Before a sample one row of each input that may change gets new values; what the last timed call
returned is kept, and that row of the inputs is NaN before anyone looks at it. Where rows depend on
each other, all of them are exchanged in the last sample of a process. The referee compares.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lnbench.backend import Routine
from lnbench.measure import fresh, shared, verify
from lnbench.measure.messages import Fresh
from lnbench.measure.shared import OTHER
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case, Output

_TURNED_ELEMENTS = 1 << 18  # in a copy at a time


class Watch:
    """The inputs of one routine, and what its timed calls made of new ones.

    Args:
        operation: what is computed.
        case: the case.
        inputs: as the routine was given them, unchanged.
        folder: where the inputs of the case lie.
        limit: whether the routine is the speed limit's, which has outputs of its own.
    """

    def __init__(
        self, operation: Operation, case: Case, inputs: Arrays, folder: Path, *, limit: bool
    ) -> None:
        self._ready, self._inputs = case.options.output is Output.READY, inputs
        self._names = fresh.renewed(operation, case, inputs)
        self._by_row = operation.rows_stand_alone
        self._limit = limit
        self._row_outputs: frozenset[str] = frozenset()
        if self._names and self._by_row and not limit:
            self._row_outputs = fresh.row_outputs(operation, case, inputs)
        self._folder, self._able = folder, False
        self._buffers: Any = ()
        self._before: dict[str, Any] = {}
        self._kept: list[Arrays] = []
        self._all: Arrays = {}

    def able(self, routine: Routine) -> bool:
        """Return whether new values can be written into the inputs of a routine."""
        try:
            for name in self._names:
                routine.write(name, slice(0, 1), self._inputs[name][:1])
        except NotImplementedError:
            return False
        self._able = bool(self._names)
        return self._able

    def keep_first(self, results: Any, outputs: Arrays) -> None:
        """Keep ready outputs, and the sums over rows that belong to the inputs as they were.

        Args:
            results: of a call; of ready outputs they are the buffers themselves.
            outputs: the same on the host.
        """
        if self._ready and isinstance(results, tuple | list):
            self._buffers = results
        if self._limit:
            self._row_outputs = frozenset(outputs)
        if self._by_row and self._names:
            sums = {name: array for name, array in outputs.items() if name not in self._row_outputs}
            self._before = {f"before.{name}": np.array(array) for name, array in sums.items()}

    def another(self, routine: Routine) -> Callable[[], None]:
        """Return what gives the first row of the inputs other values at each call."""
        seeds = itertools.count()

        def renew() -> None:
            values = fresh.new_rows(self._inputs, self._names, Fresh(0, next(seeds)))
            self._write(routine, slice(0, 1), values)

        return renew

    def restore(self, routine: Routine, row: int = 0) -> None:
        """Put a row of the inputs back."""
        rows = slice(row, row + 1)
        self._write(routine, rows, {name: self._inputs[name][rows] for name in self._names})

    def turn(self, routine: Routine, sign: int) -> None:
        """Give all inputs their values, or those of opposite sign, a few rows at a time."""
        for name in self._names if self._able else ():
            array = self._inputs[name]
            step = max(1, _TURNED_ELEMENTS // max(1, array[:1].size))
            for first in range(0, len(array), step):
                rows = slice(first, first + step)
                routine.write(name, rows, array[rows] * array.dtype.type(sign))

    def renew(self, routine: Routine, new: Fresh, *, last: bool) -> None:
        """Give the inputs new values, and ready outputs none."""
        rows = slice(new.row, new.row + 1)
        if self._by_row:
            self._write(routine, rows, fresh.new_rows(self._inputs, self._names, new))
        elif last:
            other = shared.read(self._folder / OTHER)
            rows = slice(None)
            self._write(routine, rows, {name: other[name] for name in self._names})
        else:
            return
        for buffer in self._buffers:
            if buffer is not None:
                (buffer[rows] if buffer.ndim > 1 else buffer)[...] = float("nan")

    def keep(self, routine: Routine, results: Any, new: Fresh, *, last: bool) -> None:
        """Take the new values away, keep what came of them, and put the old ones back."""
        if not (self._by_row or last):
            return
        rows = slice(new.row, new.row + 1) if self._by_row else slice(None)
        old = {name: self._inputs[name][rows] for name in self._names}
        self._write(routine, rows, {n: np.full_like(a, float("nan")) for n, a in old.items()})
        if self._by_row:
            taken = routine.rows_of(results, rows, self._row_outputs, rest=last)
            self._kept.append({name: np.array(array) for name, array in taken.items()})
        else:
            self._all = {n: np.array(array) for n, array in routine.host(results).items()}
        self._write(routine, rows, old)

    def deliver(self, folder: Path) -> int | None:
        """Write whole outputs, where such were kept, for the referee; return their digest."""
        if not self._all:
            return None
        shared.write(folder, self._all)
        return verify.checksum(self._all)

    def rows(self) -> dict[str, shared.Packed]:
        """Return the rows that were kept, and the sums over rows of the last sample and before."""
        if not self._kept:
            return {}
        rows = {
            name: np.concatenate([kept[name] for kept in self._kept])
            for name in self._kept[0]
            if name in self._row_outputs
        }
        sums = {n: array for n, array in self._kept[-1].items() if n not in self._row_outputs}
        kept = {**rows, **sums, **(self._before if sums else {})}
        return {name: shared.pack(array) for name, array in kept.items()}

    def _write(self, routine: Routine, rows: slice, values: Arrays) -> None:
        if self._able:
            for name in self._names:
                routine.write(name, rows, values[name])
