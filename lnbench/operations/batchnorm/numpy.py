"""Batch normalization in NumPy, column sums by products."""

from typing import Any

import numpy as np

from lnbench.operations.rowwise.rows import column_sums, widened


def forward(
    x: Any,
    weight: Any,
    bias: Any,
    eps: float,
    known: tuple[Any, Any] | None = None,
    out: tuple[Any, ...] | None = None,
) -> tuple[Any, Any, Any]:
    """Return y in x's type, and mean and rstd of the columns in the type that is computed in.

    Args:
        x: (M, N), floating point, any strides.
        weight: (N,) or None.
        bias: (N,) or None.
        eps: added to the variance.
        known: mean and variance (N,) of earlier batches, or None for those of this one.
        out: ready (y, mean, rstd), the last two left out in inference, or None to allocate.
    """
    wide = widened(x)
    with np.errstate(all="ignore"):
        if known is None:
            rows, share = max(1, len(x)), np.full(len(x), 1 / max(1, len(x)), wide.dtype)
            mean = _sums(share, wide).astype(wide.dtype)
            centred = wide - mean
            left = _sums(share, centred).astype(wide.dtype)
            centred -= left
            mean = mean + left
            variance = _sums(np.ones(len(x), wide.dtype), centred * centred) / rows
        else:
            mean, variance = map(widened, known)
            centred = wide - mean
        rstd = (1 / np.sqrt(variance + eps)).astype(wide.dtype)
        centred *= rstd if weight is None else rstd * widened(weight)
        if bias is not None:
            centred += widened(bias)
        return _stored((centred.astype(x.dtype, copy=False), mean, rstd), out)


def backward(
    dy: Any,
    x: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    has_bias: bool,  # noqa: FBT001  (the interface of every framework's backward)
    fixed: bool = False,  # noqa: FBT001, FBT002
    out: tuple[Any, ...] | None = None,
) -> tuple[Any, Any, Any]:
    """Return dx in x's type, and dw and db in weight's; None where there is no weight or bias.

    Args:
        dy: (M, N), any strides, also 0.
        x: (M, N), as given to `forward`.
        mean: (N,), as returned by `forward`.
        rstd: (N,), as returned by `forward`.
        weight: (N,) or None.
        has_bias: whether db is wanted.
        fixed: whether the statistics were given, and so have no gradient.
        out: ready (dx, dw, db), or None to allocate.
    """
    with np.errstate(all="ignore"):
        grad = widened(dy)
        normal = (widened(x) - mean) * rstd
        ones = np.ones(len(x), grad.dtype)
        dw, db = _sums(ones, grad * normal), _sums(ones, grad)
        gain = rstd if weight is None else rstd * widened(weight)
        if fixed:
            dx = grad * gain
        else:
            rows = max(1, len(x))
            normal *= (dw / rows).astype(grad.dtype)
            dx = grad - normal
            dx -= (db / rows).astype(grad.dtype)
            dx *= gain
        kind = x.dtype if weight is None else weight.dtype
        results = (
            dx.astype(x.dtype, copy=False),
            None if weight is None else dw.astype(kind),
            db.astype(kind) if has_bias else None,
        )
        return _stored(results, out)


def step(
    x: Any, weight: Any, bias: Any, eps: float, dy: Any, known: tuple[Any, Any] | None = None
) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db: `forward` and then `backward`, which know no autograd."""
    y, mean, rstd = forward(x, weight, bias, eps, known)
    return y, *backward(dy, x, mean, rstd, weight, bias is not None, known is not None)


def _sums(factors: Any, values: Any) -> Any:
    if not len(values):
        return np.zeros(values.shape[1])
    return column_sums(factors, np.ascontiguousarray(values))


def _stored(results: tuple[Any, ...], out: tuple[Any, ...] | None) -> tuple[Any, ...]:
    if out is None:
        return results
    for ready, result in zip(out, results, strict=False):  # inference has no place for statistics
        if ready is not None:
            ready[...] = result
    return (*out, *results[len(out) :])
