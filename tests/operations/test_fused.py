"""RMSNorm's and add-layernorm's Triton kernels, interpreted in processes of their own."""

import pytest
from test_layernorm_triton import needs_triton, run

GROUPS = {
    "agreement": "come_out_right or weight_may_be",
    "forward tiers": "forward_tier",
    "backward tiers": "backward_tier or last_program",
    "autograd": "not TestBoth",
}
"""Group of laws → pytest's expression for them."""


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_the_interpreted_kernels_keep_their_laws(group):
    run("triton_fused.py", "-k", GROUPS[group], TRITON_INTERPRET="1")
