"""The laws of Triton's `layer_norm` and its module, interpreted like `triton_interpreted.py`."""

import itertools

import pytest
import torch
import torch_samples
from triton_interpreted import normal, unwritten_memory_is_nan

from lnbench.operations.layernorm import triton as kernels

__all__ = ["unwritten_memory_is_nan"]


def gradients(function, shape, *leaves):
    """Return y and the gradients of the leaves that are there."""
    leaves = [each if each is None else each.clone().requires_grad_() for each in leaves]
    y = function(leaves[0], shape, *leaves[1:], eps=1e-5)
    wanted = [each for each in leaves if each is not None]
    return y, *torch.autograd.grad(y, wanted, normal(*y.shape, dtype=y.dtype, seed=9))


@pytest.mark.parametrize("affine", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize(
    ("lead", "shape"),
    [((7,), (5,)), ((2, 3), (4, 5)), ((), (6,)), ((), (3, 2, 2)), ((2, 1, 3, 2), (1, 1)),
     ((0, 3), (4,)), ((3,), (0,)), ((2,), (3, 0))],
)  # fmt: skip
def test_it_agrees_with_torch_on_any_normalized_shape(lead, shape, affine):
    vectors = (normal(*shape, seed=seed) if has else None for seed, has in enumerate(affine, 1))
    leaves = (normal(*lead, *shape), *vectors)
    expected = gradients(torch.nn.functional.layer_norm, shape, *leaves)
    torch.testing.assert_close(gradients(kernels.layer_norm, shape, *leaves), expected)


def test_gradients_pass_the_finite_difference_check():
    leaves = [
        normal(3, 5).requires_grad_(),
        normal(5).requires_grad_(),
        normal(5).requires_grad_(),
    ]
    assert torch.autograd.gradcheck(lambda x, w, b: kernels.layer_norm(x, (5,), w, b), leaves)


@pytest.mark.parametrize("needed", [*itertools.product((True, False), repeat=3)])
def test_only_the_gradients_that_are_needed_are_computed(needed, monkeypatch):
    asked = []
    backward = kernels.backward
    monkeypatch.setattr(
        kernels, "backward", lambda *args, out: asked.append(out) or backward(*args, out=out)
    )
    leaves = [normal(4, 6), normal(6), normal(6)]
    for leaf, needs in zip(leaves, needed, strict=True):
        leaf.requires_grad_(needs)
    y = kernels.layer_norm(leaves[0], (6,), *leaves[1:])
    assert y.requires_grad == any(needed)
    if any(needed):
        y.sum().backward()  # dy has strides of 0
        assert tuple(each is not None for each in asked[0]) == needed
    assert tuple(leaf.grad is not None for leaf in leaves) == needed


def test_views_and_transposes_go_through():
    x, weight = normal(6, 4, 10)[:, ::2].transpose(0, 1), normal(6, 10, seed=1)
    expected = gradients(torch.nn.functional.layer_norm, (6, 10), x, weight)
    torch.testing.assert_close(gradients(kernels.layer_norm, (6, 10), x, weight), expected)


def test_a_bias_alone_keeps_the_precision_of_its_own_type():
    x, bias = (
        normal(300, 4, dtype=torch.bfloat16),
        normal(4, dtype=torch.float32).requires_grad_(),
    )
    dy = normal(300, 4, dtype=torch.bfloat16, seed=1)
    kernels.layer_norm(x, (4,), None, bias).backward(dy)
    torch.testing.assert_close(bias.grad, dy.float().sum(0))


def test_the_module_loads_the_state_of_torchs_and_computes_the_same():
    for arguments in ({}, {"bias": False}, {"elementwise_affine": False}):
        theirs = torch.nn.LayerNorm((3, 5), eps=1e-3, dtype=torch.float64, **arguments)
        for seed, parameter in enumerate(theirs.parameters()):
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(seed))
        ours = kernels.LayerNorm((3, 5), eps=1e-3, dtype=torch.float64, **arguments)
        ours.load_state_dict(theirs.state_dict(), strict=True)
        x = normal(4, 3, 5)
        torch.testing.assert_close(ours(input=x), theirs(x))


def test_torchs_own_samples_pass_and_its_wrong_calls_are_refused():
    pytest.importorskip("expecttest")  # torch's operator database needs it
    for dtype in torch_samples.DTYPES:
        assert torch_samples.check(kernels.layer_norm, [dtype]) >= 50
    assert torch_samples.check_errors(kernels.layer_norm) >= 4


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda x: kernels.layer_norm(x.int(), (8,)),
            TypeError,
            "x has type torch.int32; layer_norm takes float64",
        ),
        (
            lambda x: kernels.layer_norm(x, (8,), x[0].int()),
            TypeError,
            "weight has type torch.int32",
        ),
        (
            lambda x: kernels.layer_norm(x, (4,)),
            ValueError,
            "x has shape (4, 8), which must end in the normalized shape (4,)",
        ),
        (lambda x: kernels.layer_norm(x, ()), ValueError, "at least one dimension"),
        (lambda x: kernels.layer_norm(x, (2, 4, 8)), ValueError, "normalized shape (2, 4, 8)"),
        (
            lambda x: kernels.layer_norm(x, 8, x),
            ValueError,
            "weight has shape (4, 8), which must be the normalized shape (8,)",
        ),
        (lambda x: kernels.layer_norm(x, 8, None, x[:, 0]), ValueError, "bias has shape (4,)"),
    ],
)
def test_a_wrong_argument_is_named_in_a_sentence(call, error, sentence):
    with pytest.raises(error) as raised:
        call(normal(4, 8))
    assert sentence in str(raised.value)


def test_gradients_of_gradients_are_refused_in_words():
    x = normal(4, 6).requires_grad_()
    (first,) = torch.autograd.grad(kernels.layer_norm(x, (6,)).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()
