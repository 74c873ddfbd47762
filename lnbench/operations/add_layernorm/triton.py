"""add-layernorm in Triton: LayerNorm's kernels, which add the residual while x is in registers."""

import math
from typing import Any

import torch

from lnbench.operations.add_layernorm.torch import step as step_through_autograd
from lnbench.operations.rowwise.triton.choice import details
from lnbench.operations.rowwise.triton.launch import (
    accumulator,
    check_contiguous,
    run_backward,
    run_forward,
)
from lnbench.operations.rowwise.triton.tiers import Configuration

__all__ = ["add_layer_norm", "backward", "details", "forward", "step"]


def forward(
    x: Any,
    residual: Any,
    weight: Any,
    bias: Any,
    eps: float,
    out: tuple[Any, ...] | None = None,
    configuration: Configuration | None = None,
) -> tuple[Any, Any, Any, Any]:
    """Return y and z in x's type, and mean and rstd in float32 (float64 for float64).

    Args:
        x: (M, N), floating point, any strides.
        residual: (M, N), of x's type.
        weight: (N,) or None.
        bias: (N,) or None.
        eps: added to the variance.
        out: ready (y, z, mean, rstd), the last two contiguous, or None to allocate; z may be x.
        configuration: the launch configuration, or None for what suits it.
    """
    if residual.shape != x.shape or residual.dtype != x.dtype:
        raise ValueError(
            f"residual has shape {tuple(residual.shape)} and type {residual.dtype}, but x has "
            f"{tuple(x.shape)} and {x.dtype}"
        )
    if out is None:
        statistics = (x.new_empty(len(x), dtype=accumulator(x.dtype)) for _ in range(2))
        out = (x.new_empty(x.shape), x.new_empty(x.shape), *statistics)
    check_contiguous(*out[2:])
    if x.numel() == 0:
        return out[0], out[1], out[2].zero_(), out[3].zero_()
    run_forward((x, residual), weight, bias, out, eps, configuration)
    return out


def backward(
    dy: Any,
    dz: Any,
    z: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    has_bias: bool,  # noqa: FBT001  (the interface of every framework's backward)
    out: tuple[Any, ...] | None = None,
    configuration: Configuration | None = None,
) -> tuple[Any, Any, Any]:
    """Return dx, which is the residual's gradient too, dw and db; absent ones are None.

    Args:
        dy: (M, N), the gradient of y, any strides, also 0.
        dz: (M, N), the gradient that z got from elsewhere, or None.
        z: (M, N), as returned by `forward`.
        mean: (M,), as returned by `forward`.
        rstd: (M,), as returned by `forward`.
        weight: (N,) or None.
        has_bias: whether db is wanted.
        out: ready (dx, dw, db), None where not wanted, the last two contiguous; None allocates.
        configuration: the launch configuration, or None for what suits it.
    """
    if out is None:
        like = z if weight is None else weight
        wanted = (weight is not None, has_bias)
        vectors = (like.new_empty(z.shape[1]) if has else None for has in wanted)
        out = (z.new_empty(z.shape), *vectors)
    dx, dw, db = out
    check_contiguous(dw, db)
    run_backward((dy, dz), z, (mean, rstd), weight, (dx, dw, db), configuration)
    return dx, dw, db


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Any, residual: Any, weight: Any, bias: Any, eps: float
    ) -> tuple[Any, Any]:
        y, z, mean, rstd = forward(x, residual, weight, bias, eps)
        ctx.save_for_backward(z, weight, bias, mean, rstd)
        ctx.set_materialize_grads(False)  # an output that is not used costs no matrix of zeros
        return y, z

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Any, dz: Any) -> tuple[Any, ...]:
        z, weight, bias, mean, rstd = ctx.saved_tensors
        dy = z.new_zeros(()).expand(z.shape) if dy is None else dy
        needs_x, needs_residual, needs_weight, needs_bias, _ = ctx.needs_input_grad
        wanted = (needs_x or needs_residual, needs_weight, needs_bias)
        out = tuple(
            tensor.new_empty(tensor.shape) if needed else None
            for tensor, needed in zip((z, weight, bias), wanted, strict=True)
        )
        dx, dw, db = backward(dy, dz, z, mean, rstd, weight, needs_bias, out=out)
        return dx if needs_x else None, dx if needs_residual else None, dw, db, None


def add_layer_norm(
    x: Any, residual: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> tuple[Any, Any]:
    """Return y and z = x + residual, normalized over the last dimension, with autograd.

    Args:
        x: (…, N), floating point.
        residual: of x's shape and type.
        weight: (N,) or None.
        bias: (N,) or None.
        eps: added to the variance.
    """
    rows = (math.prod(x.shape[:-1]), x.shape[-1])
    inputs = (matrix.reshape(rows) for matrix in (x, residual))
    y, z = _Differentiable.apply(*inputs, weight, bias, eps)
    return y.view(x.shape), z.view(x.shape)


def step(
    x: Any, residual: Any, weight: Any, bias: Any, eps: float, dy: Any, dz: Any
) -> tuple[Any, ...]:
    """Return y, z, dx, dw and db through autograd, as a user's training step computes them."""
    return step_through_autograd(x, residual, weight, bias, eps, dy, dz, add_layer_norm)
