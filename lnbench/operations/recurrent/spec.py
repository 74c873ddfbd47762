"""Recurrent networks over whole sequences: inputs, float64 truth by the equations, work, calls.

A case's shape is (time, batch, hidden), and x is as wide as the hidden state. With LayerNorm every
summed input is normalized on its own; beside it stands the same cell without, so that what the
normalization costs is a row.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import msgspec
import numpy as np

from lnbench.arrays import numpy_dtype
from lnbench.errors import ConfigError
from lnbench.operation import Arrays, CopyTraffic, Hostile, Operation, Truth
from lnbench.operations.recurrent import equations
from lnbench.plan.case import Case, Direction, DType, Work

_DIMENSIONS = 3
_SMALL = (4, 3, 16)
_SHAPES = {"one step": (1, 3, 16), "one sequence": (4, 1, 16), "odd sizes": (3, 5, 7)}


def _ends_in_nan(x: Any) -> Any:
    """Put NaN into the last step of one sequence: no earlier one and no other may have it."""
    x = x.copy()
    x[-1, 1, 0] = np.nan
    return x


def _saturating(x: Any) -> Any:
    return x * x.dtype.type(300)


_CHANGES: Mapping[str, Callable[[Any], Any]] = {
    "saturated gates": _saturating,
    "tiny values": lambda x: x * x.dtype.type(1e-4),
    "zeros": np.zeros_like,
    "NaN in the last step": _ends_in_nan,
    "every second step": lambda x: np.repeat(x, 2, axis=0)[::2],
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
}


class Recurrent(Operation):
    """A whole sequence of one recurrent layer."""

    cell: ClassVar[str]
    """rnn, lstm or gru."""
    normalized: ClassVar[bool]
    """Whether its summed inputs are normalized."""

    rows_are_cases = rows_stand_alone = False  # a time step needs those before it
    kernels = {  # noqa: RUF012  (read-only by the interface's type)
        "numpy": "lnbench.operations.recurrent.numpy",
        "torch": "lnbench.operations.recurrent.torch",
    }

    def parameters(self, case: Case) -> dict[str, tuple[int, ...]]:
        """Return the shape of every parameter by its name."""
        return equations.shapes(self.cell, self._sizes(case)[2], normalized=self.normalized)

    def inputs(self, case: Case, seed: int) -> Arrays:
        """Return x, the parameters, and dh where a gradient is wanted."""
        rng = np.random.default_rng(seed)
        dtype, hidden = numpy_dtype(case.dtype), self._sizes(case)[2]

        def normal(shape: tuple[int, ...], mean: float, spread: float) -> Any:
            return (mean + spread * rng.standard_normal(shape)).astype(dtype)

        arrays = {"x": normal(case.shape, 0.0, 1.0)}
        for name, shape in self.parameters(case).items():
            gain = name.startswith("gain")
            spread = hidden**-0.5 if len(shape) > 1 else 0.1
            arrays[name] = normal(shape, 1.0 if gain else 0.0, spread)
        if case.direction is not Direction.FORWARD:
            arrays["dh"] = normal(case.shape, 0.0, 1.0)
        return arrays

    @np.errstate(all="ignore")
    def reference(self, case: Case, inputs: Arrays) -> Mapping[str, Truth]:
        """Return the truth of `outputs(case)`: the equations in float64."""
        wide = {name: array.astype(np.float64) for name, array in inputs.items()}
        x, parameters, norm = wide["x"], self._weights(wide), self._norm(case)
        h, saved = equations.forward(np, self.cell, x, parameters, norm)
        truths: dict[str, Any] = {}
        if case.direction is not Direction.BACKWARD:
            truths["h"] = h
        if case.direction is not Direction.FORWARD:
            dx, rest = equations.backward(np, self.cell, wide["dh"], x, parameters, saved, norm)
            truths |= {"dx": dx, **{f"d{name}": rest[name] for name in self.parameters(case)}}
        # What rounds in one step goes through all later ones.
        growth = float(self._sizes(case)[0]) ** 0.5
        return {name: self._truth(values, growth, case.dtype) for name, values in truths.items()}

    def outputs(self, case: Case) -> tuple[str, ...]:
        """Return ("h",), ("dx", a gradient for every parameter), or both."""
        gradients = ("dx", *(f"d{name}" for name in self.parameters(case)))
        return {
            Direction.FORWARD: ("h",),
            Direction.BACKWARD: gradients,
            Direction.STEP: ("h", *gradients),
        }[case.direction]

    def work(self, case: Case) -> Work:
        """Return x and h (and their gradients) once, the parameters once, and two products a step.

        Backward moves x, h, dh and dx, and the parameters and their gradients.
        """
        steps, batch, hidden = self._sizes(case)
        bulk = steps * batch * hidden * case.dtype.itemsize
        sizes = [int(np.prod(shape)) for shape in self.parameters(case).values()]
        weights = sum(sizes) * case.dtype.itemsize
        products = 2 * 2 * equations.GATES[self.cell] * hidden * hidden * steps * batch
        forward = Work(2 * bulk + weights, products)
        backward = Work(4 * bulk + 2 * weights, 2 * products)
        if case.direction is Direction.FORWARD:
            return forward
        if case.direction is Direction.BACKWARD:
            return backward
        return forward + backward

    def bulk(self, case: Case) -> CopyTraffic:
        """Return a copy of x forward, the sum of x and dh backward, both for a step."""
        forward, backward = ("x",), ("x", "dh")
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
        """Return the call of `forward`, `backward` (with what forward saved) or `step`."""
        x, dh, parameters = arrays["x"], arrays.get("dh"), self._weights(arrays)
        cell, norm = self.cell, self._norm(case)
        if case.direction is Direction.FORWARD:
            forward = kernels.forward
            return lambda: forward(cell, x, parameters, norm, out=out)
        if case.direction is Direction.BACKWARD:
            saved = kernels.saved(cell, x, parameters, norm)
            backward = kernels.backward
            return lambda: backward(cell, dh, x, parameters, saved, norm, out=out)
        step = kernels.step
        return lambda: step(cell, x, parameters, norm, dh)

    def renewable(self, case: Case) -> tuple[str, ...]:
        """Return x forward, dh backward, both for a step."""
        return tuple("dh" if name == "dy" else name for name in super().renewable(case))

    def hostile(self, case: Case, seed: int) -> Iterator[Hostile]:
        """Yield sequences that saturate gates, vanish or end in NaN, views of them, odd sizes."""
        for name, change in _CHANGES.items():
            if change is _saturating and case.direction is not Direction.FORWARD:
                continue  # of 1 - tanh² no digit is left
            small = msgspec.structs.replace(case, shape=_SMALL)
            arrays = dict(self.inputs(small, seed))
            arrays["x"] = change(arrays["x"])
            yield Hostile(name, small, arrays)
        for name, shape in _SHAPES.items():
            odd = msgspec.structs.replace(case, shape=shape)
            yield Hostile(name, odd, self.inputs(odd, seed))

    def memory_bytes(self, case: Case) -> int:
        """Return inputs and outputs, and what each step saves: about eight states a gate.

        Scratch and what is saved have the type that is computed in.
        """
        steps, batch, hidden = self._sizes(case)
        exact = case.dtype.accumulator.itemsize
        saved = 8 * equations.GATES[self.cell] * steps * batch * hidden * exact
        return (1 + exact // case.dtype.itemsize) * self.work(case).bytes_moved + saved

    def _weights(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        return {name: array for name, array in arrays.items() if name not in ("x", "dh")}

    def _norm(self, case: Case) -> equations.Norm | None:
        return equations.Norm(case.options.eps) if self.normalized else None

    def _sizes(self, case: Case) -> tuple[int, int, int]:
        if len(case.shape) != _DIMENSIONS:
            raise ConfigError(
                f"{self.name} has the shape time x batch x hidden, not {len(case.shape)} sizes",
                "give three, such as --shape 16x8x256, or take the suite paper",
            )
        if case.shape[0] == 0:
            raise ConfigError(f"{self.name} needs at least one time step", "raise the first size")
        steps, batch, hidden = case.shape
        return steps, batch, hidden

    def _truth(self, values: Any, growth: float, dtype: DType) -> Truth:
        size = np.abs(values).max(initial=0.0, where=np.isfinite(values))
        return Truth(
            values, (np.full((1,) * values.ndim, growth * max(float(size), 1e-30)),), dtype
        )


class LayerNormRNN(Recurrent):
    """Eq. 4: the summed inputs of a plain recurrent layer, normalized."""

    name = "layernorm-rnn"
    summary = "a recurrent layer with LayerNorm (eq. 4): h; dx and the parameters' gradients"
    cell, normalized = "rnn", True


class LayerNormLSTM(Recurrent):
    """Eq. 20-22: three normalizations a step, of widths 4H, 4H and H."""

    name = "layernorm-lstm"
    summary = "an LSTM with LayerNorm (eq. 20-22): h; dx and the parameters' gradients"
    cell, normalized = "lstm", True


class LayerNormGRU(Recurrent):
    """Eq. 26-28: four normalizations a step, of widths 2H, 2H, H and H."""

    name = "layernorm-gru"
    summary = "a GRU with LayerNorm (eq. 26-28): h; dx and the parameters' gradients"
    cell, normalized = "gru", True


class RNN(Recurrent):
    """A plain recurrent layer, to see what LayerNorm costs."""

    name = "rnn"
    summary = "a recurrent layer without LayerNorm"
    cell, normalized = "rnn", False


class LSTM(Recurrent):
    """An LSTM without LayerNorm."""

    name = "lstm"
    summary = "an LSTM without LayerNorm"
    cell, normalized = "lstm", False


class GRU(Recurrent):
    """A GRU without LayerNorm."""

    name = "gru"
    summary = "a GRU without LayerNorm"
    cell, normalized = "gru", False
