"""Inputs on which published LayerNorm kernels were wrong, each named after its bug."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from lnbench.arrays import numpy_dtype
from lnbench.operation import Arrays, Hostile, Operation
from lnbench.plan.case import Case, Direction, DType

_ROWS = 8  # enough that one bad row stands among good ones

Change = Callable[[dict[str, Any], np.dtype[Any]], None]


def with_shape(case: Case, *shape: int) -> Case:
    """Return the case over (rows, columns), normalized over the last dimension."""
    options = msgspec.structs.replace(case.options, normalized_dims=1)
    return msgspec.structs.replace(case, shape=shape, options=options)


def _constant(arrays: dict[str, Any], dtype: np.dtype[Any]) -> None:
    """Make rows constant: the variance must not go negative (onnxruntime#21935)."""
    arrays["x"] = np.repeat(arrays["x"][:, :1], arrays["x"].shape[1], axis=1)


def _large_mean(arrays: dict[str, Any], dtype: np.dtype[Any]) -> None:
    """Put a spread of 1e-2 on a mean of 1e4, rounded to the type (pytorch#108072, #51102)."""
    wide = arrays["x"].astype(np.float64)
    arrays["x"] = (1e4 + 1e-2 * (wide - 0.5)).astype(dtype)


def _moderate_mean(arrays: dict[str, Any], dtype: np.dtype[Any]) -> None:
    """Put a spread of 1 on a mean of 100 (mlx#2238)."""
    arrays["x"] = (100 + arrays["x"].astype(np.float64)).astype(dtype)


def _outlier(arrays: dict[str, Any], dtype: np.dtype[Any]) -> None:
    """Let one element of each row outweigh all others."""
    x = arrays["x"].copy()
    x[:, -1:] = 3e4
    arrays["x"] = x


def _tiny(arrays: dict[str, Any], dtype: np.dtype[Any]) -> None:
    """Let eps outweigh the variance; float16 goes subnormal."""
    arrays["x"] = (arrays["x"].astype(np.float64) * 1e-6).astype(dtype)


def _huge(arrays: dict[str, Any], dtype: np.dtype[Any]) -> None:
    """Let squares overflow float16, and come near the end of float32."""
    size = 1e4 if dtype == np.float16 else 1e15
    arrays["x"] = (np.clip(arrays["x"].astype(np.float64), -6, 6) * size).astype(dtype)


def _one_bad_row(value: float) -> Change:
    def change(arrays: dict[str, Any], dtype: np.dtype[Any]) -> None:
        x = arrays["x"].copy()
        x[x.shape[0] // 2, x.shape[1] // 2 :][:1] = value
        arrays["x"] = x

    return change


def _strided_rows(arrays: dict[str, Any], dtype: np.dtype[Any]) -> None:
    """Take every second row of a wider array (a sliced view)."""
    for name in ("x", "dy"):
        if name in arrays:
            rows, columns = arrays[name].shape
            wide = np.zeros((2 * rows, columns + 3), dtype)
            wide[::2, 1 : columns + 1] = arrays[name]
            arrays[name] = wide[::2, 1 : columns + 1]


def _transposed(arrays: dict[str, Any], dtype: np.dtype[Any]) -> None:
    """Let the last dimension have a stride other than 1."""
    for name in ("x", "dy"):
        if name in arrays:
            arrays[name] = np.ascontiguousarray(arrays[name].T).T


def _expanded_dy(arrays: dict[str, Any], dtype: np.dtype[Any]) -> None:
    """Give dy strides of 0, as `y.sum().backward()` does (Fast-LLM, flash-attention)."""
    if "dy" in arrays:
        arrays["dy"] = np.broadcast_to(np.ones((1, 1), dtype), arrays["x"].shape)


_CHANGES: dict[str, Change] = {
    "constant rows": _constant,
    "mean 1e4, spread 1e-2": _large_mean,
    "mean 100": _moderate_mean,
    "one huge outlier": _outlier,
    "tiny values": _tiny,
    "huge values": _huge,
    "NaN in one row": _one_bad_row(np.nan),
    "inf in one row": _one_bad_row(np.inf),
    "strided rows": _strided_rows,
    "transposed": _transposed,
    "stride-0 dy": _expanded_dy,
}

_SHAPES = {
    "no rows": (0, 64),
    "no columns": (4, 0),
    "one column": (5, 1),
    "one row": (1, 1000),
    "odd columns": (67, 129),
    "prime columns": (3, 1021),
    "many narrow rows": (1037, 7),
    "wide row": (2, 12289),
}


def hostile_inputs(
    operation: Operation, case: Case, seed: int, *, fewest: int = 0
) -> Iterator[Hostile]:
    """Yield all hostile inputs in the types and options of `case`.

    An operation that needs the `fewest` rows is spared shapes with fewer, and empty ones.
    """
    dtype = numpy_dtype(case.dtype)
    columns = min(max(case.columns, 3), 1001)
    for name, change in _CHANGES.items():
        if name == "stride-0 dy" and case.direction is Direction.FORWARD:
            continue
        small = with_shape(case, _ROWS, columns)
        arrays = dict(operation.inputs(small, seed))
        change(arrays, dtype)
        yield Hostile(name, small, arrays)
    for name, shape in _SHAPES.items():
        if fewest and (shape[0] < fewest or not shape[1]):
            continue
        small = with_shape(case, *shape)
        yield Hostile(name, small, operation.inputs(small, seed))
    yield _mixed(operation, with_shape(case, _ROWS, columns), seed)


def _mixed(operation: Operation, case: Case, seed: int) -> Hostile:
    """Give weight and bias another type than x (flashinfer#1914, sglang#12044)."""
    other = DType.FLOAT32 if case.dtype.itemsize == 2 else case.dtype  # noqa: PLR2004
    options = msgspec.structs.replace(case.options, weight_dtype=other)
    mixed = msgspec.structs.replace(case, options=options)
    arrays: Arrays = operation.inputs(mixed, seed)
    return Hostile("mixed types", mixed, arrays)
