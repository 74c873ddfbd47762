"""float16 and bfloat16 for `numba_kernels.py`, which knows neither: bits to float32 and back."""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

FLOAT16, BFLOAT16 = 1, 2
"""The types of 16 bits, which arrive as their bits."""

_exact = numba.njit(nogil=True, cache=True, error_model="numpy")


@intrinsic
def _bits_of(_: Any, value: Any) -> Any:
    """Return the bits of a float32 as an integer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.uint32(types.float32), generate


@intrinsic
def _float_of(_: Any, bits: Any) -> Any:
    """Return the float32 that has these bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.uint32), generate


@_exact
def widen(row: Any, kind: int, out: Any) -> None:
    """Write float16 or bfloat16, given as bits, as float32; exact, NaN and infinities too."""
    if kind == BFLOAT16:
        for j in range(out.size):
            out[j] = _float_of(np.uint32(row[j]) << np.uint32(16))
        return
    for j in range(out.size):
        bits = np.uint32(row[j])
        sign = (bits & np.uint32(0x8000)) << np.uint32(16)
        rest = (bits & np.uint32(0x7FFF)) << np.uint32(13)
        # Scaled by 2**112 exponents are float32's, and subnormal values become normal.
        value = _float_of(rest) * np.float32(2.0**112)
        special = _float_of(rest | np.uint32(0x7F800000))
        value = special if rest >= np.uint32(0x7C00 << 13) else value
        out[j] = _float_of(_bits_of(value) | sign)


@_exact
def _as_bfloat16(value: Any) -> Any:
    """Return the bits of a float32 as bfloat16, to nearest and ties to even."""
    bits = _bits_of(value)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)
    quiet = (bits >> np.uint32(16)) | np.uint32(0x40)
    is_nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    return np.uint16(quiet if is_nan else rounded)


@_exact
def _as_float16(value: Any) -> Any:
    """Return the bits of a float32 as float16, to nearest and ties to even."""
    bits = _bits_of(value)
    sign = (bits >> np.uint32(16)) & np.uint32(0x8000)
    size = bits & np.uint32(0x7FFFFFFF)
    # Below 2**-14 adding a half leaves the digits that float16 has, rounded.
    small = _bits_of(_float_of(size) + np.float32(0.5)) - np.uint32(0x3F000000)
    odd = (size >> np.uint32(13)) & np.uint32(1)
    usual = (size - np.uint32(0x38000000) + np.uint32(0xFFF) + odd) >> np.uint32(13)
    large = np.uint32(0x7E00) if size > np.uint32(0x7F800000) else np.uint32(0x7C00)
    result = small if size < np.uint32(0x38800000) else usual
    result = large if size >= np.uint32(0x47800000) else result
    return np.uint16(result | sign)


@_exact
def narrow(row: Any, kind: int, out: Any) -> None:
    """Write float32 as the bits of float16 or bfloat16."""
    if kind == BFLOAT16:
        for j in range(row.size):
            out[j] = _as_bfloat16(row[j])
    else:
        for j in range(row.size):
            out[j] = _as_float16(row[j])
