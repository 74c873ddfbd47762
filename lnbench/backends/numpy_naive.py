"""NumPy as the formula reads: whole arrays, a temporary for every operator.

What most people write first, and what a blocked kernel is to be compared with. Halves are computed
in float32, since sums in their own type are of no use.
"""

from typing import Any, ClassVar

import numpy as np

from lnbench.host_backend import HostBackend


class NumPyNaive(HostBackend):
    """The expression of the textbook."""

    name = "numpy-naive"
    framework = "numpy-naive"
    summary = "NumPy as the formula reads, with temporaries"
    third_party = True
    kernels: ClassVar = {"layernorm": "lnbench.backends.numpy_naive"}  # this file
    known_failings: ClassVar = {
        "constant rows": "what rounding the mean left is all that there is of a row",
        "mean 1e4, spread 1e-2": "the rounding of the mean is not taken off again",
        "no columns": "the mean of nothing is NaN",
        "one column": "what rounding the mean left is all that there is of a row",
    }


@np.errstate(all="ignore")
def forward(
    x: Any, weight: Any, bias: Any, eps: float, out: tuple[Any, ...] | None = None
) -> tuple[Any, Any, Any]:
    """Return y in x's type, and mean and rstd in the type that it was computed in."""
    wide = _wide(x)
    mean = wide.mean(axis=1)
    rstd = 1 / np.sqrt(wide.var(axis=1) + wide.dtype.type(eps))
    y = (wide - mean[:, None]) * rstd[:, None]
    y = y if weight is None else y * _wide(weight)
    y = y if bias is None else y + _wide(bias)
    return _stored((y.astype(x.dtype, copy=False), mean, rstd), out)


@np.errstate(all="ignore")
def backward(
    dy: Any,
    x: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    has_bias: bool,  # noqa: FBT001  (the interface of every framework's backward)
    out: tuple[Any, ...] | None = None,
) -> tuple[Any, Any, Any]:
    """Return dx in x's type, and dw and db in weight's; None where there is no weight or bias."""
    normal, grad = (_wide(x) - mean[:, None]) * rstd[:, None], _wide(dy)
    g = grad if weight is None else grad * _wide(weight)
    along = normal * (g * normal).mean(axis=1, keepdims=True)
    dx = (g - g.mean(axis=1, keepdims=True) - along) * rstd[:, None]
    kind = x.dtype if weight is None else weight.dtype
    # Along axis 0 NumPy adds up one after the other: in float32 many rows would be too far off.
    dw = None if weight is None else (grad * normal).sum(axis=0, dtype=np.float64).astype(kind)
    db = grad.sum(axis=0, dtype=np.float64).astype(kind) if has_bias else None
    return _stored((dx.astype(x.dtype, copy=False), dw, db), out)


def step(x: Any, weight: Any, bias: Any, eps: float, dy: Any) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db: `forward` and then `backward`, which know no autograd."""
    y, mean, rstd = forward(x, weight, bias, eps)
    return y, *backward(dy, x, mean, rstd, weight, bias is not None)


def _wide(array: Any) -> Any:
    return array.astype(np.float32) if array.dtype.itemsize == 2 else array  # noqa: PLR2004


def _stored(results: tuple[Any, ...], out: tuple[Any, ...] | None) -> tuple[Any, ...]:
    if out is None:
        return results
    for ready, result in zip(out, results, strict=True):
        if ready is not None:
            ready[...] = result
    return out
