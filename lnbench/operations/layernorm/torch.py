"""LayerNorm of ATen, called without an autograd engine: what eager runs and compile compiles.

ATen keeps the statistics in its own type: float32, but bfloat16 for bfloat16 on the CPU.
Source: aten/src/ATen/native/layer_norm.cpp.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

_ATEN = torch.ops.aten


def forward(
    x: Any, weight: Any, bias: Any, eps: float, out: tuple[Any, ...] | None = None
) -> tuple[Any, Any, Any]:
    """Return y, mean and rstd.

    Args:
        x: (M, N), floating point, any strides.
        weight: (N,) or None.
        bias: (N,) or None.
        eps: added to the variance.
        out: ready (y, mean, rstd), or None to allocate.
    """
    shape = [x.shape[-1]]
    if out is None:
        y, mean, rstd = _ATEN.native_layer_norm.default(x, shape, weight, bias, eps)
    else:
        y, mean, rstd = out
        columns = (mean.view(-1, 1), rstd.view(-1, 1))
        _ATEN.native_layer_norm.out(
            x, shape, weight, bias, eps, out0=y, out1=columns[0], out2=columns[1]
        )
    return y, mean.reshape(-1), rstd.reshape(-1)


def backward(
    dy: Any,
    x: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    has_bias: bool,  # noqa: FBT001  (the interface of every framework's backward)
    out: tuple[Any, ...] | None = None,
) -> tuple[Any, Any, Any]:
    """Return dx, dw and db; dw and db are None where there is no weight or bias.

    Args:
        dy: (M, N), any strides, also 0.
        x: (M, N), as given to `forward`.
        mean: (M,), as returned by `forward`.
        rstd: (M,), as returned by `forward`.
        weight: (N,) or None.
        has_bias: whether db is wanted.
        out: ready (dx, dw, db), or None to allocate.
    """
    shape = [x.shape[-1]]
    mask = [True, weight is not None, has_bias]
    # ATen reads the bias only to learn its type and size.
    bias = (weight if weight is not None else x.new_empty(shape)) if has_bias else None
    columns = (mean.view(-1, 1), rstd.view(-1, 1))
    if out is None:
        grads = _ATEN.native_layer_norm_backward.default(dy, x, shape, *columns, weight, bias, mask)
    else:
        dx, dw, db = out
        ready = tuple(
            x.new_empty(0) if result is None else result for result in (dx, dw, db)
        )  # ATen's out overload takes a tensor even for what it is not asked to make
        _ATEN.native_layer_norm_backward.out(
            dy, x, shape, *columns, weight, bias, mask, out0=ready[0], out1=ready[1], out2=ready[2]
        )
        grads = out
    dx, dw, db = grads
    return dx, dw if mask[1] else None, db if mask[2] else None


def layer_norm(
    x: Any,
    normalized_shape: Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """Return y as `torch.nn.functional.layer_norm` does, with autograd."""
    return torch.nn.functional.layer_norm(x, list(normalized_shape), weight, bias, eps)


def step(
    x: Any,
    weight: Any,
    bias: Any,
    eps: float,
    dy: Any,
    layer_norm: Callable[..., Any] = layer_norm,
) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db through autograd, as a user's training step computes them."""
    tensors = (x, weight, bias)
    leaves = [None if tensor is None else tensor.detach().requires_grad_() for tensor in tensors]
    y = layer_norm(leaves[0], (x.shape[-1],), leaves[1], leaves[2], eps)
    wanted = [leaf for leaf in leaves if leaf is not None]
    gradients = iter(torch.autograd.grad(y, wanted, dy))
    dx, dw, db = (None if leaf is None else next(gradients) for leaf in leaves)
    return y.detach(), dx, dw, db


def differentiable(
    forward: Callable[..., tuple[Any, Any, Any]], backward: Callable[..., tuple[Any, Any, Any]]
) -> Callable[..., Any]:
    """Return a `layer_norm` with autograd, of two functions like those here that ship without."""

    class Differentiable(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, bias: Any, eps: float) -> Any:
            y, mean, rstd = forward(x, weight, bias, eps)
            ctx.save_for_backward(x, weight, mean, rstd)
            ctx.has_bias = bias is not None
            return y

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, dy: Any) -> tuple[Any, ...]:
            x, weight, mean, rstd = ctx.saved_tensors
            return (*backward(dy, x, mean, rstd, weight, ctx.has_bias), None)

    return lambda x, _, weight, bias, eps: Differentiable.apply(x, weight, bias, eps)


class LayerNorm(torch.nn.LayerNorm):
    """`torch.nn.LayerNorm` itself, so that every framework of the ladder has the same module."""
