"""RMSNorm in NumPy alone, in the blocks and with the sums of `rowwise/rows.py`.

All results have the same bits for every number of threads, and a row's y and dx whatever rows
stand around it. Source: Zhang and Sennrich 2019 (arXiv 1910.07467), eq. 4.
"""

from concurrent.futures import Executor
from typing import Any

import numpy as np

from lnbench.operations.rowwise.arguments import must_be_apart
from lnbench.operations.rowwise.rows import (
    Part,
    column_sums,
    load,
    row_means,
    row_vector,
    scratch,
    share,
    split,
    store,
    target,
    total,
    work_type,
)


def forward(
    x: Any,
    weight: Any,
    eps: float,
    out: tuple[Any, ...] | None = None,
    *,
    pool: Executor | None = None,
) -> tuple[Any, Any]:
    """Return y in x's type, and rstd in float32 (float64 for float64).

    Args:
        x: (M, N), floating point, any strides.
        weight: (N,) or None.
        eps: added to the mean square.
        out: ready (y, rstd) of shapes (M, N) and (M,), or None to allocate.
        pool: threads to share the rows, or None to stay in the caller's.
    """
    work, gain = work_type(x), row_vector(weight, "weight", x)
    y, rstd = out or (np.empty(x.shape, x.dtype), np.empty(len(x), work))
    must_be_apart(out and out[1:], weight=weight)

    def compute(_: int, part: Part) -> None:
        for block in part:
            rows, result = load(x[block], work, 0), target(y[block], work, 1)
            rstd[block] = factor = 1 / np.sqrt(row_means(rows, rows) + float(eps))
            np.multiply(rows, factor[:, None], out=result)
            if gain is not None:
                result *= gain
            store(result, y[block], spare=(0, 2))

    share(compute, split(x.shape), x.shape[1], pool)
    return y, rstd


def backward(
    dy: Any,
    x: Any,
    rstd: Any,
    weight: Any,
    out: tuple[Any, ...] | None = None,
    *,
    pool: Executor | None = None,
) -> tuple[Any, Any]:
    """Return dx in x's type, and dw in weight's; None where there is no weight.

    Args:
        dy: (M, N), floating point, any strides, also 0.
        x: (M, N), as given to `forward`.
        rstd: (M,), as returned by `forward`.
        weight: (N,) or None.
        out: ready (dx, dw) of shapes (M, N) and (N,), or None to allocate.
        pool: threads to share the rows, or None to stay in the caller's.
    """
    if dy.shape != x.shape:
        raise ValueError(f"dy has shape {dy.shape}, but x has {x.shape}")
    work, gain = work_type(x), row_vector(weight, "weight", x)
    rstd = rstd.astype(work, copy=False)
    dx, dw = out or (np.empty(x.shape, x.dtype), None)
    must_be_apart(out and out[:1], dy=dy)
    parts = split(x.shape, summed=True)
    dws = None if gain is None else np.zeros((len(parts), x.shape[1]))

    def compute(index: int, part: Part) -> None:
        for block in part:
            upstream, rows = load(dy[block], work, 0), load(x[block], work, 1)
            result = target(dx[block], work, 2)
            sums = None if dws is None else dws[index]
            _differentiate(upstream, rows, rstd[block], gain, sums, result)
            store(result, dx[block], spare=(0, 1))

    share(compute, parts, x.shape[1], pool)
    return dx, total(dws, x.dtype if weight is None else weight.dtype, dw)


def step(
    x: Any, weight: Any, eps: float, dy: Any, *, pool: Executor | None = None
) -> tuple[Any, Any, Any]:
    """Return y, dx and dw: `forward` and then `backward`, which know no autograd."""
    y, rstd = forward(x, weight, eps, pool=pool)
    return y, *backward(dy, x, rstd, weight, pool=pool)


def _differentiate(dy: Any, x: Any, rstd: Any, gain: Any, dw: Any, dx: Any) -> None:
    """Write dx of the rows, and add what they contribute to `dw`, if not None."""
    normal = np.multiply(x, rstd[:, None], out=scratch(3, x.shape, x.dtype))
    if dw is not None:
        product = np.multiply(dy, normal, out=dx)
        dw += column_sums(np.ones_like(rstd), product)
    g = dy if gain is None else np.multiply(dy, gain, out=dx)
    normal *= row_means(g, normal)[:, None]
    np.subtract(g, normal, out=dx)
    dx *= rstd[:, None]
