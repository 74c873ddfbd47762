"""add-layernorm of torch: an addition and ATen's LayerNorm; compile compiles the same."""

from collections.abc import Callable
from typing import Any

import torch

from lnbench.operations.layernorm import torch as layernorm


def forward(
    x: Any, residual: Any, weight: Any, bias: Any, eps: float, out: tuple[Any, ...] | None = None
) -> tuple[Any, Any, Any, Any]:
    """Return y, z, mean and rstd.

    Args:
        x: (M, N), any strides.
        residual: (M, N), of x's type.
        weight: (N,) or None.
        bias: (N,) or None.
        eps: added to the variance.
        out: ready (y, z, mean, rstd), or None to allocate.
    """
    z = x + residual if out is None else torch.add(x, residual, out=out[1])
    rest = None if out is None else (out[0], out[2], out[3])
    y, mean, rstd = layernorm.forward(z, weight, bias, eps, rest)
    return y, z, mean, rstd


def backward(
    dy: Any,
    dz: Any,
    z: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    has_bias: bool,  # noqa: FBT001  (the interface of every framework's backward)
    out: tuple[Any, ...] | None = None,
) -> tuple[Any, Any, Any]:
    """Return dx, which is the residual's gradient too, dw and db; absent ones are None.

    Args:
        dy: (M, N), the gradient of y.
        dz: (M, N), the gradient that z got from elsewhere.
        z: (M, N), as returned by `forward`.
        mean: (M,), as returned by `forward`.
        rstd: (M,), as returned by `forward`.
        weight: (N,) or None.
        has_bias: whether db is wanted.
        out: ready (dx, dw, db), or None to allocate.
    """
    dx, dw, db = layernorm.backward(dy, z, mean, rstd, weight, has_bias, out)
    return dx + dz if out is None else dx.add_(dz), dw, db


def add_layer_norm(
    x: Any, residual: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> tuple[Any, Any]:
    """Return y and z = x + residual, normalized over the last dimension, with autograd."""
    z = x + residual
    return layernorm.layer_norm(z, z.shape[-1:], weight, bias, eps), z


def step(
    x: Any,
    residual: Any,
    weight: Any,
    bias: Any,
    eps: float,
    dy: Any,
    dz: Any,
    add_layer_norm: Callable[..., Any] = add_layer_norm,
) -> tuple[Any, ...]:
    """Return y, z, dx, dw and db through autograd, as a user's training step computes them."""
    tensors = (x, residual, weight, bias)
    leaves = [None if tensor is None else tensor.detach().requires_grad_() for tensor in tensors]
    y, z = add_layer_norm(*leaves, eps)
    wanted = [leaf for leaf in leaves if leaf is not None]
    gradients = iter(torch.autograd.grad((y, z), wanted, (dy, dz)))
    dx, _, dw, db = (None if leaf is None else next(gradients) for leaf in leaves)
    return y.detach(), z.detach(), dx, dw, db
