"""RMSNorm: inputs, float64 truth by eq. 4 of Zhang and Sennrich 2019 (arXiv 1910.07467), work.

For a row x of N elements: rstd = 1/√(Σx²/N + eps), y = x·rstd·weight; there is no mean and no bias.
Given dy, with x̂ = x·rstd and g = dy·weight: dx = (g - x̂·mean(g·x̂))·rstd, dw = Σ dy·x̂ over the rows.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from lnbench.operation import Arrays, CopyTraffic, Hostile, Operation, Truth
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.operations.rowwise.hostile import hostile_inputs
from lnbench.operations.rowwise.truth import (
    blocks,
    column_sums,
    output_dtype,
    row_mean,
    wide_vector,
)
from lnbench.plan.case import Case, Direction, Work

_LAYERNORM = LayerNorm()


class RMSNorm(Operation):
    """Root Mean Square Layer Normalization over the trailing dimensions."""

    name = "rmsnorm"
    summary = "Root Mean Square Layer Normalization: y, rstd; dx, dw"
    kernels = {  # noqa: RUF012  (read-only by the interface's type)
        "liger": "lnbench.operations.rmsnorm.liger",
        "numpy": "lnbench.operations.rmsnorm.numpy",
        "quack": "lnbench.operations.rmsnorm.quack",
        "torch": "lnbench.operations.rmsnorm.torch",
        "triton": "lnbench.operations.rmsnorm.triton",
    }

    def inputs(self, case: Case, seed: int) -> Arrays:
        """Return LayerNorm's x, weight and dy; the option `bias` is without effect."""
        arrays = _LAYERNORM.inputs(case, seed)
        return {name: array for name, array in arrays.items() if name != "bias"}

    def reference(self, case: Case, inputs: Arrays) -> Mapping[str, Truth]:
        """Return the truth of `outputs(case)`, computed in float64."""
        truths: dict[str, Truth] = {}
        if case.direction is not Direction.BACKWARD:
            truths |= _forward_truth(case, inputs)
        if case.direction is not Direction.FORWARD:
            truths |= _backward_truth(case, inputs)
        return {name: truths[name] for name in self.outputs(case) if name in truths}

    def outputs(self, case: Case) -> tuple[str, ...]:
        """Return (y, rstd), (dx, dw) or (y, dx, dw)."""
        return {
            Direction.FORWARD: ("y", "rstd"),
            Direction.BACKWARD: ("dx", "dw"),
            Direction.STEP: ("y", "dx", "dw"),
        }[case.direction]

    def work(self, case: Case) -> Work:
        """Return 2MNe + N·ew + 4M forward, 3MNe + 4M + 2N·ew backward, the sum for a step."""
        rows, columns = case.rows, case.columns
        bulk = rows * columns * case.dtype.itemsize
        statistics = rows * case.dtype.accumulator.itemsize
        vector = case.options.weight * columns * case.weight_dtype.itemsize
        # Per element: forward 4 (square and add 2, scale 1, gain 1), backward 9.
        forward = Work(2 * bulk + vector + statistics, 4 * rows * columns)
        backward = Work(3 * bulk + 2 * vector + statistics, 9 * rows * columns)
        if case.direction is Direction.FORWARD:
            return forward
        if case.direction is Direction.BACKWARD:
            return backward
        return forward + backward

    def bulk(self, case: Case) -> CopyTraffic:
        """Return a copy of x forward, the sum of x and dy backward, both for a step."""
        return _LAYERNORM.bulk(case)

    def bind(
        self, kernels: Any, case: Case, arrays: Mapping[str, Any], out: tuple[Any, ...] | None
    ) -> Callable[[], tuple[Any, ...]]:
        """Return the call of `forward`, `backward` (with the kernel's own rstd) or `step`."""
        x, weight, dy = arrays["x"], arrays.get("weight"), arrays.get("dy")
        eps = case.options.eps
        if case.direction is Direction.FORWARD:
            forward = kernels.forward
            return lambda: forward(x, weight, eps, out=out)
        if case.direction is Direction.BACKWARD:
            _, rstd = kernels.forward(x, weight, eps)
            backward = kernels.backward
            return lambda: backward(dy, x, rstd, weight, out=out)
        step = kernels.step
        return lambda: step(x, weight, eps, dy)

    def memory_bytes(self, case: Case) -> int:
        """Return twice the compulsory traffic: inputs, outputs and as much scratch again."""
        return 2 * self.work(case).bytes_moved

    def hostile(self, case: Case, seed: int) -> Iterator[Hostile]:
        """Yield the hostile inputs of LayerNorm: the bugs are the same."""
        yield from hostile_inputs(self, case, seed)


def _normal(x: Any, eps: float) -> tuple[Any, Any]:
    """Return x̂ and rstd of rows in float64."""
    x = x.astype(np.float64)
    rstd = 1.0 / np.sqrt(row_mean(x * x) + eps)
    return x * rstd, rstd


@np.errstate(all="ignore")
def _forward_truth(case: Case, inputs: Arrays) -> dict[str, Truth]:
    rows, columns = case.rows, case.columns
    weight = wide_vector(inputs, "weight", columns, 1.0)
    y, rstd = np.empty((rows, columns)), np.empty((rows, 1))
    for block in blocks(rows, columns):
        normal, rstd[block] = _normal(inputs["x"][block], case.options.eps)
        y[block] = normal * weight
    truths = {"y": Truth(y, (np.abs(weight)[None, :],), case.dtype)}
    if columns:  # the mean of nothing is nothing to judge
        truths["rstd"] = Truth(rstd[:, 0], (rstd[:, 0],), None)
    return truths


@np.errstate(all="ignore")
def _backward_truth(case: Case, inputs: Arrays) -> dict[str, Truth]:
    rows, columns = case.rows, case.columns
    weight = wide_vector(inputs, "weight", columns, 1.0)
    dx, scale = np.empty((rows, columns)), np.empty((rows, 1))
    dw, dw_square = np.zeros((2, columns))
    for block in blocks(rows, columns):
        normal, rstd = _normal(inputs["x"][block], case.options.eps)
        dy = inputs["dy"][block].astype(np.float64)
        g = dy * weight
        slope = row_mean(g * normal)
        dx[block] = (g - normal * slope) * rstd
        scale[block] = (np.sqrt(row_mean(g * g)) + np.abs(slope)) * rstd
        dw += column_sums(dy * normal)
        dw_square += ((np.abs(normal) + 1) ** 2 * dy * dy).sum(axis=0)
    truths = {"dx": Truth(dx, (scale,), case.dtype)}
    if case.options.weight:
        vector = output_dtype(case, case.weight_dtype)
        truths["dw"] = Truth(dw, (np.sqrt(dw_square),), vector)
    return truths
