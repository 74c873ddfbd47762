"""LayerNorm: inputs, float64 truth by eq. 3-4 of the paper (arXiv 1607.06450), work and calls.

For a row x of N elements: mean = Σx/N, rstd = 1/√(Σ(x-mean)²/N + eps),
y = (x-mean)·rstd·weight + bias. Given dy, with x̂ = (x-mean)·rstd and g = dy·weight:
dx = (g - mean(g) - x̂·mean(g·x̂))·rstd, dw = Σ dy·x̂ and db = Σ dy over the rows.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from lnbench.arrays import numpy_dtype
from lnbench.operation import TOLERANCES, Arrays, CopyTraffic, Hostile, Operation, Truth
from lnbench.operations.rowwise.hostile import hostile_inputs
from lnbench.operations.rowwise.truth import (
    blocks,
    column_sums,
    output_dtype,
    row_mean,
    wide_vector,
)
from lnbench.plan.case import Case, Direction, DType, Work


class LayerNorm(Operation):
    """Layer Normalization over the trailing dimensions."""

    name = "layernorm"
    summary = "Layer Normalization: y, mean, rstd; dx, dw, db"
    kernels = {  # noqa: RUF012  (read-only by the interface's type)
        "numba": "lnbench.operations.layernorm.numba",
        "numpy": "lnbench.operations.layernorm.numpy",
        "torch": "lnbench.operations.layernorm.torch",
        "triton": "lnbench.operations.layernorm.triton",
    }

    def inputs(self, case: Case, seed: int) -> Arrays:
        """Return x, weight, bias and dy with a mean and spread that no statistic hides in."""
        rng = np.random.default_rng(seed)

        def normal(shape: tuple[int, ...], mean: float, spread: float, dtype: DType) -> Any:
            wide = np.float64 if dtype is DType.FLOAT64 else np.float32
            values = rng.standard_normal(shape, dtype=wide)
            values *= wide(spread)
            values += wide(mean)
            return values.astype(numpy_dtype(dtype), copy=False)

        rows, columns = case.rows, case.columns
        arrays = {"x": normal((rows, columns), 0.5, 2.0, case.dtype)}
        if case.options.weight:
            arrays["weight"] = normal((columns,), 1.0, 0.5, case.weight_dtype)
        if case.options.bias:
            arrays["bias"] = normal((columns,), 0.0, 0.5, case.weight_dtype)
        if case.direction is not Direction.FORWARD:
            arrays["dy"] = normal((rows, columns), 0.0, 1.0, case.dtype)
        return arrays

    def reference(self, case: Case, inputs: Arrays) -> Mapping[str, Truth]:
        """Return the truth of `outputs(case)`, two passes over each row in float64."""
        truths: dict[str, Truth] = {}
        if case.direction is not Direction.BACKWARD:
            truths |= _forward_truth(case, inputs)
        if case.direction is not Direction.FORWARD:
            truths |= _backward_truth(case, inputs)
        return {name: truths[name] for name in self.outputs(case) if name in truths}

    def outputs(self, case: Case) -> tuple[str, ...]:
        """Return (y, mean, rstd), (dx, dw, db) or (y, dx, dw, db)."""
        return {
            Direction.FORWARD: ("y", "mean", "rstd"),
            Direction.BACKWARD: ("dx", "dw", "db"),
            Direction.STEP: ("y", "dx", "dw", "db"),
        }[case.direction]

    def work(self, case: Case) -> Work:
        """Return 2MNe + 2N·ew + 8M forward, 3MNe + 8M + 3N·ew backward, the sum for a step."""
        rows, columns = case.rows, case.columns
        bulk = rows * columns * case.dtype.itemsize
        statistics = 2 * rows * case.dtype.accumulator.itemsize
        vector = columns * case.weight_dtype.itemsize
        weight, bias = case.options.weight, case.options.bias
        # Per element: forward 8 (sum 1, centre 1, square and add 2, scale 1, affine 2, store 1
        # of the field's count), backward 14.
        forward = Work(2 * bulk + (weight + bias) * vector + statistics, 8 * rows * columns)
        backward = Work(3 * bulk + (2 * weight + bias) * vector + statistics, 14 * rows * columns)
        if case.direction is Direction.FORWARD:
            return forward
        if case.direction is Direction.BACKWARD:
            return backward
        return forward + backward

    def bulk(self, case: Case) -> CopyTraffic:
        """Return a copy of x forward, the sum of x and dy backward, both for a step."""
        forward, backward = ("x",), ("x", "dy")
        return CopyTraffic(
            {
                Direction.FORWARD: (forward,),
                Direction.BACKWARD: (backward,),
                Direction.STEP: (forward, backward),
            }[case.direction]
        )

    def bind(
        self, kernels: Any, case: Case, arrays: Mapping[str, Any], out: tuple[Any, ...] | None
    ) -> Callable[[], tuple[Any, ...]]:
        """Return the call of `forward`, `backward` (with the kernel's own statistics) or `step`."""
        x, weight, bias = arrays["x"], arrays.get("weight"), arrays.get("bias")
        dy, eps, has_bias = arrays.get("dy"), case.options.eps, case.options.bias
        if case.direction is Direction.FORWARD:
            forward = kernels.forward
            return lambda: forward(x, weight, bias, eps, out=out)
        if case.direction is Direction.BACKWARD:
            _, mean, rstd = kernels.forward(x, weight, bias, eps)
            backward = kernels.backward
            return lambda: backward(dy, x, mean, rstd, weight, has_bias, out=out)
        step = kernels.step
        return lambda: step(x, weight, bias, eps, dy)

    def memory_bytes(self, case: Case) -> int:
        """Return twice the compulsory traffic: inputs, outputs and as much scratch again."""
        return 2 * self.work(case).bytes_moved

    def hostile(self, case: Case, seed: int) -> Iterator[Hostile]:
        """Yield the inputs of `../research/kernels.md` §5.3, every one from a real bug."""
        yield from hostile_inputs(self, case, seed)


def _centred(x: Any, eps: float) -> tuple[Any, Any, Any]:
    """Return x - mean, mean and rstd of rows in float64.

    A mean of 1e4 rounded to float64 is off by 1e-12: what it left in a row is taken off again.
    """
    x = x.astype(np.float64)
    columns = x.shape[1]
    if columns == 0:
        empty = np.zeros((x.shape[0], 1))
        return x, empty, empty
    mean = x.mean(axis=1, keepdims=True)
    x -= mean
    left = x.mean(axis=1, keepdims=True)
    left[~np.isfinite(left)] = 0.0
    x -= left
    mean += left
    variance = np.mean(x * x, axis=1, keepdims=True)
    return x, mean, 1.0 / np.sqrt(variance + eps)


def _row_factor(case: Case, mean: Any, rstd: Any) -> Any:
    """Return 1 + κu/ceiling with κ = |mean|·rstd: what rounding the mean itself costs a row."""
    roundoff = 2.0**-53 if case.dtype is DType.FLOAT64 else 2.0**-24
    return 1 + np.abs(mean) * rstd * roundoff / TOLERANCES[case.dtype].ceiling


@np.errstate(all="ignore")
def _forward_truth(case: Case, inputs: Arrays) -> dict[str, Truth]:
    rows, columns = case.rows, case.columns
    weight = wide_vector(inputs, "weight", columns, 1.0)
    bias = wide_vector(inputs, "bias", columns, 0.0)
    y, mean, rstd = np.empty((rows, columns)), np.empty((rows, 1)), np.empty((rows, 1))
    for block in blocks(rows, columns):
        centred, mean[block], rstd[block] = _centred(inputs["x"][block], case.options.eps)
        y[block] = centred * rstd[block] * weight + bias
    if columns == 0:  # the mean of nothing is nothing to judge
        return {"y": Truth(y, (), case.dtype)}
    factor = _row_factor(case, mean, rstd)
    spread = np.where(rstd > 0, 1 / rstd, 0.0)
    columns_scale = (np.abs(weight) + np.abs(bias))[None, :]
    return {
        "y": Truth(y, (factor, columns_scale), case.dtype),
        "mean": Truth(mean[:, 0], ((np.abs(mean) + spread)[:, 0],), None),
        "rstd": Truth(rstd[:, 0], ((rstd * factor)[:, 0],), None),
    }


@np.errstate(all="ignore")
def _backward_truth(case: Case, inputs: Arrays) -> dict[str, Truth]:
    rows, columns = case.rows, case.columns
    weight = wide_vector(inputs, "weight", columns, 1.0)
    dx, scale = np.empty((rows, columns)), np.empty((rows, 1))
    dw, db, dw_square, db_square = np.zeros((4, columns))
    for block in blocks(rows, columns):
        normal, mean, rstd = _centred(inputs["x"][block], case.options.eps)
        normal *= rstd
        factor = _row_factor(case, mean, rstd)
        dy = inputs["dy"][block].astype(np.float64)
        g = dy * weight
        c1, c2 = (row_mean(g * normal), row_mean(g))
        dx[block] = (g - c2 - normal * c1) * rstd
        size = np.sqrt(row_mean(g * g)) + np.abs(c1) + np.abs(c2)
        scale[block] = size * rstd * factor
        dw += column_sums(dy * normal)
        db += column_sums(dy)
        dw_square += ((np.abs(normal) + factor) ** 2 * dy * dy).sum(axis=0)
        db_square += (dy * dy).sum(axis=0)
    vector = output_dtype(case, case.weight_dtype)
    truths = {"dx": Truth(dx, (scale,), case.dtype)}
    if case.options.weight:
        truths["dw"] = Truth(dw, (np.sqrt(dw_square),), vector)
    if case.options.bias:
        truths["db"] = Truth(db, (np.sqrt(db_square),), vector)
    return truths
