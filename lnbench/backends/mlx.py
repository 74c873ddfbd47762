"""MLX on the CPU: `mx.fast.layer_norm`, which has no kernel of its own there, and its `mx.vjp`.

It returns y alone: statistics stay within, and backward computes them again from x. On the CPU the
operator is made of others, one after the other and in one thread, which is MLX's own: each call is
handed to it, and waited for. Weight and bias may have another type than x.
Source: mlx/fast.cpp (ml-explore/mlx), read at 0.32.4.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from lnbench.arrays import numpy_dtype, own_copy
from lnbench.backend import BoundRoutine, Routine
from lnbench.host_backend import HostBackend
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case, Direction, DType, Output


class MLX(HostBackend):
    """Apple's array framework, by its own compiler."""

    name = "mlx"
    framework = "mlx"
    summary = "MLX (CPU), one thread"
    third_party = True
    packages = ("mlx", "mlx-cpu", "mlx-metal")
    variables = ("MLX_*",)
    modules: ClassVar = {"mlx": "mlx is not installed: pip install 'lnbench[mlx]'"}
    kernels: ClassVar = {"layernorm": "lnbench.backends.mlx"}  # this file
    known_failings: ClassVar = {
        "constant rows": "what rounding the mean left is all that there is of a row",
        "mean 100": "a row is added up one after the other in float32",
        "mean 1e4, spread 1e-2": "the rounding of the mean is not taken off again",
        "huge values": "the gradient of the reciprocal root is its cube, which underflows",
    }

    def case_problem(self, case: Case) -> str | None:
        """Return why MLX does not compute a case, or None."""
        if case.options.output is Output.READY:
            return "mlx allocates its outputs"
        if case.dtype is DType.FLOAT64:
            return "mlx computes in float32, which float64 is too fine for"
        return None

    def routine(self, operation: Operation, case: Case, inputs: Arrays, threads: int) -> Routine:
        """Return a call of the compiled operator that ends when its results are there."""
        self.kernels_for(operation, case)
        import mlx.core as mx

        mx.set_default_device(mx.cpu)
        arrays = {name: mx.array(own_copy(array)) for name, array in inputs.items()}
        mx.eval(*arrays.values())
        run, names = _call(case, arrays)
        views, details = {name: host_view(a) for name, a in arrays.items()}, {"threads": 1}
        return BoundRoutine(run, names, host_view, lambda: details, arrays=views)


def host_view(array: Any) -> Any:
    """Return a host array that is an MLX array's own memory, to be written too."""
    import mlx.core as mx

    if array.dtype != mx.bfloat16:
        return np.array(array, copy=False)
    bits = np.array(array.view(mx.uint16), copy=False)
    return bits.view(numpy_dtype(DType.BFLOAT16))


def _call(case: Case, arrays: dict[str, Any]) -> tuple[Callable[[], Any], tuple[str, ...]]:
    """Return one iteration, and the names of what it returns."""
    import mlx.core as mx

    leaves = [name for name in ("x", "weight", "bias") if name in arrays]

    def forward(*values: Any) -> Any:
        known = dict(zip(leaves, values, strict=True))
        weight, bias = known.get("weight"), known.get("bias")
        return mx.fast.layer_norm(known["x"], weight, bias, case.options.eps)

    def backward(dy: Any, *values: Any) -> Any:
        return mx.vjp(forward, values, [dy])[1]

    def step(dy: Any, *values: Any) -> Any:
        (y,), gradients = mx.vjp(forward, values, [dy])
        return y, *gradients

    gradients = ["dx", *(f"d{name[0]}" for name in leaves[1:])]
    function, names = {
        Direction.FORWARD: (forward, ["y"]),
        Direction.BACKWARD: (backward, gradients),
        Direction.STEP: (step, ["y", *gradients]),
    }[case.direction]
    given = [arrays[name] for name in leaves]
    if case.direction is not Direction.FORWARD:
        given.insert(0, arrays["dy"])
    compiled = mx.compile(function)

    def run() -> tuple[Any, ...]:
        results = compiled(*given)
        results = tuple(results) if isinstance(results, list | tuple) else (results,)
        mx.eval(*results)
        return results

    return run, tuple(names)
