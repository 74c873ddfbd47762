"""RMSNorm of torch, called without an autograd engine: what eager runs and compile compiles.

ATen has a fused operator on CUDA and MPS; elsewhere `torch.nn.functional.rms_norm` is made of
smaller operators, and so are these. Source: aten/src/ATen/native/layer_norm.cpp.
"""

from typing import Any

import torch

from lnbench.backend import UnsupportedError

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
    if _is_fused(x, weight, out):
        y, rstd = _ATEN._fused_rms_norm.default(x, [x.shape[1]], weight, eps)  # noqa: SLF001
        rstd = rstd.reshape(-1)
    else:
        wide = x.to(_exact(x))
        # Where no rounding follows, the last operator writes to its place itself.
        place = None if out is None or out[0].dtype is not wide.dtype else out[0]
        rstd = torch.rsqrt(wide.pow(2).mean(dim=1) + eps, out=None if out is None else out[1])
        y = torch.mul(wide, rstd[:, None], out=place)
        y = y if weight is None else torch.mul(y, weight, out=place)
        if out is not None:
            return (out[0].copy_(y) if place is None else place), out[1]
        y = y.to(x.dtype)
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
    if _is_fused(x, weight, out):
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
    tensors = (x, weight)
    leaves = [None if tensor is None else tensor.detach().requires_grad_() for tensor in tensors]
    y = rms_norm(leaves[0], (x.shape[-1],), leaves[1], eps)
    gradients = torch.autograd.grad(y, [leaf for leaf in leaves if leaf is not None], dy)
    return y.detach(), gradients[0], gradients[1] if weight is not None else None


def _is_fused(x: Any, weight: Any, out: tuple[Any, ...] | None) -> bool:
    """Return whether the fused operator runs; UnsupportedError where it has no place to write to.

    As `torch.nn.functional.rms_norm` has it, weight must be of x's type. What compile makes of the
    operator writes to ready outputs, the operator itself would be followed by copies.
    """
    if x.device.type not in _FUSED or (weight is not None and weight.dtype != x.dtype):
        return False
    if out is not None and not torch.compiler.is_compiling():
        raise UnsupportedError(
            "torch's fused RMSNorm takes no ready outputs: ask for allocated ones"
        )
    return True


def _exact(x: Any) -> torch.dtype:
    return torch.float64 if x.dtype is torch.float64 else torch.float32
