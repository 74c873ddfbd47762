"""Batch normalization (Ioffe and Szegedy 2015, arXiv 1502.03167) on LayerNorm's grids.

`batchnorm` normalizes each column over the rows of the batch, as training does: mean = Σx/M,
rstd = 1/√(Σ(x-mean)²/M + eps), y = (x-mean)·rstd·weight + bias. `batchnorm-inference` is given mean
and variance: then y of a row does not depend on the others, and neither does its gradient.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from lnbench.arrays import numpy_dtype
from lnbench.operation import Arrays, CopyTraffic, Hostile, Operation, Truth
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.operations.rowwise.hostile import hostile_inputs
from lnbench.operations.rowwise.truth import output_dtype
from lnbench.plan.case import Case, Direction, Work

_LAYERNORM = LayerNorm()
_FEWEST_ROWS = 3


class BatchNorm(Operation):
    """Each column normalized over the rows, with statistics of the batch."""

    name = "batchnorm"
    summary = "Batch Normalization in training: y, mean, rstd; dx, dw, db"
    kernels = {  # noqa: RUF012  (read-only by the interface's type)
        "numpy": "lnbench.operations.batchnorm.numpy",
        "torch": "lnbench.operations.batchnorm.torch",
    }
    rows_stand_alone = False  # their statistics are those of all
    training: ClassVar[bool] = True
    """Whether the statistics are those of the batch."""

    def inputs(self, case: Case, seed: int) -> Arrays:
        """Return LayerNorm's inputs, and in inference the mean and variance of earlier batches."""
        arrays = dict(_LAYERNORM.inputs(case, seed))
        if not self.training:
            rng, dtype = np.random.default_rng(seed + 1), numpy_dtype(case.weight_dtype)
            arrays["mean"] = rng.normal(0.5, 0.1, case.columns).astype(dtype)
            arrays["variance"] = rng.uniform(2, 6, case.columns).astype(dtype)
        return arrays

    @np.errstate(all="ignore")
    def reference(self, case: Case, inputs: Arrays) -> Mapping[str, Truth]:
        """Return the truth of `outputs(case)`, computed in float64."""
        wide = {name: array.astype(np.float64) for name, array in inputs.items()}
        columns, x = case.columns, wide["x"]
        weight = wide.get("weight", np.ones(columns))
        bias = wide.get("bias", np.zeros(columns))
        if self.training:
            mean = x.mean(axis=0)
            left = (x - mean).mean(axis=0)
            mean, variance = mean + left, ((x - mean - left) ** 2).mean(axis=0)
        else:
            mean, variance = wide["mean"], wide["variance"]
        rstd = 1 / np.sqrt(variance + case.options.eps)
        normal = (x - mean) * rstd
        factor = 1 + np.abs(mean) * rstd  # what a rounded mean costs
        truths: dict[str, Truth] = {}
        if case.direction is not Direction.BACKWARD:
            size = np.abs(weight) * factor + np.abs(bias)
            truths["y"] = Truth(normal * weight + bias, (size[None, :],), case.dtype)
            truths["mean"] = Truth(mean, (np.abs(mean) + 1 / rstd,), None)
            truths["rstd"] = Truth(rstd, (rstd * factor,), None)
        if case.direction is not Direction.FORWARD:
            truths |= self._gradients(case, wide["dy"], normal, weight * rstd, factor)
        return {name: truths[name] for name in self.outputs(case) if name in truths}

    def _gradients(
        self, case: Case, dy: Any, normal: Any, gain: Any, factor: Any
    ) -> dict[str, Truth]:
        rows = max(1, len(dy))
        dw, db = (dy * normal).sum(axis=0), dy.sum(axis=0)
        dx = gain * dy
        if self.training:
            dx = gain * (dy - db / rows - normal * dw / rows)
        # Sums over the rows: errors grow with the root of their number.
        sizes = [
            np.sqrt((terms * terms).sum(axis=0)) for terms in (dy * (factor + np.abs(normal)), dy)
        ]
        scale = np.abs(gain)[None, :] * (1 + np.abs(dy)) * factor
        vector = output_dtype(case, case.weight_dtype)
        truths = {"dx": Truth(dx, (scale,), case.dtype)}
        if case.options.weight:
            truths["dw"] = Truth(dw, (sizes[0],), vector)
        if case.options.bias:
            truths["db"] = Truth(db, (sizes[1],), vector)
        return truths

    def outputs(self, case: Case) -> tuple[str, ...]:
        """Return (y, mean, rstd), (dx, dw, db) or (y, dx, dw, db); inference gives y alone."""
        forward = ("y", "mean", "rstd") if self.training else ("y",)
        return {
            Direction.FORWARD: forward,
            Direction.BACKWARD: ("dx", "dw", "db"),
            Direction.STEP: ("y", "dx", "dw", "db"),
        }[case.direction]

    def work(self, case: Case) -> Work:
        """Return LayerNorm's work with statistics of the columns in place of the rows'."""
        by_row = _LAYERNORM.work(case)
        passes = 2 if case.direction is Direction.STEP else 1
        size = 2 * passes * case.dtype.accumulator.itemsize
        return Work(by_row.bytes_moved + size * (case.columns - case.rows), by_row.flops)

    def bulk(self, case: Case) -> CopyTraffic:
        """Return what LayerNorm moves."""
        return _LAYERNORM.bulk(case)

    def bind(
        self, kernels: Any, case: Case, arrays: Mapping[str, Any], out: tuple[Any, ...] | None
    ) -> Callable[[], tuple[Any, ...]]:
        """Return the call of `forward`, `backward` or `step`; inference hands the statistics in."""
        x, weight, bias = arrays["x"], arrays.get("weight"), arrays.get("bias")
        dy, eps, has_bias = arrays.get("dy"), case.options.eps, case.options.bias
        known = None if self.training else (arrays["mean"], arrays["variance"])
        if case.direction is Direction.FORWARD:
            forward = kernels.forward
            if known is not None:
                return lambda: forward(x, weight, bias, eps, known, out=out)[:1]
            return lambda: forward(x, weight, bias, eps, out=out)
        if case.direction is Direction.BACKWARD:
            _, mean, rstd = kernels.forward(x, weight, bias, eps, known)
            backward = kernels.backward
            fixed = known is not None
            return lambda: backward(dy, x, mean, rstd, weight, has_bias, fixed, out=out)
        step = kernels.step
        return lambda: step(x, weight, bias, eps, dy, known)

    def hostile(self, case: Case, seed: int) -> Iterator[Hostile]:
        """Yield LayerNorm's hostile inputs that have rows: in training, enough for statistics."""
        yield from hostile_inputs(self, case, seed, fewest=_FEWEST_ROWS if self.training else 1)

    def memory_bytes(self, case: Case) -> int:
        """Return inputs and outputs, and as much scratch in the type that is computed in."""
        widening = case.dtype.accumulator.itemsize // case.dtype.itemsize
        return (1 + widening) * self.work(case).bytes_moved


class BatchNormInference(BatchNorm):
    """Each column normalized by statistics that are given: another computation than in training."""

    name = "batchnorm-inference"
    summary = "Batch Normalization in inference: y; dx, dw, db"
    rows_stand_alone = True
    training = False
