"""A line of 64 bytes at a time, in LLVM's own vectors: what Numba cannot say in Python.

A result that is written past the cache must be whole lines at their own addresses; a plain store
would read each line first, and a row's result takes a third of the traffic more.
"""

from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.numpy_support import as_dtype

from lnbench.operations.rowwise.numba.halves import floats, numbers

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
        _: Any, like: Any, y: Any, x: Any, gain: Any, shift: Any, mean: Any, left: Any, rstd: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            line = _Line(builder, like, arguments[5].type)
            values, gains, shifts = line.numbers(arguments[2]), *map(line.load, arguments[3:5])
            middle, rest, scale = map(line.splat, arguments[5:])
            normal = builder.fmul(builder.fsub(builder.fsub(values, middle), rest), scale)
            result = builder.fadd(builder.fmul(normal, gains), shifts)
            line.store_numbers(result, arguments[1], past=past)
            return context.get_dummy_value()

        return types.void(like, *[types.intp] * 4, mean, left, rstd), generate

    return normalize


def _differentiator(*, past: bool) -> Any:
    @intrinsic
    def differentiate(
        _: Any, like: Any, dx: Any, dy: Any, x: Any, gain: Any, dw: Any, db: Any,
        mean: Any, left: Any, rstd: Any, level: Any, slope: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            line = _Line(builder, like, arguments[7].type)
            upstream, values = map(line.numbers, arguments[2:4])
            gains, weights, biases = map(line.load, arguments[4:7])
            middle, rest, scale, even, slant = map(line.splat, arguments[7:])
            normal = builder.fmul(builder.fsub(builder.fsub(values, middle), rest), scale)
            line.store(builder.fadd(weights, builder.fmul(upstream, normal)), arguments[5])
            line.store(builder.fadd(biases, upstream), arguments[6])
            result = builder.fsub(builder.fmul(upstream, gains), even)
            result = builder.fsub(result, builder.fmul(normal, slant))
            line.store_numbers(builder.fmul(result, scale), arguments[1], past=past)
            return context.get_dummy_value()

        return types.void(like, *[types.intp] * 6, mean, left, rstd, level, slope), generate

    return differentiate


normalize_line, normalize_line_past = _normalizer(past=False), _normalizer(past=True)
"""Write (x - mean - left)·rstd·gain + shift of a line, given addresses; or past the cache.

`like` has the type of the numbers of x and y."""

differentiate_line, differentiate_line_past = (
    _differentiator(past=False),
    _differentiator(past=True),
)
"""Write dx of a line, or past the cache, and add dy·x̂ and dy to dw and db, given addresses."""


class _Line:
    """Loads and stores of as many elements as numbers of one type fill a line."""

    def __init__(self, builder: Any, number: types.Type, element: Any) -> None:
        self._builder, self._number = builder, number
        self._number_bytes = as_dtype(number).itemsize
        self._element_bytes = 4 if isinstance(element, ir.FloatType) else 8
        self._count = LINE // self._number_bytes
        self._type = ir.VectorType(element, self._count)

    def load(self, address: Any) -> Any:
        """Return the elements at an address, which any element may begin."""
        place = self._builder.inttoptr(address, self._type.as_pointer())
        return self._builder.load(place, align=self._element_bytes)

    def store(self, values: Any, address: Any) -> None:
        """Write elements to an address, which any element may begin."""
        place = self._builder.inttoptr(address, self._type.as_pointer())
        self._builder.store(values, place, align=self._element_bytes)

    def numbers(self, address: Any) -> Any:
        """Return the values of the line of numbers at an address, which any number may begin."""
        element = self._type.element
        if isinstance(self._number, types.Integer):
            element = ir.IntType(8 * self._number_bytes)
        kind = ir.VectorType(element, self._count)
        place = self._builder.inttoptr(address, kind.as_pointer())
        loaded = self._builder.load(place, align=self._number_bytes)
        return floats(self._builder, loaded, self._number)

    def store_numbers(self, values: Any, address: Any, *, past: bool) -> None:
        """Write a line of numbers to an address that any number may begin, or past the cache."""
        written = numbers(self._builder, values, self._number)
        place = self._builder.inttoptr(address, written.type.as_pointer())
        store = self._builder.store(written, place, align=LINE if past else self._number_bytes)
        if past:
            hint = self._builder.module.add_metadata([ir.Constant(_NUMBER, 1)])
            store.set_metadata("nontemporal", hint)

    def splat(self, value: Any) -> Any:
        """Return a value in every element."""
        undefined = ir.Constant(self._type, ir.Undefined)
        first = self._builder.insert_element(undefined, value, ir.Constant(_NUMBER, 0))
        everywhere = ir.Constant(ir.VectorType(_NUMBER, self._count), [0] * self._count)
        return self._builder.shuffle_vector(first, undefined, everywhere)
