"""JAX's arrays on the CPU: made of host arrays, and seen from the host in the memory that they are.

To JAX an array never changes. lnbench gives inputs new values between calls all the same, in place
and while nothing runs: a compiled function reads its arguments' memory anew at every call.
"""

import ctypes
from typing import Any

from lnbench.arrays import own_copy


def to_jax(array: Any) -> Any:
    """Return a JAX array with a host array's values, in memory that is nobody else's.

    The first of float64 lets JAX have 64 bits, for the whole process.
    """
    import jax
    import numpy as np

    if array.dtype == np.float64:
        jax.config.update("jax_enable_x64", True)
    return jax.device_put(own_copy(array), jax.devices("cpu")[0])


def host_view(array: Any) -> Any:
    """Return a host array that is a JAX array's own memory, which it keeps, to be written too."""
    import numpy as np

    memory = (ctypes.c_char * array.nbytes).from_address(array.unsafe_buffer_pointer())
    memory.owner = array
    return np.ndarray(array.shape, array.dtype, memory)
