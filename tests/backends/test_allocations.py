"""What a call of our CPU kernels takes beyond its outputs: a few blocks a thread, whatever M is."""

import tracemalloc
from contextlib import closing

import numpy as np
import pytest

from lnbench import registry
from lnbench.operations.rowwise import rows
from lnbench.plan.case import Case, Direction, DType, Options, Output

SHAPE = (16384, 1024)
BLOCKS = 3  # x, dy and dx of a block in float32, where they are 16 bits wide
SMALL = 1 << 20  # vectors of a row or a column, and what Python itself takes


def allocated_bytes(backend, case, threads):
    """Return the most that calls allocate, and the bytes of what they return anew."""
    operation, found = registry.operation("layernorm"), registry.backend(backend)
    inputs = operation.inputs(case, seed=0)
    with closing(found.routine(operation, case, inputs, threads)) as routine:
        if backend == "numba":
            routine.run()  # its compiler takes memory once
        tracemalloc.start()  # NumPy tells it of its arrays, from every thread
        try:
            outputs = routine.host(routine.run())
            return tracemalloc.get_traced_memory()[1], sum(a.nbytes for a in outputs.values())
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("output", Output)
@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.FLOAT16])
@pytest.mark.parametrize("direction", [Direction.FORWARD, Direction.BACKWARD])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_nothing_is_allocated_beyond_outputs_and_a_scratch_of_few_blocks(
    backend, direction, dtype, output, threads
):
    if backend == "numba":
        pytest.importorskip("numba")
    case = Case("layernorm", direction, SHAPE, dtype, "cpu", Options(output=output))
    taken, returned = allocated_bytes(backend, case, threads)
    new = returned if output is Output.ALLOCATED else 0
    sums = 2 * rows.part_count(SHAPE) * SHAPE[1] * np.dtype(np.float64).itemsize
    scratch = threads * BLOCKS * rows._BLOCK * np.dtype(np.float32).itemsize
    assert new <= taken <= new + scratch + sums + SMALL
    assert scratch + sums + SMALL < np.prod(SHAPE) * dtype.itemsize  # one matrix would show
