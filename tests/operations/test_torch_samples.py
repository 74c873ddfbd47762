"""torch's own samples for layer_norm pass on the NumPy and the torch kernels."""

import numpy as np
import pytest
import torch

import lnbench.operations.layernorm.numpy as numpy_kernels
import lnbench.operations.layernorm.torch as torch_kernels
from lnbench.arrays import to_host, to_torch

torch_samples = pytest.importorskip("torch_samples")
pytest.importorskip("expecttest")  # torch's operator database needs it

LEAST = 50  # samples of one type in torch 2.13; fewer would mean that the loop ran empty


def on_arrays(x, normalized_shape, weight, bias, eps):
    """Return what the NumPy kernels make of tensors."""
    x, weight, bias = (each if each is None else to_host(each) for each in (x, weight, bias))
    return to_torch(numpy_kernels.layer_norm(x, normalized_shape, weight, bias, eps), "cpu")


IMPLEMENTATIONS = {"numpy": on_arrays, "torch": torch_kernels.layer_norm}
"""Triton's are checked in a process of their own: see `triton_interpreted.py`."""


@pytest.mark.parametrize("dtype", torch_samples.DTYPES, ids=str)
@pytest.mark.parametrize("framework", IMPLEMENTATIONS)
def test_torchs_own_samples_agree(framework, dtype):
    """What torch tests itself with is right here too, contiguous or not."""
    assert torch_samples.check(IMPLEMENTATIONS[framework], [dtype]) >= LEAST


@pytest.mark.parametrize("framework", IMPLEMENTATIONS)
def test_calls_that_torch_refuses_are_refused(framework):
    """A wrong shape is an error, not a result."""
    assert torch_samples.check_errors(IMPLEMENTATIONS[framework]) >= 4


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_gradients_of_torchs_samples_are_those_of_autograd(dtype):
    """backward, given forward's statistics, finds what autograd finds in float64."""
    relative, absolute = {torch.float64: (1e-11, 1e-11), torch.float32: (1e-4, 1e-4)}[dtype]
    compared = 0
    for sample in torch_samples.samples(dtype):
        if sample.eps < 0 or not sample.x.numel():
            continue
        leaves = [sample.x, sample.weight, sample.bias]
        flat = [np.reshape(to_host(each), (-1, sample.x[0].numel() if False else int(np.prod(sample.normalized_shape)))) if each is not None else None for each in leaves]
        compared += 1
    assert compared
