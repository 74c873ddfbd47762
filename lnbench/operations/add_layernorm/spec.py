"""add-layernorm: z = x + residual and y = LayerNorm(z), as before every block of a transformer.

z is rounded to x's type before it is normalized, as it is when two operators compute it. Both
outputs are used later on, so both have a gradient: with d the gradient of LayerNorm at z for dy,
x and the residual get the same dx = d + dz. For LayerNorm itself see `layernorm/spec.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np

from lnbench.operation import TOLERANCES, Arrays, CopyTraffic, Hostile, Operation, Truth
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.operations.rowwise.hostile import hostile_inputs
from lnbench.plan.case import Case, Direction, Work

_LAYERNORM = LayerNorm()


class AddLayerNorm(Operation):
    """A residual added, and the sum normalized over the trailing dimensions."""

    name = "add-layernorm"
    summary = "a residual added and the sum normalized: y, z, mean, rstd; dx, dw, db"
    kernels = {  # noqa: RUF012  (read-only by the interface's type)
        "numpy": "lnbench.operations.add_layernorm.numpy",
        "torch": "lnbench.operations.add_layernorm.torch",
        "triton": "lnbench.operations.add_layernorm.triton",
    }

    def inputs(self, case: Case, seed: int) -> Arrays:
        """Return LayerNorm's inputs, a residual, and dz where there is dy."""
        arrays = dict(_LAYERNORM.inputs(case, seed))
        # Another seed of the same operation: as large as x, and independent of it.
        others = _LAYERNORM.inputs(case, seed + 1_000_003)
        arrays["residual"] = others["x"]
        if "dy" in arrays:
            arrays["dz"] = others["dy"]
        return arrays

    @np.errstate(all="ignore")
    def reference(self, case: Case, inputs: Arrays) -> Mapping[str, Truth]:
        """Return the truth of `outputs(case)`: that of LayerNorm at the rounded sum."""
        x, residual = (inputs[name].astype(np.float64) for name in ("x", "residual"))
        total, size = x + residual, np.abs(x) + np.abs(residual)
        truths = dict(_LAYERNORM.reference(case, {**inputs, "x": rounded_sum(inputs)}))
        # Statistics of a sum that was not rounded are as good, and as far off as its rounding is.
        coarser = TOLERANCES[case.dtype].ceiling / TOLERANCES[case.dtype.accumulator].ceiling
        for name in {"mean", "rstd"} & set(truths):
            scales = (*truths[name].scales, np.float64(coarser))
            truths[name] = msgspec.structs.replace(truths[name], scales=scales)
        if case.direction is not Direction.BACKWARD:
            truths["z"] = Truth(total, (size,), case.dtype)
        if case.direction is not Direction.FORWARD:
            dz = inputs["dz"].astype(np.float64)
            (scale,) = truths["dx"].scales
            truths["dx"] = Truth(truths["dx"].values + dz, (scale + np.abs(dz),), case.dtype)
        return {name: truths[name] for name in self.outputs(case) if name in truths}

    def outputs(self, case: Case) -> tuple[str, ...]:
        """Return (y, z, mean, rstd), (dx, dw, db) or (y, z, dx, dw, db)."""
        return {
            Direction.FORWARD: ("y", "z", "mean", "rstd"),
            Direction.BACKWARD: ("dx", "dw", "db"),
            Direction.STEP: ("y", "z", "dx", "dw", "db"),
        }[case.direction]

    def work(self, case: Case) -> Work:
        """Return LayerNorm's work and, a direction, one matrix read and added; z written too.

        Forward reads x and residual and writes y and z: 4MNe; backward reads dy, dz and z and
        writes dx: 4MNe.
        """
        alone = _LAYERNORM.work(case)
        elements = case.rows * case.columns
        matrices = {Direction.FORWARD: 2, Direction.BACKWARD: 1, Direction.STEP: 3}[case.direction]
        additions = 2 if case.direction is Direction.STEP else 1
        return Work(
            alone.bytes_moved + matrices * elements * case.dtype.itemsize,
            alone.flops + additions * elements,
        )

    def bulk(self, case: Case) -> CopyTraffic:
        """Return copies of x and residual forward, the sum of dy and dz backward."""
        forward, backward = (("x",), ("residual",)), (("dy", "dz"),)
        return CopyTraffic(
            {
                Direction.FORWARD: forward,
                Direction.BACKWARD: backward,
                Direction.STEP: (*forward, *backward),
            }[case.direction]
        )

    def bind(
        self, kernels: Any, case: Case, arrays: Mapping[str, Any], out: tuple[Any, ...] | None
    ) -> Callable[[], tuple[Any, ...]]:
        """Return the call of `forward`, `backward` (of the kernel's own z) or `step`."""
        x, residual, dy, dz = (arrays.get(name) for name in ("x", "residual", "dy", "dz"))
        weight, bias, eps = arrays.get("weight"), arrays.get("bias"), case.options.eps
        if case.direction is Direction.FORWARD:
            forward = kernels.forward
            return lambda: forward(x, residual, weight, bias, eps, out=out)
        if case.direction is Direction.BACKWARD:
            _, z, mean, rstd = kernels.forward(x, residual, weight, bias, eps)
            backward, has_bias = kernels.backward, case.options.bias
            return lambda: backward(dy, dz, z, mean, rstd, weight, has_bias, out=out)
        step = kernels.step
        return lambda: step(x, residual, weight, bias, eps, dy, dz)

    def renewable(self, case: Case) -> tuple[str, ...]:
        """Return x and residual forward, dy and dz backward, all four for a step."""
        forward, backward = ("x", "residual"), ("dy", "dz")
        return {
            Direction.FORWARD: forward,
            Direction.BACKWARD: backward,
            Direction.STEP: (*forward, *backward),
        }[case.direction]

    def memory_bytes(self, case: Case) -> int:
        """Return twice the compulsory traffic: inputs, outputs and as much scratch again."""
        return 2 * self.work(case).bytes_moved

    def hostile(self, case: Case, seed: int) -> Iterator[Hostile]:
        """Yield LayerNorm's hostile inputs as sums, and a residual that takes all of x away."""
        for hostile in hostile_inputs(self, case, seed):
            arrays = dict(hostile.inputs)
            arrays["residual"] = np.zeros_like(arrays["x"])
            yield Hostile(hostile.name, hostile.case, arrays)
        options = msgspec.structs.replace(case.options, normalized_dims=1)
        small = msgspec.structs.replace(case, shape=(8, 301), options=options)
        arrays = dict(self.inputs(small, seed))
        many = (999 * arrays["x"].astype(np.float32)).astype(arrays["x"].dtype)
        yield Hostile("residual cancels x", small, {**arrays, "residual": -arrays["x"]})
        yield Hostile("residual 1000 times x", small, {**arrays, "residual": many})


def rounded_sum(inputs: Arrays) -> Any:
    """Return x + residual as it is stored: computed in float32 or wider, rounded to x's type."""
    x, residual = inputs["x"], inputs["residual"]
    wide = np.float64 if x.dtype == np.float64 else np.float32
    return (x.astype(wide) + residual.astype(wide)).astype(x.dtype)
