"""Apex: the fused LayerNorm of `apex.normalization`, whose backward by default starts from x.

It is built from source: what PyPI calls apex is another project. Weight and bias are of x's type.
Source: csrc/layer_norm_cuda.cpp and apex/normalization/fused_layer_norm.py (NVIDIA/apex), read at
6424da3.
"""

from typing import Any, ClassVar

from lnbench.operations.layernorm.torch import step as step_through_autograd
from lnbench.plan.case import Case, Direction, DType, Output
from lnbench.torch_backend import CudaThirdParty

_FROM_Y = False  # whether backward starts from y


class Apex(CudaThirdParty):
    """`forward_affine` and `backward_affine` of its extension `fused_layer_norm_cuda`."""

    name = "apex"
    framework = "apex"
    summary = "Apex (CUDA)"
    packages = ("apex",)
    modules: ClassVar = {
        "fused_layer_norm_cuda": "Apex is not installed with its CUDA extensions: "
        "build it as github.com/NVIDIA/apex says, with APEX_CUDA_EXT=1 (PyPI's apex is another)"
    }
    kernels: ClassVar = {"layernorm": "lnbench.backends.apex"}  # this file

    def case_problem(self, case: Case) -> str | None:
        """Return why the functions do not take a case, or None."""
        if not (case.options.weight and case.options.bias):
            return "apex is timed with a weight and a bias"
        if case.options.output is Output.READY:
            return "apex allocates its outputs"
        if case.dtype is DType.FLOAT64 and case.direction is not Direction.FORWARD:
            return "apex has no backward for float64"
        if case.weight_dtype is not case.dtype:
            return "apex takes a weight of x's type"
        if not (case.rows and case.columns):
            return "apex takes no empty rows"
        return None


def forward(x: Any, weight: Any, bias: Any, eps: float, out: None = None) -> tuple[Any, Any, Any]:
    """Return y in x's type, and mean and rstd in float32, or float64 for float64."""
    import fused_layer_norm_cuda

    return fused_layer_norm_cuda.forward_affine(x.contiguous(), x.shape[1:], weight, bias, eps)


def backward(
    dy: Any,
    x: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    has_bias: bool,  # noqa: FBT001  (the interface of every framework's backward)
    out: None = None,
) -> tuple[Any, Any, Any]:
    """Return dx, dw and db in x's type."""
    import fused_layer_norm_cuda

    bias = weight  # it reads a bias only to learn its type; eps only where it starts from y
    return fused_layer_norm_cuda.backward_affine(
        dy.contiguous(), mean, rstd, x.contiguous(), x.shape[1:], weight, bias, 0.0, _FROM_Y
    )


def layer_norm(x: Any, shape: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Return y with autograd, as Apex's module does."""
    from apex.normalization.fused_layer_norm import fused_layer_norm_affine

    return fused_layer_norm_affine(x, weight, bias, shape, eps, _FROM_Y)


def step(x: Any, weight: Any, bias: Any, eps: float, dy: Any) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db through autograd, as a user's training step computes them."""
    return step_through_autograd(x, weight, bias, eps, dy, layer_norm)
