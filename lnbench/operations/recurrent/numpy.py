"""Recurrent networks in NumPy: the equations in float32, float64 for float64."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lnbench.operations.recurrent import equations
from lnbench.operations.recurrent.equations import Norm
from lnbench.operations.rowwise.rows import widened


def forward(
    cell: str,
    x: Any,
    parameters: Mapping[str, Any],
    norm: Norm | None,
    out: tuple[Any, ...] | None = None,
) -> tuple[Any, ...]:
    """Return (h,) in x's type.

    Args:
        cell: rnn, lstm or gru.
        x: (T, B, H).
        parameters: weights, biases and gains, by the names of `equations.shapes`.
        norm: how summed inputs are normalized; None leaves every normalization out.
        out: a ready (h,), or None to allocate.
    """
    h, _ = saved(cell, x, parameters, norm)
    return _stored((h,), (x.dtype,), out)


def saved(cell: str, x: Any, parameters: Mapping[str, Any], norm: Norm | None) -> Any:
    """Return h and what `backward` needs, in the type that is computed in."""
    wide = {name: widened(array) for name, array in parameters.items()}
    return equations.forward(np, cell, widened(x), wide, norm)


def backward(
    cell: str,
    dh: Any,
    x: Any,
    parameters: Mapping[str, Any],
    kept: tuple[Any, Sequence[Any]],
    norm: Norm | None,
    out: tuple[Any, ...] | None = None,
) -> tuple[Any, ...]:
    """Return dx and the gradient of every parameter, in the types of what they belong to.

    Args:
        cell: rnn, lstm or gru.
        dh: (T, B, H), the gradient of every h.
        x: (T, B, H).
        parameters: weights, biases and gains.
        kept: what `saved` returned.
        norm: as given to `saved`.
        out: ready results, or None to allocate.
    """
    wide = {name: widened(array) for name, array in parameters.items()}
    dx, rest = equations.backward(np, cell, widened(dh), widened(x), wide, kept[1], norm)
    results = (dx, *(rest[name] for name in parameters))
    return _stored(results, (x.dtype, *(array.dtype for array in parameters.values())), out)


def step(
    cell: str, x: Any, parameters: Mapping[str, Any], norm: Norm | None, dh: Any
) -> tuple[Any, ...]:
    """Return h, dx and the parameters' gradients: `forward` and then `backward`."""
    kept = saved(cell, x, parameters, norm)
    return *_stored(kept[:1], (x.dtype,), None), *backward(cell, dh, x, parameters, kept, norm)


def _stored(
    results: Sequence[Any], dtypes: Sequence[Any], out: tuple[Any, ...] | None
) -> tuple[Any, ...]:
    if out is None:
        pairs = zip(results, dtypes, strict=True)
        return tuple(result.astype(dtype, copy=False) for result, dtype in pairs)
    for ready, result in zip(out, results, strict=True):
        ready[...] = result
    return out
