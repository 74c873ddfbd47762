"""A product of axes: what a suite spans, and a run measures case by case."""

import itertools
from collections.abc import Iterator

import msgspec

from lnbench.plan.case import Benchmark, Cache, Case, Direction, DType, Options, Output


class Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A product of axes; each field is one axis with the values that it takes."""

    operation: tuple[str, ...]
    """Names of operations."""
    shape: tuple[tuple[int, ...], ...]
    """Shapes of the input."""
    direction: tuple[Direction, ...] = (Direction.FORWARD, Direction.BACKWARD)
    """Directions."""
    dtype: tuple[DType, ...] = (DType.FLOAT32,)
    """Element types of the input."""
    device: tuple[str, ...] = ("auto",)
    """Devices; `auto` is cuda where there is one, else cpu."""
    backend: tuple[str, ...] = ()
    """Names of backends; none means every one that is installed."""
    cache: tuple[Cache, ...] = (Cache.HOT,)
    """Hot and cold operands."""
    output: tuple[Output, ...] = (Output.ALLOCATED,)
    """Allocated and ready outputs."""
    weight: tuple[bool, ...] = (True,)
    """With and without gain."""
    bias: tuple[bool, ...] = (True,)
    """With and without shift."""
    weight_dtype: tuple[DType | None, ...] = (None,)
    """Element types of weight and bias."""
    eps: tuple[float, ...] = (1e-5,)
    """Values added to the variance."""
    normalized_dims: tuple[int, ...] = (1,)
    """Numbers of trailing dimensions that a row spans."""

    def __post_init__(self) -> None:
        for axis in self.__struct_fields__:
            if axis != "backend" and not getattr(self, axis):
                raise ValueError(f"axis '{axis}' is empty")
        if any(not shape or min(shape) < 0 for shape in self.shape):
            raise ValueError("a shape needs at least one size, and none below 0")

    @classmethod
    def of(cls, benchmark: Benchmark) -> "Grid":
        """Return the grid of one benchmark."""
        case = benchmark.case
        values = {name: getattr(case, name) for name in case.__struct_fields__ if name != "options"}
        values |= {**msgspec.structs.asdict(case.options), "backend": benchmark.backend}
        return cls(**{axis: (value,) for axis, value in values.items()})

    def cases(self) -> Iterator[Case]:
        """Yield the cases in the order of the axes, options varying fastest."""
        options = [
            Options(*values)
            for values in itertools.product(
                *(getattr(self, axis) for axis in Options.__struct_fields__)
            )
        ]
        outer = (self.operation, self.direction, self.shape, self.dtype, self.device, options)
        for values in itertools.product(*outer):
            yield Case(*values)

    def benchmarks(self) -> Iterator[Benchmark]:
        """Yield every case with every backend, the backends of one case side by side."""
        for case in self.cases():
            for backend in self.backend:
                yield Benchmark(case, backend)
