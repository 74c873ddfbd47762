"""A line of 64 bytes at a time, in LLVM's own vectors: what Numba cannot say in Python.

A result that is written past the cache must be whole lines at their own addresses; a plain store
would read each line first, and a row's result takes a third of the traffic more.
"""

from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LINE = 64
"""Bytes of a line of the cache."""

_BYTE, _NUMBER = ir.IntType(8), ir.IntType(32)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def spans(place: int, columns: int, size: int, aligned: bool) -> tuple[int, int]:
    """Return how many elements of a row come before its first line, and how many lines it has.

    Aligned ones begin where lines of the cache do, others anywhere.
    """
    head = min(columns, (-place % LINE) // size) if aligned else 0
    return head, (columns - head) * size // LINE


@intrinsic
def prefetch_line(_: Any, address: Any) -> Any:
    """Ask for the line at an address, which need not be there, to be brought into the cache."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _BYTE.as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, _NUMBER, _NUMBER, _NUMBER])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        read, keep, data = (ir.Constant(_NUMBER, value) for value in (0, 3, 1))
        builder.call(prefetch, [builder.inttoptr(arguments[0], pointer), read, keep, data])
        return context.get_dummy_value()

    return types.void(types.intp), generate


def _normalizer(*, past: bool) -> Any:
    @intrinsic
    def normalize(
        _: Any, y: Any, x: Any, gain: Any, shift: Any, mean: Any, left: Any, rstd: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            line = _Line(builder, arguments[4].type)
            values, gains, shifts = (line.load(each) for each in arguments[1:4])
            middle, rest, scale = (line.splat(each) for each in arguments[4:])
            normal = builder.fmul(builder.fsub(builder.fsub(values, middle), rest), scale)
            result = builder.fadd(builder.fmul(normal, gains), shifts)
            line.store(result, arguments[0], past=past)
            return context.get_dummy_value()

        address = types.intp
        return types.void(address, address, address, address, mean, left, rstd), generate

    return normalize


def _differentiator(*, past: bool) -> Any:
    @intrinsic
    def differentiate(
        _: Any, dx: Any, dy: Any, x: Any, gain: Any, dw: Any, db: Any,
        mean: Any, left: Any, rstd: Any, level: Any, slope: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            line = _Line(builder, arguments[6].type)
            given, values, gains, weights, biases = (line.load(each) for each in arguments[1:6])
            middle, rest, scale, even, slant = (line.splat(each) for each in arguments[6:])
            normal = builder.fmul(builder.fsub(builder.fsub(values, middle), rest), scale)
            line.store(builder.fadd(weights, builder.fmul(given, normal)), arguments[4])
            line.store(builder.fadd(biases, given), arguments[5])
            result = builder.fsub(builder.fmul(given, gains), even)
            result = builder.fsub(result, builder.fmul(normal, slant))
            line.store(builder.fmul(result, scale), arguments[0], past=past)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 6, mean, left, rstd, level, slope), generate

    return differentiate


normalize_line, normalize_line_past = _normalizer(past=False), _normalizer(past=True)
"""Write (x - mean - left)·rstd·gain + shift of a line, given addresses; or past the cache."""

differentiate_line, differentiate_line_past = (
    _differentiator(past=False),
    _differentiator(past=True),
)
"""Write dx of a line, or past the cache, and add dy·x̂ and dy to dw and db, given addresses."""


class _Line:
    """Loads and stores of a line of one element type."""

    def __init__(self, builder: Any, element: Any) -> None:
        size = 4 if isinstance(element, ir.FloatType) else 8
        self._builder, self._size, self._count = builder, size, LINE // size
        self._type = ir.VectorType(element, self._count)

    def load(self, address: Any) -> Any:
        """Return the elements at an address, which any element may begin."""
        return self._builder.load(self._pointer(address), align=self._size)

    def store(self, values: Any, address: Any, *, past: bool = False) -> None:
        """Write elements to an address that any element may begin, or past the cache a line."""
        place = self._pointer(address)
        store = self._builder.store(values, place, align=LINE if past else self._size)
        if past:
            hint = self._builder.module.add_metadata([ir.Constant(_NUMBER, 1)])
            store.set_metadata("nontemporal", hint)

    def splat(self, value: Any) -> Any:
        """Return a value in every element."""
        undefined = ir.Constant(self._type, ir.Undefined)
        first = self._builder.insert_element(undefined, value, ir.Constant(_NUMBER, 0))
        everywhere = ir.Constant(ir.VectorType(_NUMBER, self._count), [0] * self._count)
        return self._builder.shuffle_vector(first, undefined, everywhere)

    def _pointer(self, address: Any) -> Any:
        return self._builder.inttoptr(address, self._type.as_pointer())
