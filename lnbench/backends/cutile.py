"""cuTile: the kernels that NVIDIA's TileGym has in place of Liger's, backward with partial sums.

cuda-tile is a language and has no LayerNorm; TileGym's comes with pip and has both directions (the
one among cuda-tile's samples adds its partial sums in whatever order a lock is taken).
Statistics are kept in x's type. Its compiler, `tileiras`, is in no wheel of cuda-tile's own.
Source: tilegym/suites/liger/cutile/layer_norm.py (NVIDIA/TileGym), read at 1.5.1.
"""

from typing import Any, ClassVar

from lnbench.operations.layernorm.torch import step as step_through_autograd
from lnbench.plan.case import Case, DType, Output
from lnbench.torch_backend import CudaThirdParty

_WIDEST = 65536  # columns, which one block holds


class CuTile(CudaThirdParty):
    """`liger.layer_norm` of TileGym, in cuTile."""

    name = "cutile"
    framework = "cutile"
    summary = "cuTile (TileGym)"
    packages = ("cuda-tile", "tilegym")
    variables = ("CUDA_TILE_*", "TILEGYM_*")
    modules: ClassVar = {"tilegym": "tilegym is not installed: pip install 'lnbench[cutile]'"}
    kernels: ClassVar = {"layernorm": "lnbench.backends.cutile"}  # this file
    known_failings: ClassVar = {
        "constant rows": "the variance is E[x²] - E[x]²",
        "mean 100": "the variance is E[x²] - E[x]²",
        "mean 1e4, spread 1e-2": "the variance is E[x²] - E[x]²",
        "huge values": "squares overflow",
    }

    def case_problem(self, case: Case) -> str | None:
        """Return why the kernels do not take a case, or None."""
        if not (case.options.weight and case.options.bias):
            return "cutile needs a weight and a bias"
        if case.options.output is Output.READY:
            return "cutile allocates its outputs"
        if case.dtype is DType.FLOAT64:
            return "cutile computes in float32, which float64 is too fine for"
        if not (case.rows and 0 < case.columns <= _WIDEST):
            return f"cutile takes rows of 1 to {_WIDEST} columns"
        return None


def forward(x: Any, weight: Any, bias: Any, eps: float, out: None = None) -> tuple[Any, Any, Any]:
    """Return y, mean and rstd, all in x's type."""
    from tilegym.suites.liger.cutile import layer_norm as tilegym

    y, _, mean, rstd, _ = tilegym._layer_norm_forward_ct(x, weight, bias, eps)  # noqa: SLF001
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
    from tilegym.suites.liger.cutile import layer_norm as tilegym

    block = tilegym._calculate_settings(x.shape[1])  # noqa: SLF001
    bias = weight  # it reads a bias only to learn its type
    return tilegym._layer_norm_backward_ct(  # noqa: SLF001
        dy.contiguous(), x, weight, bias, mean, rstd, block
    )


def layer_norm(x: Any, _: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Return y with autograd, as TileGym does."""
    from tilegym.suites.liger.cutile import layer_norm as tilegym

    return tilegym.LayerNormCuTileFunction.apply(x, weight, bias, eps)


def step(x: Any, weight: Any, bias: Any, eps: float, dy: Any) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db through autograd, as a user's training step computes them."""
    return step_through_autograd(x, weight, bias, eps, dy, layer_norm)
