"""JAX's arrays: nobody else's memory, written beneath, and read by what is compiled."""

import numpy as np
import pytest

from lnbench.arrays import numpy_dtype
from lnbench.plan.case import DType

jax = pytest.importorskip("jax")

from lnbench.jax_arrays import host_view, to_jax  # noqa: E402


@pytest.mark.parametrize("dtype", DType)
def test_what_is_written_beneath_is_what_compiled_functions_read(dtype):
    array = to_jax(np.arange(12).reshape(4, 3).astype(numpy_dtype(dtype)))
    double = jax.jit(lambda x: x + x)
    before = np.array(double(array))
    host_view(array)[1] = 7
    assert array.dtype == numpy_dtype(dtype)
    np.testing.assert_array_equal(np.delete(double(array), 1, 0), np.delete(before, 1, 0))
    np.testing.assert_array_equal(np.asarray(double(array)[1], np.float64), [14, 14, 14])


@pytest.mark.parametrize("made", [np.zeros((2048, 64)), np.zeros((3, 1)).repeat(4, axis=1).T])
def test_the_host_array_stays_as_it_was(made):
    made.flags.writeable = False
    view = host_view(to_jax(made))  # the JAX array lives on in it
    view[...] = 1
    assert view.all()
    assert not made.any()


def test_an_array_of_nothing_has_a_view_too():
    assert host_view(to_jax(np.zeros((0, 4), np.float32))).shape == (0, 4)
