"""FlashInfer: its LayerNorm for inference, of bfloat16 rows with float32 weights.

It is forward only, and returns y alone: it keeps no statistics. Weight and bias of another type are
converted to float32 beforehand, outside of the time; `details` says so.
Source: flashinfer/norm/__init__.py (flashinfer-ai/flashinfer), read at 0.7.2.post1.
"""

from typing import Any, ClassVar

from lnbench.backend import Details
from lnbench.operation import Arrays
from lnbench.plan.case import Case, Direction, DType, Output
from lnbench.torch_backend import CudaThirdParty


class FlashInfer(CudaThirdParty):
    """`flashinfer.norm.layernorm`."""

    name = "flashinfer"
    framework = "flashinfer"
    summary = "FlashInfer, forward of bfloat16"
    packages = ("flashinfer-python", "nvidia-cutlass-dsl")
    variables = ("FLASHINFER_*", "CUTE_DSL_*")
    modules: ClassVar = {
        "flashinfer": "flashinfer is not installed: pip install 'lnbench[flashinfer]'"
    }
    kernels: ClassVar = {"layernorm": "lnbench.backends.flashinfer"}  # this file

    def case_problem(self, case: Case) -> str | None:
        """Return why the kernel does not take a case, or None."""
        if case.direction is not Direction.FORWARD:
            return "flashinfer has no backward of LayerNorm"
        if case.dtype is not DType.BFLOAT16:
            return "flashinfer's LayerNorm takes bfloat16"
        if not (case.options.weight and case.options.bias):
            return "flashinfer needs a weight and a bias"
        if case.options.output is Output.READY:
            return "flashinfer allocates its outputs"
        if not (case.rows and case.columns):
            return "flashinfer takes no empty rows"
        return None

    def tensors(self, case: Case, inputs: Arrays) -> dict[str, Any]:
        """Return the inputs, weight and bias in float32."""
        tensors = super().tensors(case, inputs)
        return tensors | {name: tensors[name].float() for name in ("weight", "bias")}

    def details(self, kernels: Any, case: Case) -> Details:
        """Return whether the weights were converted."""
        converted = case.weight_dtype is not DType.FLOAT32
        return {"weights": "float32, converted beforehand"} if converted else {}


def forward(x: Any, weight: Any, bias: Any, eps: float, out: None = None) -> tuple[Any, None, None]:
    """Return y in x's type, without mean and rstd."""
    from flashinfer.norm import layernorm

    return layernorm(x.contiguous(), weight, bias, eps), None, None
