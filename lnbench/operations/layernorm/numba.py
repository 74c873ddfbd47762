"""LayerNorm compiled by Numba: what the CPU can do when a row is read once and written once.

A row stays in the first caches from its statistics to its result, while the next one is fetched.
Sets that fill the last-level cache are written past it, as a copy of that size does: a plain store
reads each line of the result first. float16 and bfloat16 are widened where they are read and
rounded where they are written. Threads are the caller's: rows are shared out in parts that depend
on the shape alone, so all results have the same bits for every number of threads.
Source: Ba, Kiros and Hinton 2016, eq. 3 and 4.
"""

from collections.abc import Callable
from concurrent.futures import Executor, wait
from typing import Any

import numpy as np

from lnbench.operations.rowwise.arguments import must_be_apart, must_fit
from lnbench.operations.rowwise.numba import loops as kernels
from lnbench.operations.rowwise.numba.halves import as_numbers
from lnbench.operations.rowwise.rows import (
    part_count,
    row_vector,
    scratch,
    spans,
    total,
    work_type,
)

COMPILED = (kernels.forward_plain, kernels.backward_plain)
"""What workers call, but for arrays whose rows are not side by side."""

_SHARED = 1 << 20
"""Elements from which on a second thread gains more than it costs to wake it."""


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
    gain, shift = _vector(weight, "weight", x, 1), _vector(bias, "bias", x, 0)
    must_be_apart(out and out[1:], weight=weight, bias=bias)
    if out is None:
        out = (np.empty(x.shape, x.dtype), np.empty(len(x), work), np.empty(len(x), work))
    y, mean, rstd = out
    # Compiled loops look at no bounds, and take types of 16 bits as integers.
    must_fit(x.shape, x.dtype, y=y)
    must_fit(x.shape[:1], mean=mean, rstd=rstd)
    numbers, result = as_numbers(x), as_numbers(y)
    kernel = _kernel("forward", x, y)
    stream = kernels.fills_cache(x.nbytes + y.nbytes)

    def compute(start: int, end: int) -> None:
        spare = scratch(1, (1, x.shape[1]), work)
        kernel(numbers, gain, shift, float(eps), result, mean, rstd, start, end, spare, stream)

    pool = pool if x.size >= _SHARED else None
    _share(compute, len(x), pool)
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
    must_fit(x.shape, x.dtype, dy=dy)
    must_fit(x.shape[:1], mean=mean, rstd=rstd)
    work, gain = work_type(x), _vector(weight, "weight", x, 1)
    mean, rstd = (np.ascontiguousarray(vector, work) for vector in (mean, rstd))
    dx, dw, db = out or (np.empty(x.shape, x.dtype), None, None)
    must_fit(x.shape, x.dtype, dx=dx)
    # As many parts as the shape says, whatever the threads: dw and db are sums over them.
    edges = np.array([0, *(end for _, end in spans(len(x), part_count(x.shape)))])
    count = max(1, len(edges) - 1)
    sums = scratch(0, (2 * count, x.shape[1]), np.float64).reshape(count, 2, x.shape[1])
    sums.fill(0)
    arrays = tuple(map(as_numbers, (dy, x, dx)))
    kernel = _kernel("backward", dy, x, dx)
    stream = kernels.fills_cache(3 * x.nbytes)

    def compute(first: int, last: int) -> None:
        spare = scratch(1, (4, x.shape[1]), work)
        kernel(*arrays, mean, rstd, gain, sums, edges, first, last, spare, stream)

    _share(compute, len(edges) - 1, pool if x.size >= _SHARED else None)
    dtype = x.dtype if weight is None else weight.dtype
    return (
        dx,
        None if weight is None else total(sums[:, 0], dtype, dw),
        total(sums[:, 1], dtype, db) if has_bias else None,
    )


def step(
    x: Any, weight: Any, bias: Any, eps: float, dy: Any, *, pool: Executor | None = None
) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db: `forward` and then `backward`, which know no autograd."""
    y, mean, rstd = forward(x, weight, bias, eps, pool=pool)
    return y, *backward(dy, x, mean, rstd, weight, bias is not None, pool=pool)


def _share(compute: Callable[[int, int], None], count: int, pool: Executor | None) -> None:
    """Call `compute` with the first of so many rows or parts and the end, once in each thread.

    The caller's thread takes a share too: to wake another costs 50 µs.
    """
    shares = spans(count, _thread_count(pool))
    if pool is None or len(shares) <= 1:
        for share in shares:
            compute(*share)
        return
    others = [pool.submit(compute, *share) for share in shares[1:]]
    try:
        compute(*shares[0])  # the caller's thread is awake: no other need be waited for
    finally:
        wait(others)  # they write into arrays that are the caller's again after this
    for other in others:
        other.result()  # raises what the thread raised


def _thread_count(pool: Executor | None) -> int:
    """Return how many threads the pool has."""
    return 1 if pool is None else int(getattr(pool, "_max_workers", 1))


def _kernel(name: str, *arrays: Any) -> Any:
    """Return the loops for arrays of these strides."""
    plain = all(array.flags.c_contiguous and array.flags.aligned for array in arrays)
    return getattr(kernels, f"{name}_plain" if plain else f"{name}_by_row")


def _vector(vector: Any, name: str, x: Any, absent: float) -> Any:
    """Return weight or bias in the type that x is computed in; a constant where it is None."""
    plain = row_vector(vector, name, x)
    return np.full(x.shape[1], absent, work_type(x)) if plain is None else plain
