"""Liger-Kernel: forward a Triton program a row, backward one a multiprocessor.

The functions here are those of LayerNorm; RMSNorm's are in `lnbench.operations.rmsnorm.liger`.
Source: src/liger_kernel/ops/layer_norm.py (linkedin/Liger-Kernel), read at 0.8.5.
"""

from typing import Any, ClassVar

from lnbench.backend import Details
from lnbench.operations.layernorm.torch import step as step_through_autograd
from lnbench.plan.case import Case, Direction, DType, Output
from lnbench.torch_backend import CudaThirdParty

MOST_COLUMNS = 65536
"""Its widest row, which one program holds in registers."""


class Liger(CudaThirdParty):
    """The kernels of `liger_kernel.transformers`: `LigerLayerNorm` and `LigerRMSNorm`."""

    name = "liger"
    framework = "liger"
    summary = "Liger-Kernel (Triton)"
    packages = ("liger-kernel",)
    modules: ClassVar = {"liger_kernel": "liger-kernel is not installed: pip install liger-kernel"}
    kernels: ClassVar = {"layernorm": "lnbench.backends.liger"}  # this file

    def case_problem(self, case: Case) -> str | None:
        """Return why Liger's functions do not take a case, or None."""
        if case.operation == "layernorm" and not (case.options.weight and case.options.bias):
            return "liger needs a weight and a bias"
        if case.options.output is Output.READY:
            return "liger allocates its outputs"
        if case.dtype is DType.FLOAT64:
            return "liger computes in float32, which float64 is too fine for"
        if not (case.rows and 0 < case.columns <= MOST_COLUMNS):
            return f"liger takes rows of 1 to {MOST_COLUMNS} columns"
        return None

    def details(self, kernels: Any, case: Case) -> Details:
        """Return where RMSNorm writes dx: its own default is in place, over dy."""
        beside = case.operation == "rmsnorm" and case.direction is not Direction.FORWARD
        return {"dx": "beside dy (in_place=False)"} if beside else {}


def forward(x: Any, weight: Any, bias: Any, eps: float, out: None = None) -> tuple[Any, Any, Any]:
    """Return y in x's type, and mean and rstd in float32."""
    from liger_kernel.ops.layer_norm import layer_norm_forward

    y, _, mean, rstd, _, _ = layer_norm_forward(x.contiguous(), weight, bias, eps)
    return y, mean, rstd


def backward(
    dy: Any,
    x: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    has_bias: bool,  # noqa: FBT001  (the interface of every framework's backward)
    out: None = None,
) -> tuple[Any, Any, Any]:
    """Return dx, dw and db."""
    from liger_kernel.ops.layer_norm import layer_norm_backward

    bias = weight  # it reads a bias only to learn its type
    return layer_norm_backward(dy.contiguous(), x.contiguous(), weight, bias, mean, rstd)


def layer_norm(x: Any, _: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Return y with autograd, as Liger's module does."""
    from liger_kernel.ops.layer_norm import LigerLayerNormFunction

    return LigerLayerNormFunction.apply(x, weight, bias, eps)


def step(x: Any, weight: Any, bias: Any, eps: float, dy: Any) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db through autograd, as a user's training step computes them."""
    return step_through_autograd(x, weight, bias, eps, dy, layer_norm)
