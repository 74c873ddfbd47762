"""What is computed (`Case`), and by whom (`Benchmark`)."""

import functools
import math
from collections.abc import Collection
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec

from lnbench.errors import ConfigError, UnknownNameError
from lnbench.units import is_name


class DType(StrEnum):
    """Element types that every operation and backend speaks of by the same name."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return {"float64": 8, "float32": 4}.get(self.value, 2)

    @property
    def accumulator(self) -> "DType":
        """The type in which sums and statistics are kept: float64 for float64, else float32."""
        return DType.FLOAT64 if self is DType.FLOAT64 else DType.FLOAT32


class Direction(StrEnum):
    """Which half of a training step; `step` is both, through the framework's own autograd."""

    FORWARD = "forward"
    BACKWARD = "backward"
    STEP = "step"


class Cache(StrEnum):
    """Whether the operands may still lie in the cache from the call before."""

    HOT = "hot"
    COLD = "cold"


class Output(StrEnum):
    """Whether a call allocates its results, as a user's call does, or writes into ready buffers."""

    ALLOCATED = "allocated"
    READY = "ready"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rest of a case; each field has the value that most users mean."""

    cache: Cache = Cache.HOT
    """Operands hot or flushed from the last-level cache before each iteration."""
    output: Output = Output.ALLOCATED
    """Results allocated by each call, or ready buffers that it writes."""
    weight: bool = True
    """Whether the gain (gamma) is there."""
    bias: bool = True
    """Whether the shift (beta) is there."""
    weight_dtype: DType | None = None
    """Element type of weight and bias; None means that of the input."""
    eps: float = 1e-5
    """Added to the variance before the root; not negative."""
    normalized_dims: int = 1
    """How many trailing dimensions of the shape one row spans; at least 1."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.eps) and self.eps >= 0):
            raise ValueError(f"eps must be a number of at least 0, not {self.eps}")
        if self.normalized_dims < 1:
            raise ValueError(f"normalized_dims must be at least 1, not {self.normalized_dims}")

    def differing(self) -> tuple[tuple[str, str], ...]:
        """Return name and text of each option that differs from its default, in field order."""
        return tuple(
            (name, _option_text(getattr(self, name)))
            for name, default in zip(self.__struct_fields__, self.__struct_defaults__, strict=True)
            if getattr(self, name) != default
        )


DEFAULT_OPTIONS = Options()


DEVICE_TYPES = ("cpu", "cuda", "mps", "xpu")
"""What torch has kernels for, by its names."""

_NUMBERED = ("cuda", "xpu")


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is computed."""

    operation: str
    """Name of an operation, as in `lnbench list operations`."""
    direction: Direction
    """Forward, backward or step."""
    shape: tuple[int, ...]
    """Sizes of the input, slowest dimension first; a size may be 0."""
    dtype: DType
    """Element type of the input."""
    device: str
    """`cpu`, `mps`, `cuda:0`, …: `cuda` becomes `cuda:0`, since torch's calls that choose a device
    refuse one without a number. Never `auto`, which a run resolves first."""
    options: Options = DEFAULT_OPTIONS
    """What differs from the usual call."""

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 0:
            raise ValueError(f"shape {list(self.shape)} needs sizes of 0 or more")
        if not is_device(self.device):
            raise ValueError(f"'{self.device}' is no device: {', '.join(DEVICE_TYPES)}")
        msgspec.structs.force_setattr(self, "device", numbered(self.device))
        if self.direction is Direction.STEP and self.options.output is Output.READY:
            raise ValueError("a step allocates its results: output 'ready' has no meaning there")
        if self.options.normalized_dims > len(self.shape):
            raise ValueError(
                f"normalized_dims {self.options.normalized_dims} exceeds the "
                f"{len(self.shape)} dimensions of shape {shape_text(self.shape)}"
            )

    @property
    def rows(self) -> int:
        """M: how many vectors are normalized."""
        return math.prod(self.shape[: -self.options.normalized_dims])

    @property
    def columns(self) -> int:
        """N: elements of one vector."""
        return math.prod(self.shape[-self.options.normalized_dims :])

    @property
    def device_type(self) -> str:
        """The device without its index: `cuda:1` → `cuda`."""
        return self.device.partition(":")[0]

    @property
    def weight_dtype(self) -> DType:
        """Element type of weight and bias."""
        return self.options.weight_dtype or self.dtype

    @property
    def id(self) -> str:
        """Stable text form without the backend: `layernorm/forward/4096x1024/float32/cpu`."""
        parts = (self.operation, self.direction, shape_text(self.shape), self.dtype)
        return "/".join((*parts, self.device_type)) + self.suffix

    @property
    def suffix(self) -> str:
        """The options that differ from their default: `;cache=cold;eps=1e-06`."""
        return _suffix(self.options)


class Benchmark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The thing timed: a case and who computes it; reports join on its `id`."""

    case: Case
    """What is computed."""
    backend: str
    """Name of a backend, as in `lnbench list backends`."""

    @property
    def id(self) -> str:
        """Stable, parseable text: `layernorm/forward/4096x1024/bfloat16/cuda/triton;cache=cold`."""
        path = self.case.id.removesuffix(self.case.suffix)
        return f"{path}/{self.backend}{self.case.suffix}"

    def fits(self, globs: Collection[str]) -> bool:
        """Return whether any of the globs fits its id; without globs every benchmark does."""
        return not globs or any(fnmatchcase(self.id, glob) for glob in globs)

    @classmethod
    def parse(cls, text: str) -> "Benchmark":
        """Return the benchmark whose `id` is `text`; ConfigError where it is none."""
        path, *options = text.split(";")
        try:
            operation, direction, shape, dtype, device, backend = path.split("/")
            pairs = dict(option.split("=", 1) for option in options)
            case = Case(
                operation,
                Direction(direction),
                parse_shape(shape),
                DType(dtype),
                device,
                msgspec.convert(pairs, Options, strict=False),
            )
        except (ValueError, msgspec.ValidationError) as error:
            raise ConfigError(
                f"'{text}' is not a benchmark id: {error}",
                "it reads operation/direction/shape/dtype/device/backend, then ;option=value",
            ) from None
        return cls(case, backend)


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least that a perfect kernel must do; it never depends on the backend."""

    bytes_moved: Annotated[int, msgspec.Meta(ge=0)]
    """Bytes read and written once each; scratch does not count."""
    flops: Annotated[int, msgspec.Meta(ge=0)]
    """Floating-point operations."""

    def __add__(self, other: "Work") -> "Work":
        """Return the work of two directions, one after the other."""
        return Work(self.bytes_moved + other.bytes_moved, self.flops + other.flops)


DTYPE_ALIASES = {
    **dict.fromkeys(("half", "fp16", "f16"), "float16"),
    **dict.fromkeys(("bf16",), "bfloat16"),
    **dict.fromkeys(("float", "single", "fp32", "f32"), "float32"),
    **dict.fromkeys(("double", "fp64", "f64"), "float64"),
}
"""What else people call element types."""


class Tolerance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What counts as right, in units of an element's scale."""

    absolute: float
    """Allowed beyond twice the error of torch in the same type."""
    ceiling: float
    """Never exceeded, even where torch itself is worse."""


def check_name(name: object, hint: str) -> None:
    """Raise ConfigError for what cannot be the name of a backend."""
    if not (isinstance(name, str) and is_name(name)):
        raise ConfigError(f"{name!a} cannot name a backend: no blank, / ; , or ::", hint)


def shape_text(shape: tuple[int, ...]) -> str:
    """Return a shape as users write it: (4096, 1024) → '4096x1024'."""
    return "x".join(map(str, shape))


def parse_shape(text: str) -> tuple[int, ...]:
    """Return the shape that '4096x1024' says; ConfigError where it says none."""
    parts = text.strip().lower().replace("×", "x").split("x")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise ConfigError(f"shape '{text}' is not a shape", "write it like 4096x1024")
    return tuple(int(part) for part in parts)


def parse_device(text: str) -> str:
    """Return `text` if it names a device (`auto`, `cpu`, `cuda:1`); UnknownNameError where not."""
    if text != "auto" and not is_device(text):
        error = UnknownNameError("device", text, ("auto", *DEVICE_TYPES))
        if text.lower() in ("gpu", "nvidia"):  # 'xpu' is nearer only by its letters
            error.hint = "did you mean 'cuda'?"
        raise error
    return text


def is_device(text: str) -> bool:
    """Return whether a text names a device; an index is for those of which there may be more."""
    kind, colon, index = text.partition(":")
    if not colon:
        return kind in DEVICE_TYPES
    return kind in _NUMBERED and index.isdecimal() and index == str(int(index))


def numbered(device: str) -> str:
    """Return a device with the index that torch's calls want: `cuda` is `cuda:0`."""
    return f"{device}:0" if device in _NUMBERED else device


@functools.lru_cache(maxsize=1024)  # every row of a report has options, most the same
def _suffix(options: Options) -> str:
    return "".join(f";{name}={text}" for name, text in options.differing())


def _option_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
