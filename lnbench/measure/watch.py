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
from lnbench.measure import fresh, shared
from lnbench.measure.messages import Fresh
from lnbench.measure.shared import OTHER
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case, Output

_SCALED_ELEMENTS = 1 << 18  # in a copy at a time


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

    def able(self, routine: Routine) -> bool:
        """Return whether new values can be written into the inputs of a routine."""
        try:
            for name in self._names:
                routine.write(name, slice(0, 1), self._inputs[name][:1])
        except NotImplementedError:
            return False
        self._able = bool(self._names)
        return self._able

    def first(self, results: Any, outputs: Arrays) -> dict[str, shared.Packed]:
        """Keep ready outputs; return the sums over rows that belong to the inputs as they were.

        Args:
            results: of a call; of ready outputs they are the buffers themselves.
            outputs: the same on the host.
        """
        if self._ready and isinstance(results, tuple | list):
            self._buffers = results
        if self._limit:
            self._row_outputs = frozenset(outputs)
        sums = outputs.keys() - self._row_outputs if self._by_row and self._names else ()
        return shared.packed({name: outputs[name] for name in sums})

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

    def scale(self, routine: Routine, factor: float) -> None:
        """Give all inputs their values times a factor, a few rows at a time."""
        for name in self._names if self._able else ():
            array = self._inputs[name]
            step = max(1, _SCALED_ELEMENTS // max(1, array[:1].size))
            for first in range(0, len(array), step):
                rows = slice(first, first + step)
                routine.write(name, rows, array[rows] * array.dtype.type(factor))

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

    def keep(self, routine: Routine, results: Any, new: Fresh, *, last: bool) -> Arrays:
        """Take the new values away, put the old ones back, and return what came of the new ones.

        That is by output the row, of the last also sums over rows; where rows do not stand alone,
        of the last all outputs, and else nothing.
        """
        if not (self._by_row or last):
            return {}
        rows = slice(new.row, new.row + 1) if self._by_row else slice(None)
        old = {name: self._inputs[name][rows] for name in self._names}
        self._write(routine, rows, {n: np.full_like(a, float("nan")) for n, a in old.items()})
        if self._by_row:
            taken = routine.rows_of(results, rows, self._row_outputs, rest=last)
        else:
            taken = routine.host(results)
        kept = {name: np.array(array) for name, array in taken.items()}
        self._write(routine, rows, old)
        return kept

    def _write(self, routine: Routine, rows: slice, values: Arrays) -> None:
        if self._able:
            for name in self._names:
                routine.write(name, rows, values[name])
