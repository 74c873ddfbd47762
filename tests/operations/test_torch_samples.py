"""torch's own samples for layer_norm pass on the NumPy and the torch kernels."""

import math

import pytest
import torch

import lnbench.operations.layernorm.numpy as numpy_kernels
import lnbench.operations.layernorm.torch as torch_kernels
from lnbench.arrays import to_host, to_torch

pytest.importorskip("expecttest")  # torch's operator database needs it

import torch_samples

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
    # ATen computes x·scale + shift on the CPU, which does not cancel for rows of one element.
    slack = 2e-3 if framework == "torch" and dtype.itemsize == 2 else 0.0
    assert torch_samples.check(IMPLEMENTATIONS[framework], [dtype], slack) >= LEAST


@pytest.mark.parametrize("framework", IMPLEMENTATIONS)
def test_calls_that_torch_refuses_are_refused(framework):
    """A wrong shape is an error, not a result."""
    assert torch_samples.check_errors(IMPLEMENTATIONS[framework]) >= 4


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_gradients_of_torchs_samples_are_those_of_autograd(dtype):
    """backward, given forward's statistics, finds what autograd finds in float64."""
    tolerance = {torch.float64: 1e-11, torch.float32: 1e-4}[dtype]
    compared = 0
    for sample in torch_samples.samples(dtype):
        if sample.eps < 0:
            continue  # the root of a negative number has no gradient
        dy = torch.randn(sample.x.shape, dtype=dtype)
        for found, expected in zip(flat_gradients(sample, dy), autograd(sample, dy), strict=True):
            torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
            compared += 1
    assert compared >= 100


def flat_gradients(sample, dy):
    """Return the gradients that the NumPy kernels find, of the leaves that are there."""
    columns = math.prod(sample.normalized_shape)
    x, dy = (to_host(each).reshape(-1, columns) for each in (sample.x, dy))
    weight, bias = (
        None if each is None else to_host(each).reshape(-1) for each in (sample.weight, sample.bias)
    )
    found = numpy_kernels.step(x, weight, bias, sample.eps, dy)[1:]
    return [torch.from_numpy(each).double() for each in found if each is not None]


def autograd(sample, dy):
    """Return the gradients that torch finds in float64, flat."""
    sample = sample.cast(torch.float64)
    leaves = [each for each in (sample.x, sample.weight, sample.bias) if each is not None]
    for leaf in leaves:
        leaf.requires_grad_()
    y = torch.nn.functional.layer_norm(*sample)
    found = torch.autograd.grad(y, leaves, dy.double())
    rows = found[0].reshape(-1, math.prod(sample.normalized_shape))
    return [rows, *(each.reshape(-1) for each in found[1:])]
