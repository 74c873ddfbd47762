"""Every variant of a kernel against copy, eager, compile and Liger, cold, in one process: who wins?

    python tests/gpu/sweep.py [--output FILE] [--dtype float32 …] [--table] [COLUMNS …]

The variants are those of `variants.py`, beside what the table of `triton/tiers.py` takes. They are
compiled by a pool of processes first. Each result is held against float64 before it is timed; a
round takes every contestant once, in random order, each call behind a flush of the L2 cache.
"""

import argparse
import importlib
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
from variants import variants

from lnbench.backends.torch_compile import Compiled
from lnbench.measure.cuda_timing import CudaTimer
from lnbench.measure.stream import CudaStream
from lnbench.measure.telemetry import Telemetry
from lnbench.operations.layernorm import torch as eager
from lnbench.operations.layernorm import triton as kernels
from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.operations.rowwise.triton.tiers import Configuration
from lnbench.plan.case import Case, Direction, DType

DEVICE = "cuda:0"
ROWS = 8192
WIDTHS = (768, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
COMPILED_WIDTHS = (1024, 4096, 16384, 65536)  # inductor takes seconds a case
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
EPS = 1e-5
ROUNDS = 8
SAMPLE_S = 2e-3
NEAR = {torch.bfloat16: 2e-2, torch.float32: 1e-4}
"""How far from float64 an element may be, as a share of itself and 1; of dw and db, of the root of
the number of rows."""

Call = Callable[[], tuple[Any, ...]]


class Point(NamedTuple):
    direction: Direction
    columns: int
    dtype: str


class Tensors:
    """The inputs of a width and type, and how far results are from float64."""

    def __init__(self, columns: int, dtype: torch.dtype, rows: int = ROWS) -> None:
        torch.manual_seed(0)
        self.x, self.dy = (torch.randn(rows, columns, device=DEVICE).to(dtype) for _ in range(2))
        self.weight, self.bias = (torch.randn(columns, device=DEVICE).to(dtype) for _ in range(2))
        _, self.mean, self.rstd = kernels.forward(self.x, self.weight, self.bias, EPS)

    def forward(self, configuration: Configuration | None = None) -> Call:
        given = (self.x, self.weight, self.bias, EPS)
        return lambda: kernels.forward(*given, configuration=configuration)

    def backward(self, configuration: Configuration | None = None) -> Call:
        given = (self.dy, self.x, self.mean, self.rstd, self.weight, True)
        return lambda: kernels.backward(*given, configuration=configuration)

    def truth(self, direction: Direction) -> tuple[torch.Tensor, ...]:
        """Return y of the first and last rows, or dx of them, dw and db, in float64."""
        if direction is Direction.FORWARD:
            few = _ends(self.x).double()
            normal = torch.nn.functional.layer_norm(few, few.shape[1:], eps=EPS)
            return (normal * self.weight.double() + self.bias.double(),)
        dw, db, ends = 0, 0, []
        for x, dy in zip(self.x.split(1024), self.dy.split(1024), strict=True):
            wide, grad = x.double(), dy.double()
            wide -= wide.mean(1, keepdim=True)
            rstd = (wide.square().mean(1, keepdim=True) + EPS).rsqrt()
            wide *= rstd
            dw, db = dw + (grad * wide).sum(0), db + grad.sum(0)
            g = grad * self.weight.double()
            along = (g * wide).mean(1, keepdim=True)
            ends.append(_ends((g - g.mean(1, keepdim=True) - wide * along) * rstd))
        return torch.cat((ends[0][:64], ends[-1][-64:])), dw, db

    def problem(self, results: tuple[Any, ...], truth: tuple[torch.Tensor, ...]) -> str:
        """Return which result is off, and by how much; empty where none is."""
        near = NEAR[self.x.dtype]
        for number, (result, true) in enumerate(zip(results, truth, strict=False)):
            whole = result.ndim > 1
            found = (_ends(result) if whole else result).double()
            scale = true.abs() + (1 if whole else ROWS**0.5)
            off = ((found - true).abs() / scale).nan_to_num(torch.inf).max().item()
            if off > near:
                return f"WRONG: result {number} is {off:.2g} of its scale off"
        return ""


def _ends(tensor: torch.Tensor) -> torch.Tensor:
    return torch.cat((tensor[:64], tensor[-64:]))


def peers(point: Point, of: Tensors, *, compiled: bool) -> Iterator[tuple[str, Call]]:
    """Yield what the kernels are measured against; the copies first."""
    out = torch.empty_like(of.x)
    forward = point.direction is Direction.FORWARD
    if forward:
        yield "copy", lambda: (out.copy_(of.x),)
        yield "copy by a kernel", lambda: (torch.mul(of.x, 1, out=out),)
    else:
        yield "copy", lambda: (torch.add(of.x, of.dy, out=out),)
    modules = {"torch-eager": eager}
    if compiled and point.columns in COMPILED_WIDTHS:
        torch.compiler.reset()
        modules["torch-compile"] = Compiled(eager)
    modules["liger"] = importlib.import_module("lnbench.backends.liger")
    for name, module in modules.items():
        given = (of.x, of.weight, of.bias, EPS)
        if not forward:
            given = (of.dy, of.x, of.mean.float(), of.rstd.float(), of.weight, True)
        function = module.forward if forward else module.backward
        yield name, lambda function=function, given=given: function(*given)


def contestants(
    point: Point, of: Tensors, cuts: dict[str, Configuration], *, compiled: bool
) -> Iterator[tuple[str, Call]]:
    """Yield all that is timed at a point, by name."""
    yield from peers(point, of, compiled=compiled)
    made = of.forward if point.direction is Direction.FORWARD else of.backward
    yield "triton", made()
    for name, configuration in cuts.items():
        yield f"triton: {name}", made(configuration)


def compile_one(point: Point, name: str, configuration: Configuration | None) -> str:
    """Compile a variant on few rows of the same bucket; return what went wrong, if anything did."""
    try:
        of = Tensors(point.columns, DTYPES[point.dtype], rows=264)
        made = of.forward if point.direction is Direction.FORWARD else of.backward
        made(configuration)()
        torch.cuda.synchronize()
    except Exception as error:  # noqa: BLE001  (it fails again, and says so in its row)
        return f"{' '.join(map(str, point))} {name}: {type(error).__name__}: {str(error)[:200]}"
    return ""


def compile_all(cuts: dict[Point, dict[str, Configuration]]) -> None:
    """Compile everything beforehand, as many at a time as there are CPUs."""
    jobs = [
        (point, name, configuration)
        for point, named in cuts.items()
        for name, configuration in {"table": None, **named}.items()
    ]
    random.Random(0).shuffle(jobs)  # the slow ones are neighbours
    start = time.perf_counter()
    workers = max(1, min(12, (os.cpu_count() or 2) - 2))
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for problem in pool.map(compile_one, *zip(*jobs, strict=True)):
            if problem:
                print(problem, flush=True)
    print(f"compiled {len(jobs)} in {time.perf_counter() - start:.0f} s", flush=True)


def measure(
    point: Point, of: Tensors, cuts: dict[str, Configuration], *, compiled: bool
) -> list[dict[str, Any]]:
    """Return a row a contestant: seconds of the device and of the host, and the share of copy."""
    truth, rows, timed = of.truth(point.direction), [], []
    for name, call in contestants(point, of, cuts, compiled=compiled):
        row: dict[str, Any] = {**point._asdict(), "name": name, "seconds": []}
        rows.append(row)
        try:
            results = call()
            row["problem"] = "" if name.startswith("copy") else of.problem(results, truth)
            del results
            timer = CudaTimer(CudaStream(DEVICE), cold=True)
            calls = max(2, min(20, round(SAMPLE_S / (timer.time(call, 2) / 2))))
            timed.append((row, call, timer, calls))
        except Exception as error:  # noqa: BLE001  (a variant may fail in any way; the others go on)
            row["problem"] = f"{type(error).__name__}: {str(error)[:200]}"
    for _ in range(ROUNDS):
        random.shuffle(timed)
        for row, call, timer, calls in timed:
            row["seconds"].append(timer.time(call, calls) / calls)
    for row, _, timer, _ in timed:
        row.update(timer.details())
    return shares(point, rows)


def shares(point: Point, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with their median, spread and share of the faster copy."""
    case = Case("layernorm", point.direction, (ROWS, point.columns), DType(point.dtype), DEVICE)
    copied = LayerNorm().bulk(case).arrays_moved * case.rows * case.columns * case.dtype.itemsize
    needed = LayerNorm().work(case).bytes_moved
    for row in rows:
        if row["seconds"]:
            low, middle, high = statistics.quantiles(row["seconds"], n=4)
            row.update(median_s=middle, spread=(high - low) / middle)
    copies = [row["median_s"] for row in rows if row["name"].startswith("copy")]
    for row in rows:
        if row["seconds"]:
            moved = copied if row["name"].startswith("copy") else needed
            row["share_of_copy"] = moved / row["median_s"] / (copied / min(copies))
    return rows


def show(point: Point, rows: list[dict[str, Any]]) -> None:
    """Print a point's rows, the fastest first."""
    print(f"\n{point.direction} {ROWS}x{point.columns} {point.dtype}")
    for row in sorted(rows, key=lambda row: row.get("median_s", 1.0)):
        if "median_s" in row:
            figures = (
                f"{row['median_s'] * 1e6:8.1f} us {row['share_of_copy']:6.1%} "
                f"±{row['spread'] / 2:5.1%} host {row.get('launch_s', 0) * 1e6:6.0f} us"
            )
        else:
            figures = f"{'–':>38}"
        print(f"  {figures}  {row['name']}  {row['problem']}", flush=True)


def main() -> int:
    """Measure the points that are asked for; return 1 where a result was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("columns", nargs="*", type=int, default=list(WIDTHS))
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--table", action="store_true", help="no variants, no inductor")
    parser.add_argument("--output", type=Path, default=Path("sweep-cuda.json"))
    given = parser.parse_args()
    points = [
        Point(direction, columns, dtype)
        for columns in given.columns
        for dtype in given.dtype
        for direction in (Direction.FORWARD, Direction.BACKWARD)
    ]
    cuts = {
        point: {} if given.table else variants(point.direction, point.columns, DTYPES[point.dtype])
        for point in points
    }
    compile_all(cuts)
    telemetry, found = Telemetry.of(DEVICE), []
    stream = CudaStream(DEVICE)

    def work() -> None:
        stream.flush()
        stream.synchronize()

    telemetry.warm(work)
    for point in points:
        if point.direction is Direction.FORWARD:  # the same inputs serve both
            of = Tensors(point.columns, DTYPES[point.dtype])
        rows = measure(point, of, cuts[point], compiled=not given.table)
        show(point, rows)
        found += rows
        given.output.write_text(json.dumps(found, indent=1, default=str), encoding="utf-8")
    print(f"\n{torch.cuda.get_device_name(DEVICE)}, {telemetry.read()}")
    return int(any(row["problem"].startswith("WRONG") for row in found))


if __name__ == "__main__":
    sys.exit(main())
