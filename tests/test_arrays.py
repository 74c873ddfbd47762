"""Host arrays as torch's tensors."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from lnbench.arrays import tensors_may_share_memory

bounds = st.sampled_from((0, 3, 6, 12))


@st.composite
def views(draw):
    """Return a function that takes a view of 12x12 elements: turned, sliced, or repeated."""
    rows, columns = (slice(draw(bounds), draw(bounds), draw(st.integers(1, 3))) for _ in range(2))
    turned, repeated = draw(st.booleans()), draw(st.booleans())

    def view(pool):
        found = (pool.T if turned else pool)[rows, columns]
        return found[:1].expand(5, -1) if repeated and len(found) else found

    return view


@given(views(), views(), st.booleans())
def test_tensors_share_memory_where_numpy_says_that_their_arrays_do(one, other, same):
    pool = torch.zeros(12, 12)
    first, second = one(pool), other(pool if same else torch.zeros(12, 12))
    shared = np.may_share_memory(first.numpy(), second.numpy())
    assert tensors_may_share_memory(first, second) is shared
