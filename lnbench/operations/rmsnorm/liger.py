"""Liger-Kernel's RMSNorm, as its module is by default: y = (x·rstd in x's type)·weight.

Its backward may write dx over dy, and by default does; a caller who still needs dy asks for a dx of
its own, as these functions do, and pays for filling it with zeros first.
Source: src/liger_kernel/ops/rms_norm.py (linkedin/Liger-Kernel), read at 0.8.5.
"""

from typing import Any

from lnbench.operations.rmsnorm.torch import step as step_through_autograd

_OFFSET = 0.0  # of the weight: 1 is Gemma's
_LLAMA = 0  # the casting that is the default


def forward(x: Any, weight: Any, eps: float, out: None = None) -> tuple[Any, Any]:
    """Return y in x's type, and rstd in float32."""
    from liger_kernel.ops.rms_norm import rms_norm_forward

    y, _, rstd, _, _, _ = rms_norm_forward(
        x.contiguous(), weight, eps, _OFFSET, _LLAMA, row_mode=None
    )
    return y, rstd


def backward(dy: Any, x: Any, rstd: Any, weight: Any, out: None = None) -> tuple[Any, Any]:
    """Return dx in x's type, and dw in weight's; None where there is no weight."""
    from liger_kernel.ops.rms_norm import rms_norm_backward
    from liger_kernel.ops.utils import calculate_settings

    block, warps = calculate_settings(x.shape[1])
    gradients: tuple[Any, Any] = rms_norm_backward(
        dy.contiguous(), x.contiguous(), weight, rstd, _OFFSET, _LLAMA, block, warps,
        in_place=False, row_mode=None,
    )  # fmt: skip
    return gradients


def rms_norm(x: Any, _: Any, weight: Any, eps: float) -> Any:
    """Return y with autograd, as Liger's module does, but for dx beside dy."""
    from liger_kernel.ops.rms_norm import LigerRMSNormFunction

    return LigerRMSNormFunction.apply(x, weight, eps, _OFFSET, "llama", False, None)


def step(x: Any, weight: Any, eps: float, dy: Any) -> tuple[Any, ...]:
    """Return y, dx and dw through autograd, as a user's training step computes them."""
    return step_through_autograd(x, weight, eps, dy, rms_norm)
