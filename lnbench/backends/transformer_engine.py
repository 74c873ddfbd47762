"""TransformerEngine: the LayerNorm beneath its modules, whose statistics are float32.

Weight and bias are of x's type, as in its modules, and are both needed.
Source: transformer_engine/pytorch/csrc/extensions/normalization.cpp and ops/basic/layer_norm.py
(NVIDIA/TransformerEngine), read at 2.20.2.
"""

from typing import Any, ClassVar

from lnbench.operations.layernorm.torch import differentiable
from lnbench.operations.layernorm.torch import step as step_through_autograd
from lnbench.plan.case import Case, DType, Output
from lnbench.torch_backend import CudaThirdParty

_SM_MARGIN = 0  # multiprocessors that are left to others
_ZERO_CENTERED = False  # whether 1 is added to the weight


class TransformerEngine(CudaThirdParty):
    """`layernorm_fwd` and `layernorm_bwd` of `transformer_engine_torch`."""

    name = "transformer-engine"
    framework = "transformer-engine"
    summary = "TransformerEngine (CUDA)"
    packages = ("transformer-engine", "transformer-engine-torch")
    variables = ("NVTE_*",)
    modules: ClassVar = {
        "transformer_engine_torch": "transformer-engine is not installed: "
        "pip install --no-build-isolation 'lnbench[transformer-engine]'"
    }
    kernels: ClassVar = {"layernorm": "lnbench.backends.transformer_engine"}  # this file

    def case_problem(self, case: Case) -> str | None:
        """Return why the functions do not take a case, or None."""
        if not (case.options.weight and case.options.bias):
            return "transformer-engine needs a weight and a bias"
        if case.options.output is Output.READY:
            return "transformer-engine allocates its outputs"
        if case.dtype is DType.FLOAT64 or case.weight_dtype is not case.dtype:
            return "transformer-engine takes float32, float16 and bfloat16, unmixed"
        if not (case.rows and case.columns):
            return "transformer-engine takes no empty rows"
        return None


def forward(x: Any, weight: Any, bias: Any, eps: float, out: None = None) -> tuple[Any, Any, Any]:
    """Return y in x's type, and mean and rstd in float32."""
    import transformer_engine.pytorch  # noqa: F401  (loads the library that the next one needs)
    import transformer_engine_torch
    from transformer_engine.pytorch.constants import TE_DType

    return transformer_engine_torch.layernorm_fwd(
        x.contiguous(), weight, bias, eps, None, None, TE_DType[x.dtype], _SM_MARGIN, _ZERO_CENTERED
    )


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
    import transformer_engine_torch

    return transformer_engine_torch.layernorm_bwd(
        dy.contiguous(), x.contiguous(), mean, rstd, weight, _SM_MARGIN, _ZERO_CENTERED
    )


layer_norm = differentiable(forward, backward)


def step(x: Any, weight: Any, bias: Any, eps: float, dy: Any) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db through autograd, by these two calls."""
    return step_through_autograd(x, weight, bias, eps, dy, layer_norm)
