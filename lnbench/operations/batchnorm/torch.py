"""Batch normalization of ATen, called without an autograd engine."""

from collections.abc import Callable
from typing import Any

import torch

_ATEN = torch.ops.aten


def forward(
    x: Any,
    weight: Any,
    bias: Any,
    eps: float,
    known: tuple[Any, Any] | None = None,
    out: tuple[Any, ...] | None = None,
) -> tuple[Any, Any, Any]:
    """Return y, and mean and rstd of the columns.

    Args:
        x: (M, N), any strides.
        weight: (N,) or None.
        bias: (N,) or None.
        eps: added to the variance.
        known: mean and variance (N,) of earlier batches, or None for those of this one.
        out: ready (y, mean, rstd), the last two left out in inference, or None to allocate.
    """
    mean, variance = known or (None, None)
    training = known is None
    y, saved_mean, saved_rstd = _ATEN.native_batch_norm.default(
        x, weight, bias, mean, variance, training, 0.0, eps
    )
    if known is not None:
        saved_mean, saved_rstd = known[0], (known[1] + eps).rsqrt()
    results = (y, saved_mean, saved_rstd)
    if out is None:
        return results
    copied = (ready.copy_(result) for ready, result in zip(out, results, strict=False))
    return (*copied, *results[len(out) :])


def backward(
    dy: Any,
    x: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    has_bias: bool,  # noqa: FBT001  (the interface of every framework's backward)
    fixed: bool = False,  # noqa: FBT001, FBT002
    out: tuple[Any, ...] | None = None,
) -> tuple[Any, Any, Any]:
    """Return dx, dw and db; dw and db are None where there is no weight or bias.

    Args:
        dy: (M, N), any strides, also 0.
        x: (M, N), as given to `forward`.
        mean: (N,), as returned by `forward`.
        rstd: (N,), as returned by `forward`.
        weight: (N,) or None.
        has_bias: whether db is wanted.
        fixed: whether the statistics were given, and so have no gradient.
        out: ready (dx, dw, db), or None to allocate.
    """
    mask = [True, weight is not None, has_bias]
    # Given statistics are read as mean and variance: with eps of 0, the one that gives this rstd.
    wide = rstd if rstd.dtype is torch.float64 else rstd.float()
    known = (mean, wide.pow(-2).to(mean.dtype)) if fixed else (None, None)
    dx, dw, db = _ATEN.native_batch_norm_backward.default(
        dy, x, weight, *known, mean, rstd, not fixed, 0.0, [True, True, True]
    )
    gradients = (dx, dw if mask[1] else None, db if mask[2] else None)
    if weight is None and has_bias:
        gradients = (dx, None, db.to(x.dtype))
    if out is None:
        return gradients
    pairs = zip(out, gradients, strict=True)
    return tuple(r if ready is None else ready.copy_(r) for ready, r in pairs)


def batch_norm(
    x: Any, weight: Any, bias: Any, eps: float, known: tuple[Any, Any] | None = None
) -> Any:
    """Return y as `torch.nn.functional.batch_norm` does, with autograd."""
    mean, variance = known or (None, None)
    return torch.nn.functional.batch_norm(
        x, mean, variance, weight, bias, training=known is None, eps=eps
    )


def step(
    x: Any,
    weight: Any,
    bias: Any,
    eps: float,
    dy: Any,
    known: tuple[Any, Any] | None = None,
    batch_norm: Callable[..., Any] = batch_norm,
) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db through autograd, as a user's training step computes them."""
    tensors = (x, weight, bias)
    leaves = [None if tensor is None else tensor.detach().requires_grad_() for tensor in tensors]
    y = batch_norm(*leaves, eps, known)
    wanted = [leaf for leaf in leaves if leaf is not None]
    gradients = iter(torch.autograd.grad(y, wanted, dy))
    dx, dw, db = (None if leaf is None else next(gradients) for leaf in leaves)
    return y.detach(), dx, dw, db
