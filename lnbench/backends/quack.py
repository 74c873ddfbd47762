"""quack: CuTe-DSL kernels for compute capability 9.0 and later.

The functions here are those of LayerNorm; RMSNorm's are in `lnbench.operations.rmsnorm.quack`.
LayerNorm takes weight and bias in float32 only: they are converted beforehand, outside of the time,
and dw and db come out in float32; `details` says so.
Source: quack/rmsnorm.py (Dao-AILab/quack), read at 0.6.5.
"""

from typing import Any, ClassVar

import torch

from lnbench.backend import Details
from lnbench.operation import Arrays
from lnbench.operations.layernorm.torch import differentiable
from lnbench.operations.layernorm.torch import step as step_through_autograd
from lnbench.plan.case import Case, Direction, DType, Output
from lnbench.torch_backend import CudaThirdParty

_FIRST_CAPABILITY = (9, 0)
_WIDEST = 262144  # columns
_WIDEST_BACKWARD = {2: 262144, 4: 131072}  # by bytes of an element: what shared memory holds


class Quack(CudaThirdParty):
    """The kernels of `quack.rmsnorm`: `layernorm_fwd`, `layernorm_bwd`, and those of `rmsnorm`."""

    name = "quack"
    framework = "quack"
    summary = "quack-kernels (CuTe DSL)"
    packages = ("quack-kernels", "nvidia-cutlass-dsl")
    variables = ("CUTE_DSL_*",)
    modules: ClassVar = {"quack": "quack-kernels is not installed: pip install quack-kernels"}
    kernels: ClassVar = {"layernorm": "lnbench.backends.quack"}  # this file

    def device_problem(self, device: str) -> str | None:
        """Return that the device is not CUDA's or too old, or what is missing."""
        if (problem := super().device_problem(device)) is not None:
            return problem
        recent = torch.cuda.get_device_capability(device) >= _FIRST_CAPABILITY
        return None if recent else "quack needs compute capability 9.0 or later"

    def case_problem(self, case: Case) -> str | None:
        """Return why quack's functions do not take a case, or None."""
        if case.operation == "layernorm" and not case.options.weight:
            return "quack needs a weight"
        if case.options.output is Output.READY:
            return "quack allocates its outputs"
        if case.dtype is DType.FLOAT64:
            return "quack has no kernels for float64"
        forward_only = case.direction is Direction.FORWARD
        widest = _WIDEST if forward_only else _WIDEST_BACKWARD[case.dtype.itemsize]
        if not (case.rows and 0 < case.columns <= widest):
            return f"quack takes rows of 1 to {widest} columns of {case.dtype}"
        return None

    def tensors(self, case: Case, inputs: Arrays) -> dict[str, Any]:
        """Return the inputs, LayerNorm's weight and bias in float32."""
        tensors = super().tensors(case, inputs)
        for name in tensors.keys() & {"weight", "bias"} if _converts(case) else ():
            tensors[name] = tensors[name].float()
        return tensors

    def details(self, kernels: Any, case: Case) -> Details:
        """Return whether the weights were converted."""
        return {"weights": "float32, converted beforehand"} if _converts(case) else {}


def _converts(case: Case) -> bool:
    return case.operation == "layernorm" and case.weight_dtype is not DType.FLOAT32


def forward(x: Any, weight: Any, bias: Any, eps: float, out: None = None) -> tuple[Any, Any, Any]:
    """Return y in x's type, and mean and rstd in float32."""
    from quack.rmsnorm import layernorm_fwd

    y, rstd, mean = layernorm_fwd(
        x.contiguous(), weight, bias, eps, return_rstd=True, return_mean=True
    )
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
    """Return dx in x's type, and dw and db in float32; db is None where there is no bias."""
    from quack.rmsnorm import layernorm_bwd

    return layernorm_bwd(x.contiguous(), weight, dy.contiguous(), rstd, mean, has_bias)


layer_norm = differentiable(forward, backward)
"""quack ships no autograd function for LayerNorm."""


def step(x: Any, weight: Any, bias: Any, eps: float, dy: Any) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db through autograd, as a user's training step computes them."""
    return step_through_autograd(x, weight, bias, eps, dy, layer_norm)
