"""RMSNorm of torch, called without an autograd engine: what eager runs and compile compiles.

ATen has a fused operator on CUDA and MPS; elsewhere `torch.nn.functional.rms_norm` is made of
smaller operators, and so are these. Source: aten/src/ATen/native/layer_norm.cpp.
"""

from typing import Any

import torch

_ATEN = torch.ops.aten
_FUSED = ("cuda", "mps")


def forward(x: Any, weight: Any, eps: float, out: tuple[Any, ...] | None = None) -> tuple[Any, Any]:
    """Return y in x's type, and rstd in float32 (float64 for float64).

    Args:
        x: (M, N), floating point, any strides.
        weight: (N,) or None.
        eps: added to the mean square.
        out: ready (y, rstd), or None to allocate.
    """
    if x.device.type in _FUSED:
        y, rstd = _ATEN._fused_rms_norm.default(x, [x.shape[1]], weight, eps)  # noqa: SLF001
        rstd = rstd.reshape(-1)
    else:
        wide = x.to(_exact(x))
        rstd = torch.rsqrt(wide.pow(2).mean(dim=1) + eps)
        y = wide * rstd[:, None]
        y = (y if weight is None else y * weight).to(x.dtype)
    return (y, rstd) if out is None else (out[0].copy_(y), out[1].copy_(rstd))


def backward(
    dy: Any, x: Any, rstd: Any, weight: Any, out: tuple[Any, ...] | None = None
) -> tuple[Any, Any]:
    """Return dx in x's type, and dw in weight's; None where there is no weight.

    Args:
        dy: (M, N), any strides, also 0.
        x: (M, N), as given to `forward`.
        rstd: (M,), as returned by `forward`.
        weight: (N,) or None.
        out: ready (dx, dw), or None to allocate.
    """
    if x.device.type in _FUSED:
        mask = [True, weight is not None]
        fused = _ATEN._fused_rms_norm_backward.default  # noqa: SLF001
        dx, dw = fused(dy, x, [x.shape[1]], rstd[:, None], weight, mask)
    else:
        exact = _exact(x)
        normal, g = x.to(exact) * rstd[:, None].to(exact), dy.to(exact)
        dw = None if weight is None else (g * normal).sum(dim=0).to(weight.dtype)
        g = g if weight is None else g * weight
        dx = (g - normal * (g * normal).mean(dim=1, keepdim=True)) * rstd[:, None]
        dx = dx.to(x.dtype)
    if out is None:
        return dx, dw if weight is not None else None
    return out[0].copy_(dx), None if weight is None else out[1].copy_(dw)


def rms_norm(x: Any, normalized_shape: tuple[int, ...], weight: Any = None, eps: Any = None) -> Any:
    """Return y as `torch.nn.functional.rms_norm` does, with autograd."""
    return torch.nn.functional.rms_norm(x, list(normalized_shape), weight, eps)


def step(x: Any, weight: Any, eps: float, dy: Any, rms_norm: Any = rms_norm) -> tuple[Any, ...]:
    """Return y, dx and dw through autograd, as a user's training step computes them."""
    leaves = [None if each is None else each.detach().requires_grad_() for each in (x, weight)]
    y = rms_norm(leaves[0], (x.shape[-1],), leaves[1], eps)
    found = torch.autograd.grad(y, [each for each in leaves if each is not None], dy)
    return y.detach(), found[0], found[1] if weight is not None else None


def _exact(x: Any) -> torch.dtype:
    return torch.float64 if x.dtype is torch.float64 else torch.float32
