"""Any shape, any strides, any types, any options: the kernels of the CPU against float64.

One minute in CI; `LNBENCH_EXAMPLES=20000` before pytest makes it ten.
"""

import importlib
import importlib.util
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lnbench.measure.verify import agreement
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.plan.case import Case, Direction, DType, Options

OPERATION = LayerNorm()
EXAMPLES = int(os.environ.get("LNBENCH_EXAMPLES", "600"))

SIZES = st.one_of(
    st.integers(0, 40), st.sampled_from([64, 127, 255, 256, 257, 1000, 1024, 4095, 4097, 9001])
)

LAYOUTS = {
    "as it is": lambda a: a,
    "every second row": lambda a: _within(a, 2 * a.shape[0], a.shape[1])[::2],
    "a slice of columns": lambda a: _within(a, a.shape[0], a.shape[1] + 5)[:, 3:-2],
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "backwards": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
}


def _within(array, rows, columns):
    """Return a larger array of which the layout's slice holds the values."""
    wide = np.zeros((rows, columns), array.dtype)
    if columns == array.shape[1]:
        wide[::2] = array
    else:
        wide[:, 3:-2] = array
    return wide


@st.composite
def problems(draw):
    """Return a case, its inputs in odd layouts, and how the values are spread."""
    rows, columns = draw(SIZES), draw(SIZES)
    if rows * columns > 300_000:
        rows = 300_000 // columns
    dtype = draw(st.sampled_from(DType))
    options = Options(
        weight=draw(st.booleans()),
        bias=draw(st.booleans()),
        weight_dtype=draw(st.sampled_from([None, *DType])),
        eps=draw(st.sampled_from([1e-12, 1e-5, 1e-3, 1.0])),
    )
    direction = draw(st.sampled_from(Direction))
    case = Case("layernorm", direction, (rows, columns), dtype, "cpu", options)
    inputs = dict(OPERATION.inputs(case, seed=draw(st.integers(0, 2**16))))
    mean, spread = draw(st.sampled_from([(0, 1), (3, 0.1), (-20, 5), (0, 1e-3), (100, 1)]))
    with np.errstate(all="ignore"):
        wide = inputs["x"].astype(np.float64) * spread + mean
        inputs["x"] = wide.astype(inputs["x"].dtype)
    for name in ("x", "dy"):
        if name in inputs:
            inputs[name] = LAYOUTS[draw(st.sampled_from([*LAYOUTS]))](inputs[name])
    return case, inputs


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("framework", ["numpy", "numba"])
@settings(
    max_examples=EXAMPLES,
    suppress_health_check=list(HealthCheck),
)
@given(problem=problems())
def test_any_problem_is_solved(framework, problem):
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    kernels = importlib.import_module(f"lnbench.operations.layernorm.{framework}")
    case, inputs = problem
    before = {name: array.copy() for name, array in inputs.items()}
    results = OPERATION.bind(kernels, case, inputs, None)()
    named = zip(OPERATION.outputs(case), results, strict=True)
    outputs = {name: result for name, result in named if result is not None}
    found = agreement(outputs, OPERATION.reference(case, inputs), {})
    wrong = {
        name: (output.max_relative, output.allowed)
        for name, output in found.outputs.items()
        if not output.passed
    }
    assert wrong == {}
    for name, array in inputs.items():
        np.testing.assert_array_equal(array, before[name])
