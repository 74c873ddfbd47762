"""A routine's outputs against the float64 reference."""

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lnbench.arrays import dtype_of
from lnbench.operation import TOLERANCES, Arrays, Operation, Truth
from lnbench.plan.case import Case, DType, Tolerance
from lnbench.record.outcome import Agreement, OutputAgreement

_BLOCK = 1 << 20  # elements that one step holds in float64

_MANTISSA = {DType.FLOAT64: 52, DType.FLOAT32: 23, DType.FLOAT16: 10, DType.BFLOAT16: 7}
_LEAST_EXPONENT = {
    DType.FLOAT64: -1022,
    DType.FLOAT32: -126,
    DType.FLOAT16: -14,
    DType.BFLOAT16: -126,
}
_LARGEST = {
    DType.FLOAT64: np.finfo(np.float64).max,
    DType.FLOAT32: float(np.finfo(np.float32).max),
    DType.FLOAT16: 65519.0,  # rounds to the largest, 65504
    DType.BFLOAT16: 3.3895e38,
}
"""The largest true value that the type can hold, after rounding."""


class WrongResultError(Exception):
    """A routine's outputs are not the operation's."""


def agreement(
    outputs: Arrays, truths: Mapping[str, Truth], torch_errors: Mapping[str, float]
) -> Agreement:
    """Return how close outputs are to the truth.

    Args:
        outputs: host arrays by name; a missing or misshapen one counts as infinitely off.
        truths: the truth of every output that must be there.
        torch_errors: `max_relative` of torch in the same types; a missing one counts as 0.
    """
    return Agreement(
        {
            name: _output_agreement(outputs.get(name), truth, torch_errors.get(name, 0.0))
            for name, truth in truths.items()
        }
    )


def asked_for(
    truths: Mapping[str, Truth], outputs: Arrays, operation: Operation
) -> Mapping[str, Truth]:
    """Return the truths of what a kernel of another author must return, or has returned."""
    return {
        name: truth
        for name, truth in truths.items()
        if name in outputs or name not in operation.statistics
    }


def require_agreement(
    own: bool,  # noqa: FBT001  (whether the kernels are lnbench's)
    agreement: Agreement,
    torch_errors: Mapping[str, float],
) -> Agreement:
    """Return the agreement if it may be timed; WrongResultError where it may not.

    lnbench's own kernels keep within the ceiling; all others may be twice as far off as torch is.
    """
    if agreement.passed or (not own and as_good_as_torch(agreement, torch_errors)):
        return agreement
    raise WrongResultError(wrong_text(agreement))


def as_good_as_torch(agreement: Agreement, torch_errors: Mapping[str, float]) -> bool:
    """Return whether no output is further off than twice torch's own error, ceiling or not."""
    return all(
        output.passed or output.max_relative <= 2 * torch_errors.get(name, 0.0)
        for name, output in agreement.outputs.items()
    )


def wrong_text(agreement: Agreement) -> str:
    """Return which outputs are off, and by how much."""
    return "; ".join(
        f"{name} is off by {output.max_error:.3g} "
        f"({output.max_relative:.2g} of its scale, {output.allowed:.2g} allowed)"
        for name, output in agreement.outputs.items()
        if not output.passed
    )


def refuse_elements(outputs: Arrays) -> None:
    """Raise WrongResultError where an output's elements are of no type that lnbench speaks of."""
    for name, output in outputs.items():
        try:
            dtype_of(output)
        except ValueError:
            raise WrongResultError(f"{name} has elements of type {output.dtype}") from None


def refuse_types(outputs: Arrays, truths: Mapping[str, Truth], case: Case) -> None:
    """Raise WrongResultError where an output has another shape or a narrower type than it must."""
    for name, truth in truths.items():
        if (output := outputs.get(name)) is None:
            raise WrongResultError(f"{name} is missing")
        if output.shape != truth.values.shape:
            shapes = ["x".join(map(str, shape)) for shape in (output.shape, truth.values.shape)]
            raise WrongResultError(f"{name} has the shape {shapes[0] or '()'}, not {shapes[1]}")
        dtype = dtype_of(output)
        # What is accumulated, such as a mean, may stay in float32 also where rows are float64.
        wanted = truth.dtype or min(case.dtype, DType.FLOAT32, key=lambda d: d.itemsize)
        if _MANTISSA[dtype] < _MANTISSA[wanted]:
            raise WrongResultError(f"{name} is {dtype}, which is narrower than {wanted}")


def checksum(outputs: Arrays) -> int:
    """Return a CRC-32 of names, types, shapes and bits, to see whether results changed."""
    value = 0
    for name, array in sorted(outputs.items()):
        value = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), value)
        if array.size:
            value = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data, value)
    return value


def _output_agreement(output: Any, truth: Truth, torch_error: float) -> OutputAgreement:
    if output is None or output.shape != truth.values.shape:
        allowed = TOLERANCES[truth.dtype or DType.FLOAT32].absolute
        return OutputAgreement(np.inf, np.inf, np.inf, allowed)
    dtype = dtype_of(output)
    tolerance = tolerance_of(dtype, truth)
    worst = np.zeros(3)
    for values, true, scale in _blocks(output, truth):
        worst = np.maximum(worst, _errors(values, true, scale, dtype))
    error, relative, ulp = map(float, worst)
    allowed = min(2 * torch_error + tolerance.absolute, tolerance.ceiling)
    return OutputAgreement(error, relative, ulp, allowed)


def tolerance_of(dtype: DType, truth: Truth) -> Tolerance:
    """Return the tolerance of an output of type `dtype`: that of the coarsest type on its way."""
    passed_through = [TOLERANCES[dtype]] + ([TOLERANCES[truth.dtype]] if truth.dtype else [])
    return max(passed_through, key=lambda tolerance: tolerance.ceiling)


def _blocks(output: Any, truth: Truth) -> Iterator[tuple[Any, Any, Any]]:
    """Yield output, truth and scale in blocks of rows, so that a large case fits in memory."""
    if truth.values.size == 0:
        return
    per_row = truth.values.size // truth.values.shape[0]
    height = max(1, _BLOCK // per_row)
    for start in range(0, truth.values.shape[0], height):
        rows = slice(start, start + height)
        scale = np.float64(1.0)
        for factor in truth.scales:
            one_row = factor.ndim < truth.values.ndim or factor.shape[0] == 1
            scale = scale * (factor if one_row else factor[rows])
        yield output[rows].astype(np.float64), truth.values[rows], scale


@np.errstate(all="ignore")
def _errors(values: Any, true: Any, scale: Any, dtype: DType) -> Any:
    """Return the largest absolute, scaled and ulp error; NaN or inf in the wrong place is inf."""
    # What overflows the output's type is infinite there and right so.
    stored = np.where(np.abs(true) > _LARGEST[dtype], np.copysign(np.inf, true), true)
    must_be_finite = np.isfinite(stored)
    if not np.array_equal(np.isfinite(values), must_be_finite):
        return np.full(3, np.inf)
    # Of infinite inputs NaN warns as well as the infinity does; of finite ones nothing is NaN.
    poisoned = np.isnan(stored) | (np.isinf(true) & np.isnan(values))
    if not np.all(must_be_finite | poisoned | (values == stored)):
        return np.full(3, np.inf)
    error = np.where(must_be_finite, np.abs(values - true), 0.0)
    # Below the smallest normal number the type has no more digits to give.
    unit = np.maximum(np.maximum(np.abs(true), scale), np.ldexp(1.0, _LEAST_EXPONENT[dtype]))
    relative = np.where(error == 0, 0.0, error / unit)
    # A scale that is itself NaN or inf belongs to a row or column that is not finite.
    relative = np.where(np.isnan(relative) & ~must_be_finite, 0.0, relative)
    return np.array([error.max(), relative.max(), (error / _ulp(unit, dtype)).max()])


def _ulp(values: Any, dtype: DType) -> Any:
    """Return the unit in the last place of `dtype` at values that are normal numbers of it."""
    _, exponent = np.frexp(np.where(np.isfinite(values), values, 1.0))
    return np.ldexp(1.0, exponent - 1 - _MANTISSA[dtype])
