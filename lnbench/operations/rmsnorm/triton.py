"""RMSNorm in Triton: the kernels, tiers and configurations of LayerNorm, without a mean."""

import math
from typing import Any

import torch

from lnbench.operations.rmsnorm.torch import step as step_through_autograd
from lnbench.operations.rowwise.triton.choice import details
from lnbench.operations.rowwise.triton.launch import (
    accumulator,
    check_contiguous,
    run_backward,
    run_forward,
)
from lnbench.operations.rowwise.triton.tiers import Configuration

__all__ = ["backward", "details", "forward", "rms_norm", "step"]


def forward(
    x: Any,
    weight: Any,
    eps: float,
    out: tuple[Any, ...] | None = None,
    configuration: Configuration | None = None,
) -> tuple[Any, Any]:
    """Return y in x's type, and rstd in float32 (float64 for float64).

    Args:
        x: (M, N), floating point, any strides.
        weight: (N,) or None.
        eps: added to the mean square.
        out: ready (y, rstd), the last contiguous, or None to allocate.
        configuration: the launch configuration, or None for what suits it.
    """
    y, rstd = out or (x.new_empty(x.shape), x.new_empty(len(x), dtype=accumulator(x.dtype)))
    check_contiguous(rstd)
    if x.numel() == 0:
        return y, rstd.zero_()
    run_forward((x, None), weight, None, (y, None, None, rstd), eps, configuration)
    return y, rstd


def backward(
    dy: Any,
    x: Any,
    rstd: Any,
    weight: Any,
    out: tuple[Any, ...] | None = None,
    configuration: Configuration | None = None,
) -> tuple[Any, Any]:
    """Return dx in x's type, and dw in weight's; None where there is no weight.

    Args:
        dy: (M, N), any strides, also 0.
        x: (M, N), as given to `forward`.
        rstd: (M,), as returned by `forward`.
        weight: (N,) or None.
        out: ready (dx, dw), None where not wanted, dw contiguous; None allocates.
        configuration: the launch configuration, or None for what suits it.
    """
    if out is None:
        out = (x.new_empty(x.shape), None if weight is None else torch.empty_like(weight))
    dx, dw = out
    check_contiguous(dw)
    run_backward((dy, None), x, (None, rstd), weight, (dx, dw, None), configuration)
    return dx, dw


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, eps: float) -> Any:
        y, rstd = forward(x, weight, eps)
        ctx.save_for_backward(x, weight, rstd)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Any) -> tuple[Any, ...]:
        x, weight, rstd = ctx.saved_tensors
        dx, dw = (
            tensor.new_empty(tensor.shape) if needed else None
            for tensor, needed in zip((x, weight), ctx.needs_input_grad[:2], strict=True)
        )
        return (*backward(dy, x, rstd, weight, out=(dx, dw)), None)


def rms_norm(x: Any, normalized_shape: tuple[int, ...], weight: Any = None, eps: Any = None) -> Any:
    """Return y as `torch.nn.functional.rms_norm` does, over the last dimension, with autograd.

    Args:
        x: (…, N), floating point.
        normalized_shape: (N,).
        weight: (N,) or None.
        eps: added to the mean square; None means the smallest step of x's type.
    """
    if tuple(normalized_shape) != tuple(x.shape[-1:]):
        raise ValueError(f"x has shape {tuple(x.shape)}, which must end in {normalized_shape}")
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return _Differentiable.apply(rows, weight, eps).view(x.shape)


def step(x: Any, weight: Any, eps: float, dy: Any) -> tuple[Any, ...]:
    """Return y, dx and dw through autograd, as a user's training step computes them."""
    return step_through_autograd(x, weight, eps, dy, rms_norm)
