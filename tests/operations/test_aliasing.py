"""A result may be written over any input of a kernel, or is refused: it is never silently wrong."""

import itertools

import numpy as np
import pytest

from lnbench import registry
from lnbench.operations.layernorm.numpy import LayerNorm, layer_norm
from lnbench.plan.case import Case, Direction, DType

OPERATIONS = ("layernorm", "rmsnorm", "add-layernorm", "batchnorm")


@pytest.mark.parametrize("shape", [(64, 32), (48, 48)])
@pytest.mark.parametrize("direction", [Direction.FORWARD, Direction.BACKWARD])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_result_over_an_input_is_right_or_refused(name, backend, direction, shape):
    operation = registry.operation(name)
    path = operation.kernels.get(backend)
    if path is None:
        pytest.skip(f"{name} has no kernels for {backend}")
    kernels = pytest.importorskip(path)
    case = Case(name, direction, shape, DType.FLOAT32, "cpu")
    inputs = operation.inputs(case, 0)
    expected = operation.bind(kernels, case, inputs, None)()
    tried = 0
    for place, given in itertools.product(range(len(expected)), inputs):
        own = {key: np.array(array) for key, array in inputs.items()}
        result = expected[place]
        if result is None or result.shape != own[given].shape:
            continue
        out = [np.empty_like(each) for each in expected if each is not None]
        out[place] = own[given]
        call = operation.bind(kernels, case, own, tuple(out))
        tried += 1
        try:
            found = call()
        except ValueError as error:
            assert "shares memory" in str(error)  # noqa: PT017  (or it is right)
            continue
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    assert tried


@pytest.mark.parametrize("size", [np.int64(4), np.int32(4), 4, (4,)])
def test_a_size_is_any_integer(size):
    assert LayerNorm(size).normalized_shape == (4,)
    assert layer_norm(np.ones((2, 4)), size).shape == (2, 4)
