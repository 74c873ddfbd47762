"""add-layernorm in NumPy alone: the sum block by block beside LayerNorm's own kernels."""

from concurrent.futures import Executor
from typing import Any

import numpy as np

from lnbench.operations.layernorm import numpy as layernorm
from lnbench.operations.rowwise.arguments import must_be_apart
from lnbench.operations.rowwise.rows import (
    Part,
    load,
    share,
    split,
    store,
    target,
    work_type,
)


def forward(
    x: Any,
    residual: Any,
    weight: Any,
    bias: Any,
    eps: float,
    out: tuple[Any, ...] | None = None,
    *,
    pool: Executor | None = None,
) -> tuple[Any, Any, Any, Any]:
    """Return y and z in x's type, and mean and rstd in float32 (float64 for float64).

    Args:
        x: (M, N), floating point, any strides.
        residual: (M, N), of x's type.
        weight: (N,) or None.
        bias: (N,) or None.
        eps: added to the variance.
        out: ready (y, z, mean, rstd) of shapes (M, N), (M, N), (M,) and (M,), or None to allocate.
        pool: threads to share the rows, or None to stay in the caller's.
    """
    z = _add(x, residual, np.empty(x.shape, x.dtype) if out is None else out[1], pool)
    rest = None if out is None else (out[0], out[2], out[3])
    y, mean, rstd = layernorm.forward(z, weight, bias, eps, rest, pool=pool)
    return y, z, mean, rstd


def backward(
    dy: Any,
    dz: Any,
    z: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    has_bias: bool,  # noqa: FBT001  (the interface of every framework's backward)
    out: tuple[Any, ...] | None = None,
    *,
    pool: Executor | None = None,
) -> tuple[Any, Any, Any]:
    """Return dx, which is the residual's gradient too, dw and db; absent ones are None.

    Args:
        dy: (M, N), the gradient of y, any strides, also 0.
        dz: (M, N), the gradient that z got from elsewhere.
        z: (M, N), as returned by `forward`.
        mean: (M,), as returned by `forward`.
        rstd: (M,), as returned by `forward`.
        weight: (N,) or None.
        has_bias: whether db is wanted.
        out: ready (dx, dw, db) of shapes (M, N), (N,) and (N,), or None to allocate.
        pool: threads to share the rows, or None to stay in the caller's.
    """
    must_be_apart(out and out[:1], dz=dz)
    dx, dw, db = layernorm.backward(dy, z, mean, rstd, weight, has_bias, out, pool=pool)
    return _add(dx, dz, dx, pool), dw, db


def step(
    x: Any,
    residual: Any,
    weight: Any,
    bias: Any,
    eps: float,
    dy: Any,
    dz: Any,
    *,
    pool: Executor | None = None,
) -> tuple[Any, ...]:
    """Return y, z, dx, dw and db: `forward` and then `backward`, which know no autograd."""
    y, z, mean, rstd = forward(x, residual, weight, bias, eps, pool=pool)
    return y, z, *backward(dy, dz, z, mean, rstd, weight, bias is not None, pool=pool)


def _add(one: Any, other: Any, result: Any, pool: Executor | None) -> Any:
    """Write the sum of two matrices, rounded once, to a third one and return it."""
    if one.shape != other.shape or one.dtype != other.dtype:
        raise ValueError(
            f"what is added up has shapes {one.shape} and {other.shape}, types {one.dtype} and "
            f"{other.dtype}: make them equal"
        )
    work = work_type(one)

    def compute(_: int, part: Part) -> None:
        for block in part:
            sums = target(result[block], work, 2)
            np.add(load(one[block], work, 0), load(other[block], work, 1), out=sums)
            store(sums, result[block], spare=(0, 1))

    share(compute, split(one.shape), one.shape[1], pool)
    return result
