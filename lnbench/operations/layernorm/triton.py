"""LayerNorm in Triton: rows in registers where they fit, in chunks where they do not.

Forward's configuration depends on the width and type of a row alone, so that a row's result does
not depend on the batch around it. Backward adds up dw and db without atomics: each program sums
its rows, then one launch sums the programs in a fixed order.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
import triton

from lnbench.arrays import torch_dtype
from lnbench.operations.layernorm import triton_kernels as kernels
from lnbench.operations.layernorm.torch import step as step_through_autograd
from lnbench.plan.case import Case, Direction

_TYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_PROCESSORS_OF_CPU = 8  # as many programs as keep the interpreter's tests honest and quick
_WARPS_PER_PROCESSOR = 16  # at 128 registers a thread
_ROWS_PER_PROGRAM = 16  # fewer, and the parts of dw and db cost as much traffic as x
_SUM_PARTS, _SUM_COLUMNS = 32, 64  # what one step of the last sum holds


class Configuration(NamedTuple):
    """How a kernel cuts its matrix: the constants that it is compiled for."""

    tier: str
    """`rows` (whole rows in registers), or for wider ones `looped` (forward), `columns`."""
    block_m: int
    """Rows of a tile."""
    block_n: int
    """Columns of a tile or chunk, a power of two."""
    num_warps: int
    """Warps of a program."""


def forward_configuration(columns: int, dtype: torch.dtype) -> Configuration:
    """Return how `forward` cuts rows of a width and type."""
    limit, elements = (8192, 2048) if dtype is torch.float64 else (16384, 4096)
    width = triton.next_power_of_2(max(1, columns))
    if width > limit:
        return Configuration("looped", 1, elements, 8)
    height = min(256, max(1, elements // width))
    return Configuration("rows", height, width, min(16, max(4, width // 1024)))


def backward_configuration(columns: int, dtype: torch.dtype) -> Configuration:
    """Return how `backward` cuts rows of a width and type."""
    limit, elements = (4096, 1024) if dtype is torch.float64 else (8192, 2048)
    width = triton.next_power_of_2(max(1, columns))
    if width > limit:
        return Configuration("columns", 2, elements // 2, 4)
    height = min(128, max(1, elements // width))
    return Configuration("rows", height, width, min(16, max(4, width // 512)))


def forward(
    x: Any,
    weight: Any,
    bias: Any,
    eps: float,
    out: tuple[Any, ...] | None = None,
    configuration: Configuration | None = None,
) -> tuple[Any, Any, Any]:
    """Return y, mean and rstd.

    Args:
        x: (M, N), floating point, any strides.
        weight: (N,) or None.
        bias: (N,) or None.
        eps: added to the variance.
        out: ready (y, mean, rstd), the last two contiguous, or None to allocate.
        configuration: how to cut the matrix, or None for what suits it.
    """
    rows, columns = x.shape
    if out is None:
        exact = _accumulator(x.dtype)
        out = (x.new_empty(x.shape), x.new_empty(rows, dtype=exact), x.new_empty(rows, dtype=exact))
    y, mean, rstd = out
    _check_contiguous(mean, rstd)
    if x.numel() == 0:
        return y, mean.zero_(), rstd.zero_()
    tier, block_m, block_n, num_warps = configuration or forward_configuration(columns, x.dtype)
    arrays = (x, _contiguous(weight), _contiguous(bias), y, mean, rstd)
    strides = (x.stride(), y.stride())
    with torch.cuda.device_of(x):
        if tier == "rows":
            kernels.forward_rows[(triton.cdiv(rows, block_m),)](
                *arrays, rows, columns, *strides, float(eps), block_m, block_n, num_warps=num_warps
            )
        else:
            kernels.forward_looped[(rows,)](
                *arrays, columns, *strides, float(eps), block_n, num_warps=num_warps
            )
    return y, mean, rstd


def backward(
    dy: Any,
    x: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    has_bias: bool,  # noqa: FBT001  (the interface of every framework's backward)
    out: tuple[Any, ...] | None = None,
    configuration: Configuration | None = None,
) -> tuple[Any, Any, Any]:
    """Return dx, dw and db; dw and db are None where there is no weight or bias.

    Args:
        dy: (M, N), any strides, also 0.
        x: (M, N), as given to `forward`.
        mean: (M,), as returned by `forward`.
        rstd: (M,), as returned by `forward`.
        weight: (N,) or None.
        has_bias: whether db is wanted.
        out: ready (dx, dw, db), None where not wanted, the last two contiguous; None allocates.
        configuration: how to cut the matrix, or None for what suits it.
    """
    if out is None:
        like = x if weight is None else weight
        dw, db = (
            like.new_empty(x.shape[1]) if has else None for has in (weight is not None, has_bias)
        )
        out = (x.new_empty(x.shape), dw, db)
    dx, dw, db = out
    _check_contiguous(dw, db)
    if x.numel() == 0:
        for vector in filter(torch.is_tensor, (dw, db)):
            vector.zero_()
        return dx, dw, db
    chosen = configuration or backward_configuration(x.shape[1], x.dtype)
    exact = _accumulator(x.dtype)
    statistics = (mean.to(exact).contiguous(), rstd.to(exact).contiguous())
    with torch.cuda.device_of(x):
        _launch_backward(dy, x, *statistics, _contiguous(weight), (dx, dw, db), chosen)
    return dx, dw, db


def _launch_backward(
    dy: Any,
    x: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    out: tuple[Any, Any, Any],
    configuration: Configuration,
) -> None:
    tier, block_m, block_n, num_warps = configuration
    (rows, columns), (dx, dw, db) = x.shape, out
    sums = None
    if tier == "columns":
        sums = mean.new_empty((3, rows))
        kernels.backward_sums[(rows,)](
            dy, x, mean, rstd, weight, sums, rows, columns,
            dy.stride(), x.stride(), block_n, num_warps=num_warps,
        )  # fmt: skip
    slabs = triton.cdiv(columns, block_n)
    programs = _program_count(rows, slabs, configuration, x.device)
    parts = mean.new_empty((programs, 2, columns))  # so that their alignment depends on N alone
    dw_parts = None if dw is None else parts[:, 0]
    db_parts = None if db is None else parts[:, 1]
    kernels.backward_tiles[(programs, slabs)](
        dy, x, mean, rstd, weight, sums, dx, dw_parts, db_parts, rows, columns,
        dy.stride(), x.stride(), (0, 0) if dx is None else dx.stride(),
        block_m, block_n, num_warps=num_warps,
    )  # fmt: skip
    if dw is not None or db is not None:
        kernels.sum_parts[(triton.cdiv(columns, _SUM_COLUMNS),)](
            dw_parts, db_parts, dw, db, programs, columns, _SUM_PARTS, _SUM_COLUMNS, num_warps=4
        )


def _program_count(rows: int, slabs: int, configuration: Configuration, device: Any) -> int:
    """Return how many programs share the tiles of rows: enough to fill the device, few parts."""
    processors = _processor_count(device.index) if device.type == "cuda" else _PROCESSORS_OF_CPU
    resident = processors * max(1, _WARPS_PER_PROCESSOR // configuration.num_warps)
    wanted = max(processors, triton.cdiv(rows, _ROWS_PER_PROGRAM))
    tiles = triton.cdiv(rows, configuration.block_m)
    return max(1, min(tiles, wanted, triton.cdiv(resident, slabs)))


@cache
def _processor_count(index: int | None) -> int:
    return torch.cuda.get_device_properties(index).multi_processor_count


def _accumulator(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype is torch.float64 else torch.float32


def _contiguous(vector: Any) -> Any:
    return None if vector is None else vector.contiguous()


def _check_contiguous(*vectors: Any) -> None:
    for vector in vectors:
        if vector is not None and not vector.is_contiguous():
            raise ValueError(
                f"a ready buffer of shape {tuple(vector.shape)} has strides {vector.stride()}; "
                "mean, rstd, dw and db must be contiguous"
            )


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, eps: float) -> Any:
        y, mean, rstd = forward(x, weight, bias, eps)
        ctx.save_for_backward(x, weight, bias, mean, rstd)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Any) -> tuple[Any, ...]:
        x, weight, bias, mean, rstd = ctx.saved_tensors
        dx, dw, db = (
            each.new_empty(each.shape) if needed else None
            for each, needed in zip((x, weight, bias), ctx.needs_input_grad[:3], strict=True)
        )
        backward(dy, x, mean, rstd, weight, db is not None, out=(dx, dw, db))
        return dx, dw, db, None


def layer_norm(
    x: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """Return y as `torch.nn.functional.layer_norm` does, with autograd.

    Args:
        x: floating point, any shape that ends in `normalized_shape`.
        normalized_shape: sizes of the dimensions that one row spans.
        weight: of the normalized shape, or None.
        bias: of the normalized shape, or None.
        eps: added to the variance.
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    _check(x, shape, weight, bias)
    columns = math.prod(shape)
    rows = math.prod(x.shape[: x.ndim - len(shape)])
    vectors = (None if each is None else each.reshape(columns) for each in (weight, bias))
    return _Differentiable.apply(x.reshape(rows, columns), *vectors, eps).view(x.shape)


def _check(x: Any, shape: tuple[int, ...], weight: Any, bias: Any) -> None:
    for name, each in (("x", x), ("weight", weight), ("bias", bias)):
        if each is not None and each.dtype not in _TYPES:
            raise TypeError(
                f"{name} has type {each.dtype}; "
                "layer_norm takes float64, float32, float16 and bfloat16: convert it first"
            )
    if not shape or tuple(x.shape[-len(shape) :]) != shape:
        raise ValueError(
            f"x has shape {tuple(x.shape)}, which must end in the normalized shape {shape} "
            "of at least one dimension"
        )
    for name, each in (("weight", weight), ("bias", bias)):
        if each is not None and tuple(each.shape) != shape:
            raise ValueError(
                f"{name} has shape {tuple(each.shape)}, which must be the normalized shape {shape}"
            )


def step(x: Any, weight: Any, bias: Any, eps: float, dy: Any) -> tuple[Any, Any, Any, Any]:
    """Return y, dx, dw and db through autograd, as a user's training step computes them."""
    return step_through_autograd(x, weight, bias, eps, dy, layer_norm)


class LayerNorm(torch.nn.LayerNorm):
    """`torch.nn.LayerNorm`, with its parameters and state dict, computed by these kernels."""

    def forward(self, input: Any) -> Any:  # noqa: A002  (torch's name, which users may pass)
        """Return the input, normalized over its last dimensions."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


def details(case: Case) -> Mapping[str, str | int]:
    """Return the configurations that a case runs with, for the report."""
    found: dict[str, str | int] = {}
    for direction, choose in (
        (Direction.FORWARD, forward_configuration),
        (Direction.BACKWARD, backward_configuration),
    ):
        if case.direction in (direction, Direction.STEP):
            tier, block_m, block_n, num_warps = choose(case.columns, torch_dtype(case.dtype))
            found[f"{direction} tier"] = tier
            found[f"{direction} tile"] = f"{block_m}x{block_n}"
            found[f"{direction} warps"] = num_warps
    return found
