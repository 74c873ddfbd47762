"""float16 and bfloat16 in loops that Numba compiles, which knows neither: as numbers of 16 bits.

bfloat16 goes as uint16 and float16 as int16, so that the type of an array says what its bits mean.
"""

import platform
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

_FLOAT, _HALF, _BITS, _SHORT = ir.FloatType(), ir.HalfType(), ir.IntType(32), ir.IntType(16)


def as_numbers(array: Any) -> Any:
    """Return an array as the loops take it: itself, or the bits of float16 and bfloat16."""
    if array.dtype == np.float16:
        return array.view(np.int16)
    return array.view(np.uint16) if array.dtype == ml_dtypes.bfloat16 else array


@intrinsic
def value_of(_: Any, number: Any) -> Any:
    """Return the float that a number of an array is; exact, NaN and infinities too."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return floats(builder, arguments[0], number)

    return (types.float32 if isinstance(number, types.Integer) else number)(number), generate


@intrinsic
def number_of(_: Any, value: Any, like: Any) -> Any:
    """Return a float as an array holds it whose type `like` has: to nearest and ties to even."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return numbers(builder, arguments[0], like)

    return like(value, like), generate


def floats(builder: Any, bits: Any, kind: types.Type) -> Any:
    """Emit the conversion of numbers of a type, one or a vector, to floats."""
    if kind == types.uint16:
        wide = builder.zext(bits, _shaped(bits, _BITS))
        shifted = builder.shl(wide, _constant(wide, 16))
        return builder.bitcast(shifted, _shaped(bits, _FLOAT))
    if kind == types.int16:
        if _converts_halves():
            half = builder.bitcast(bits, _shaped(bits, _HALF))
            return builder.fpext(half, _shaped(bits, _FLOAT))
        return _floats_of_halves(builder, bits)
    return bits


def numbers(builder: Any, values: Any, kind: types.Type) -> Any:
    """Emit the conversion of floats, one or a vector, to numbers of a type."""
    if kind == types.uint16:
        bits = builder.bitcast(values, _shaped(values, _BITS))
        odd = builder.and_(builder.lshr(bits, _constant(bits, 16)), _constant(bits, 1))
        rounded = builder.add(builder.add(bits, _constant(bits, 0x7FFF)), odd)
        quiet = builder.or_(bits, _constant(bits, 0x400000))
        words = builder.select(builder.fcmp_unordered("uno", values, values), quiet, rounded)
        return _upper_halves(builder, words)
    if kind == types.int16:
        if _converts_halves():
            half = builder.fptrunc(values, _shaped(values, _HALF))
            return builder.bitcast(half, _shaped(values, _SHORT))
        return builder.trunc(_halves_of_floats(builder, values), _shaped(values, _SHORT))
    return values


@cache
def _converts_halves() -> bool:
    """Return whether the processor that is compiled for has instructions for float16.

    Without them LLVM calls functions that Numba does not have.
    """
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    features = getattr(cpu_target.target_context.codegen(), "_tm_features", "")
    return not x86 or "+f16c" in features


def _floats_of_halves(builder: Any, bits: Any) -> Any:
    """Emit the floats that bits of float16 are, in integer arithmetic."""
    wide = builder.zext(bits, _shaped(bits, _BITS))
    sign = builder.shl(builder.and_(wide, _constant(wide, 0x8000)), _constant(wide, 16))
    rest = builder.shl(builder.and_(wide, _constant(wide, 0x7FFF)), _constant(wide, 13))
    # Scaled by 2**112 exponents are float32's, and subnormal values become normal.
    value = builder.bitcast(rest, _shaped(bits, _FLOAT))
    value = builder.fmul(value, _constant(value, 2.0**112))
    special = builder.or_(rest, _constant(rest, 0x7F800000))
    is_special = builder.icmp_unsigned(">=", rest, _constant(rest, 0x7C00 << 13))
    size = builder.select(is_special, special, builder.bitcast(value, rest.type))
    return builder.bitcast(builder.or_(size, sign), _shaped(bits, _FLOAT))


def _halves_of_floats(builder: Any, values: Any) -> Any:
    """Emit the bits of floats as float16 in words, to nearest and ties to even, in integers."""
    bits = builder.bitcast(values, _shaped(values, _BITS))
    sign = builder.and_(builder.lshr(bits, _constant(bits, 16)), _constant(bits, 0x8000))
    size = builder.and_(bits, _constant(bits, 0x7FFFFFFF))
    # Below 2**-14 adding a half leaves the digits that float16 has, rounded.
    small = builder.bitcast(size, values.type)
    small = builder.bitcast(builder.fadd(small, _constant(values, 0.5)), bits.type)
    small = builder.sub(small, _constant(bits, 0x3F000000))
    odd = builder.and_(builder.lshr(size, _constant(bits, 13)), _constant(bits, 1))
    usual = builder.add(builder.sub(size, _constant(bits, 0x38000000 - 0xFFF)), odd)
    usual = builder.lshr(usual, _constant(bits, 13))
    is_nan = builder.icmp_unsigned(">", size, _constant(bits, 0x7F800000))
    large = builder.select(is_nan, _constant(bits, 0x7E00), _constant(bits, 0x7C00))
    is_small = builder.icmp_unsigned("<", size, _constant(bits, 0x38800000))
    is_large = builder.icmp_unsigned(">=", size, _constant(bits, 0x47800000))
    half = builder.select(is_large, large, builder.select(is_small, small, usual))
    return builder.or_(half, sign)


def _upper_halves(builder: Any, words: Any) -> Any:
    """Emit the upper 16 bits of each word; of a vector in one permutation, not shift and cut."""
    if not isinstance(words.type, ir.VectorType):
        return builder.trunc(builder.lshr(words, _constant(words, 16)), _SHORT)
    count = words.type.count
    pieces = builder.bitcast(words, ir.VectorType(_SHORT, 2 * count))
    odd = ir.Constant(ir.VectorType(_BITS, count), list(range(1, 2 * count, 2)))
    return builder.shuffle_vector(pieces, ir.Constant(pieces.type, ir.Undefined), odd)


def _shaped(value: Any, element: Any) -> Any:
    """Return the type that has as many of these elements as a value."""
    shape = value.type
    return ir.VectorType(element, shape.count) if isinstance(shape, ir.VectorType) else element


def _constant(value: Any, number: float) -> Any:
    """Return a number in every element of a value's type."""
    shape = value.type
    if isinstance(shape, ir.VectorType):
        return ir.Constant(shape, [number] * shape.count)
    return ir.Constant(shape, number)
