"""The speed limit: the device's own copy, or add, of what an operation must move."""

import numpy as np
import pytest

from lnbench import registry
from lnbench.backends.copy import Copy
from lnbench.measure.limits import compulsory as work
from lnbench.plan.case import Case, Direction, DType
from lnbench.testing import BackendContract

LAYERNORM = registry.operation("layernorm")


class TestCopy(BackendContract):
    backend = Copy


def case_of(direction, dtype=DType.FLOAT32):
    return Case("layernorm", direction, (64, 32), dtype, "cpu")


@pytest.mark.parametrize(
    ("direction", "arrays"), [(Direction.FORWARD, 2), (Direction.BACKWARD, 3), (Direction.STEP, 5)]
)
@pytest.mark.parametrize("dtype", list(DType))
def test_it_moves_each_large_array_once(direction, arrays, dtype):
    case = case_of(direction, dtype)

    found = work(case, "copy")

    assert found.bytes_moved == arrays * 64 * 32 * dtype.itemsize
    assert found.flops == 0
    # The operation moves as much, and its vectors and statistics.
    compulsory = LAYERNORM.work(case).bytes_moved
    assert found.bytes_moved < compulsory < 1.4 * found.bytes_moved


def test_it_moves_x_forward_and_adds_dy_backward():
    inputs = LAYERNORM.inputs(case_of(Direction.STEP), 0)
    for direction, sums in (
        (Direction.FORWARD, [inputs["x"]]),
        (Direction.BACKWARD, [inputs["x"] + inputs["dy"]]),
        (Direction.STEP, [inputs["x"], inputs["x"] + inputs["dy"]]),
    ):
        case = case_of(direction)
        made = Copy().routine(LAYERNORM, case, LAYERNORM.inputs(case, 0), 1)
        for moved, expected in zip(made.host(made.run()).values(), sums, strict=True):
            np.testing.assert_allclose(moved, expected, rtol=1e-6)


def test_it_allocates_nothing():
    case = case_of(Direction.FORWARD)
    made = Copy().routine(LAYERNORM, case, LAYERNORM.inputs(case, 0), 1)

    (first,), (second,) = (made.host(made.run()).values() for _ in range(2))

    assert np.shares_memory(first, second)
