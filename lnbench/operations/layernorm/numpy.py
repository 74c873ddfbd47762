"""LayerNorm in NumPy alone: blocks of rows that stay in the cache from the first sweep to the last.

The mean is corrected once and the variance taken around it, so that a large mean costs no digits.
float16 and bfloat16 are computed in float32. Row sums are dot products, row by row: y and dx of a
row have the same bits whatever rows stand around it, and all results have the same bits for every
number of threads. Source: Ba, Kiros and Hinton 2016 (arXiv 1607.06450), eq. 3 and 4.
"""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, SupportsIndex

import numpy as np

from lnbench.arrays import to_host
from lnbench.operations.rowwise.arguments import must_be_apart, must_fit
from lnbench.operations.rowwise.rows import (
    Part,
    column_sums,
    load,
    recentre,
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

_vector = partial(row_vector, hint=": see layer_norm")


def forward(
    x: Any,
    weight: Any,
    bias: Any,
    eps: float,
    out: tuple[Any, ...] | None = None,
    *,
    pool: Executor | None = None,
) -> tuple[Any, Any, Any]:
    """Return y in x's type, and mean and rstd in float32 (float64 for float64).

    Args:
        x: (M, N), floating point, any strides.
        weight: (N,) or None.
        bias: (N,) or None.
        eps: added to the variance.
        out: ready (y, mean, rstd) of shapes (M, N), (M,) and (M,), or None to allocate.
        pool: threads to share the rows, or None to stay in the caller's.
    """
    work = work_type(x)
    gain, shift = _vector(weight, "weight", x), _vector(bias, "bias", x)
    ones = np.ones(x.shape[1], work)
    must_be_apart(out and out[1:], weight=weight, bias=bias)
    if out is None:
        out = (np.empty(x.shape, x.dtype), np.empty(len(x), work), np.empty(len(x), work))
    y, mean, rstd = out
    must_fit(x.shape, y=y)
    must_fit(x.shape[:1], mean=mean, rstd=rstd)

    def compute(_: int, part: Part) -> None:
        for block in part:
            rows, result = load(x[block], work, 0), target(y[block], work, 0)
            mean[block], rstd[block] = _normalize(rows, ones, float(eps), result)
            if gain is not None:
                result *= gain
            if shift is not None:
                result += shift
            store(result, y[block], spare=(1, 2))

    share(compute, split(x.shape), x.shape[1], pool)
    return y, mean, rstd


def backward(
    dy: Any,
    x: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    has_bias: bool,  # noqa: FBT001  (the interface of every framework's backward)
    out: tuple[Any, ...] | None = None,
    *,
    pool: Executor | None = None,
) -> tuple[Any, Any, Any]:
    """Return dx in x's type, and dw and db in weight's (db in x's where there is no weight).

    dw and db are None where there is no weight or bias.

    Args:
        dy: (M, N), floating point, any strides, also 0.
        x: (M, N), as given to `forward`.
        mean: (M,), as returned by `forward`.
        rstd: (M,), as returned by `forward`.
        weight: (N,) or None.
        has_bias: whether db is wanted.
        out: ready (dx, dw, db) of shapes (M, N), (N,) and (N,), or None to allocate.
        pool: threads to share the rows, or None to stay in the caller's.
    """
    work_type(dy)
    must_fit(x.shape, dy=dy)
    must_fit(x.shape[:1], mean=mean, rstd=rstd)
    work, gain = work_type(x), _vector(weight, "weight", x)
    mean, rstd = (vector.astype(work, copy=False) for vector in (mean, rstd))
    ones = np.ones(x.shape[1], work)
    dx, dw, db = out or (np.empty(x.shape, x.dtype), None, None)
    must_fit(x.shape, dx=dx)
    must_be_apart(out and out[:1], dy=dy)
    parts = split(x.shape, summed=True)
    shape = (len(parts), x.shape[1])
    dws = None if gain is None else scratch(3, shape, np.float64)
    dbs = scratch(4, shape, np.float64) if has_bias else None

    def compute(index: int, part: Part) -> None:
        sums = [None if parts is None else parts[index] for parts in (dws, dbs)]
        for part_sum in sums:
            if part_sum is not None:
                part_sum.fill(0)
        for block in part:
            upstream, rows = load(dy[block], work, 0), load(x[block], work, 1)
            result = target(dx[block], work, 2)
            _differentiate(upstream, rows, (mean[block], rstd[block]), gain, ones, sums, result)
            store(result, dx[block], spare=(0, 1))

    share(compute, parts, x.shape[1], pool)
    dtype = x.dtype if weight is None else weight.dtype
    return dx, total(dws, dtype, dw), total(dbs, dtype, db)


def step(
    x: Any, weight: Any, bias: Any, eps: float, dy: Any, *, pool: Executor | None = None
) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db: `forward` and then `backward`, which know no autograd."""
    y, mean, rstd = forward(x, weight, bias, eps, pool=pool)
    return y, *backward(dy, x, mean, rstd, weight, bias is not None, pool=pool)


def layer_norm(
    x: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    *,
    pool: Executor | None = None,
) -> Any:
    """Return y as `torch.nn.functional.layer_norm` does, for arrays; there is no autograd.

    Args:
        x: floating point, any shape that ends in `normalized_shape`, any strides.
        normalized_shape: the trailing sizes that one row spans; a number stands for one size.
        weight: of shape `normalized_shape`, or None.
        bias: of shape `normalized_shape`, or None.
        eps: added to the variance.
        pool: threads to share the rows, or None to stay in the caller's.
    """
    x, shape = np.asarray(x), _shape(normalized_shape)
    leading = x.shape[: x.ndim - len(shape)]
    if not shape or x.shape != leading + shape:
        raise ValueError(f"x has shape {x.shape}, which does not end in normalized_shape {shape}")
    for name, vector in (("weight", weight), ("bias", bias)):
        if vector is not None and np.shape(vector) != shape:
            raise ValueError(f"{name} has shape {np.shape(vector)}, not normalized_shape {shape}")
    gain, shift = (None if vector is None else np.ravel(vector) for vector in (weight, bias))
    rows = x.reshape(math.prod(leading), math.prod(shape))
    return forward(rows, gain, shift, eps, pool=pool)[0].reshape(x.shape)


class LayerNorm:
    """`torch.nn.LayerNorm` for arrays, forward only; takes its arguments and its state."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,  # noqa: FBT001, FBT002  (torch's signature)
        bias: bool = True,  # noqa: FBT001, FBT002
        dtype: Any = np.float32,
    ) -> None:
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.weight = np.ones(self.normalized_shape, dtype) if elementwise_affine else None
        self.bias = np.zeros(self.normalized_shape, dtype) if elementwise_affine and bias else None

    def __call__(self, x: Any) -> Any:
        """Return the layer normalization of x over its last dimensions, in x's shape and type."""
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def state_dict(self) -> dict[str, Any]:
        """Return weight and bias by name, without those that the module does not have."""
        state = {"weight": self.weight, "bias": self.bias}
        return {name: array for name, array in state.items() if array is not None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take copies of weight and bias, arrays or torch's tensors, and keep their types."""
        own = self.state_dict()
        if state.keys() != own.keys():
            raise ValueError(f"the state has {sorted(state)}, but the module has {sorted(own)}")
        arrays = {
            name: np.array(to_host(value) if hasattr(value, "detach") else value)
            for name, value in state.items()
        }
        for name, array in arrays.items():
            if array.shape != self.normalized_shape:
                raise ValueError(f"{name} has shape {array.shape}, not {self.normalized_shape}")
        self.weight, self.bias = arrays.get("weight"), arrays.get("bias")


def _normalize(rows: Any, ones: Any, eps: float, result: Any) -> tuple[Any, Any]:
    """Write (x - mean)·rstd of the rows to `result`; return mean and rstd."""
    mean = row_means(rows, ones)
    np.subtract(rows, mean[:, None], out=result)
    rstd = 1 / np.sqrt(row_means(result, result) + eps)
    off = recentre(result, mean, rstd, ones)
    if off is not None:
        mean, rstd = mean + off, 1 / np.sqrt(row_means(result, result) + eps)
    result *= rstd[:, None]
    return mean, rstd


def _differentiate(
    dy: Any, x: Any, statistics: Any, weight: Any, ones: Any, sums: Sequence[Any], dx: Any
) -> None:
    """Write dx of the rows, and add what they contribute to `sums`, dw and db, if not None."""
    mean, rstd = statistics
    gain = ones if weight is None else weight
    centred = np.subtract(x, mean[:, None], out=scratch(1, x.shape, x.dtype))
    recentre(centred, mean, rstd, ones)  # it lost digits when it was saved
    product = np.multiply(dy, centred, out=dx)
    dw, db = sums
    if dw is not None:
        dw += column_sums(rstd, product)
    if db is not None:
        db += column_sums(np.ones_like(rstd), dy)
    slope = row_means(product, gain) * rstd * rstd
    g = dy if weight is None else np.multiply(dy, weight, out=dx)
    np.subtract(g, row_means(dy, gain)[:, None], out=dx)
    centred *= slope[:, None]
    dx -= centred
    dx *= rstd[:, None]


def _shape(sizes: int | Sequence[int]) -> tuple[int, ...]:
    return (int(sizes),) if isinstance(sizes, SupportsIndex) else tuple(sizes)
