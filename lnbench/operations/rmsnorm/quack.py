"""quack's RMSNorm: the kernels behind `quack.rmsnorm.rmsnorm`.

Source: quack/rmsnorm.py (Dao-AILab/quack), read at 0.6.5.
"""

from typing import Any

from lnbench.operations.rmsnorm.torch import step as step_through_autograd


def forward(x: Any, weight: Any, eps: float, out: None = None) -> tuple[Any, Any]:
    """Return y in x's type, and rstd in float32."""
    from quack.rmsnorm import rmsnorm_fwd

    y, _, rstd = rmsnorm_fwd(x.contiguous(), weight, eps=eps, store_rstd=True)
    return y, rstd


def backward(dy: Any, x: Any, rstd: Any, weight: Any, out: None = None) -> tuple[Any, Any]:
    """Return dx in x's type, and dw in weight's; None where there is no weight."""
    from quack.rmsnorm import rmsnorm_bwd

    dx, dw, _, _ = rmsnorm_bwd(x.contiguous(), weight, dy.contiguous(), rstd)
    return dx, dw


def rms_norm(x: Any, _: Any, weight: Any, eps: float) -> Any:
    """Return y with autograd."""
    from quack.rmsnorm import rmsnorm

    return rmsnorm(x, weight, eps=eps)


def step(x: Any, weight: Any, eps: float, dy: Any) -> tuple[Any, ...]:
    """Return y, dx and dw through autograd, as a user's training step computes them."""
    return step_through_autograd(x, weight, eps, dy, rms_norm)
