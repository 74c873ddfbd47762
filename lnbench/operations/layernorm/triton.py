"""LayerNorm in Triton: rows in registers where they fit, in chunks where they do not.

Forward's configuration depends on the width and type of a row alone, up to 65536 columns, so that
a row's result does not depend on the batch around it. Backward adds up dw and db without atomics:
each program sums its rows, then one launch sums the programs in a fixed order.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch

from lnbench.operations.layernorm.torch import step as step_through_autograd
from lnbench.operations.rowwise.triton.choice import details
from lnbench.operations.rowwise.triton.launch import (
    accumulator,
    check_contiguous,
    run_backward,
    run_forward,
)
from lnbench.operations.rowwise.triton.tiers import Configuration

__all__ = ["LayerNorm", "backward", "details", "forward", "layer_norm", "step"]

_TYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def forward(
    x: Any,
    weight: Any,
    bias: Any,
    eps: float,
    out: tuple[Any, ...] | None = None,
    configuration: Configuration | None = None,
) -> tuple[Any, Any, Any]:
    """Return y, mean and rstd.

    Args:
        x: (M, N), floating point, any strides.
        weight: (N,) or None.
        bias: (N,) or None.
        eps: added to the variance.
        out: ready (y, mean, rstd), the last two contiguous, or None to allocate.
        configuration: the launch configuration, or None for what suits it.
    """
    if out is None:
        exact, rows = accumulator(x.dtype), x.shape[0]
        out = (x.new_empty(x.shape), x.new_empty(rows, dtype=exact), x.new_empty(rows, dtype=exact))
    y, mean, rstd = out
    check_contiguous(mean, rstd)
    if x.numel() == 0:
        return y, mean.zero_(), rstd.zero_()
    run_forward((x, None), weight, bias, (y, None, mean, rstd), eps, configuration)
    return y, mean, rstd


def backward(
    dy: Any,
    x: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    has_bias: bool,  # noqa: FBT001  (the interface of every framework's backward)
    out: tuple[Any, ...] | None = None,
    configuration: Configuration | None = None,
) -> tuple[Any, Any, Any]:
    """Return dx, dw and db; dw and db are None where there is no weight or bias.

    Args:
        dy: (M, N), any strides, also 0.
        x: (M, N), as given to `forward`.
        mean: (M,), as returned by `forward`.
        rstd: (M,), as returned by `forward`.
        weight: (N,) or None.
        has_bias: whether db is wanted.
        out: ready (dx, dw, db), None where not wanted, the last two contiguous; None allocates.
        configuration: the launch configuration, or None for what suits it.
    """
    if out is None:
        like = x if weight is None else weight
        dw, db = (
            like.new_empty(x.shape[1]) if has else None for has in (weight is not None, has_bias)
        )
        out = (x.new_empty(x.shape), dw, db)
    dx, dw, db = out
    check_contiguous(dw, db)
    run_backward((dy, None), x, (mean, rstd), weight, (dx, dw, db), configuration)
    return dx, dw, db


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, eps: float) -> Any:
        y, mean, rstd = forward(x, weight, bias, eps)
        ctx.save_for_backward(x, weight, bias, mean, rstd)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Any) -> tuple[Any, ...]:
        x, weight, bias, mean, rstd = ctx.saved_tensors
        dx, dw, db = (
            tensor.new_empty(tensor.shape) if needed else None
            for tensor, needed in zip((x, weight, bias), ctx.needs_input_grad[:3], strict=True)
        )
        backward(dy, x, mean, rstd, weight, db is not None, out=(dx, dw, db))
        return dx, dw, db, None


def layer_norm(
    x: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """Return y as `torch.nn.functional.layer_norm` does, with autograd.

    Args:
        x: floating point, any shape that ends in `normalized_shape`.
        normalized_shape: sizes of the dimensions that one row spans.
        weight: of the normalized shape, or None.
        bias: of the normalized shape, or None.
        eps: added to the variance.
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    _check(x, shape, weight, bias)
    columns = math.prod(shape)
    rows = math.prod(x.shape[: x.ndim - len(shape)])
    vectors = (None if vector is None else vector.reshape(columns) for vector in (weight, bias))
    return _Differentiable.apply(x.reshape(rows, columns), *vectors, eps).view(x.shape)


def _check(x: Any, shape: tuple[int, ...], weight: Any, bias: Any) -> None:
    for name, tensor in (("x", x), ("weight", weight), ("bias", bias)):
        if tensor is not None and tensor.dtype not in _TYPES:
            raise TypeError(
                f"{name} has type {tensor.dtype}; "
                "layer_norm takes float64, float32, float16 and bfloat16: convert it first"
            )
    if not shape or tuple(x.shape[-len(shape) :]) != shape:
        raise ValueError(
            f"x has shape {tuple(x.shape)}, which must end in the normalized shape {shape} "
            "of at least one dimension"
        )
    for name, vector in (("weight", weight), ("bias", bias)):
        if vector is not None and tuple(vector.shape) != shape:
            raise ValueError(
                f"{name} has shape {tuple(vector.shape)}, "
                f"which must be the normalized shape {shape}"
            )


def step(x: Any, weight: Any, bias: Any, eps: float, dy: Any) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db through autograd, as a user's training step computes them."""
    return step_through_autograd(x, weight, bias, eps, dy, layer_norm)


class LayerNorm(torch.nn.LayerNorm):
    """`torch.nn.LayerNorm`, with its parameters and state dict, computed by these kernels."""

    def forward(self, input: Any) -> Any:  # noqa: A002  (torch's name, which users may pass)
        """Return the input, normalized over its last dimensions."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)
