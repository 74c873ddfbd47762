"""New values for a row of the inputs, the same wherever they are asked for.

Workers write them before a sample; the referee, which sees only what came of them, makes them anew.
"""

import random
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from lnbench.measure.messages import Fresh
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case

_FACTOR = -0.5  # exact in binary: the row has another mean and spread, and no other rounding


def renewed(operation: Operation, case: Case, inputs: Arrays) -> tuple[str, ...]:
    """Return the names of the inputs of which rows are renewed; none where a case has no rows."""
    rows = case.rows if case.columns else 0
    return tuple(
        name for name in operation.renewable(case) if rows and name in inputs and inputs[name].size
    )


def new_rows(inputs: Arrays, names: Iterable[str], fresh: Fresh) -> dict[str, Any]:
    """Return the new values of one row of each input named, of shape (1, …) each.

    They are those of some row, turned by some columns, halved and of opposite sign; or the old ones
    but for one element, which becomes the row's largest or smallest: who looks for what has changed
    must look at all.
    """
    rng = random.Random(fresh.seed)  # noqa: S311  (unknown to a kernel until it is called)
    change = _whole if fresh.whole else _element
    return {name: change(inputs[name], fresh.row, rng)[None] for name in names}


def _whole(array: Any, _: int, rng: random.Random) -> Any:
    source = array[rng.randrange(len(array))]
    turn = rng.randrange(len(source))
    turned = np.concatenate((source[turn:], source[:turn]))
    return (turned * source.dtype.type(_FACTOR)).astype(source.dtype)


def _element(array: Any, row: int, rng: random.Random) -> Any:
    values = np.array(array[row])
    flat = values.reshape(-1)
    place, low, high = rng.randrange(flat.size), flat.min(), flat.max()
    flat[place] = high if flat[place] - low < high - flat[place] else low
    return values


def rows_case(case: Case, rows: int) -> Case:
    """Return the case of that many rows, each as wide as those of `case`."""
    options = msgspec.structs.replace(case.options, normalized_dims=1)
    return msgspec.structs.replace(case, shape=(rows, case.columns), options=options)


def with_rows(case: Case, inputs: Arrays, rows: Any) -> dict[str, Any]:
    """Return the inputs of `rows_case`: the rows of each matrix named, and each vector whole.

    Args:
        case: whose inputs they are.
        inputs: its inputs.
        rows: an index of rows.
    """
    matrix = (case.rows, case.columns)
    return {name: array[rows] if array.shape == matrix else array for name, array in inputs.items()}


def row_outputs(operation: Operation, case: Case, inputs: Arrays) -> frozenset[str]:
    """Return the names of the outputs that have an entry or row for each row of the inputs."""
    count = 3 if case.columns == 2 else 2  # noqa: PLR2004  (unlike the number of columns)
    index = np.zeros(count, dtype=int)
    truths = operation.reference(rows_case(case, count), with_rows(case, inputs, index))
    return frozenset(name for name, truth in truths.items() if len(truth.values) == count)
