"""The rows of suite `ci` (torch eager, one thread), as three other tools are asked to time them.

    python docs/evidence/peer_rows.py timer OUT.json         torch.utils.benchmark
    python -m pytest docs/evidence/peer_rows.py --benchmark-json=OUT.json
    python docs/evidence/peer_rows.py --fast -o OUT.json     pyperf

`peers.py` beside this file calls them; their settings are their defaults, but for pyperf's --fast.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch

SHAPES = ((256, 1024), (2048, 2048))
ROWS = [f"{way}-{m}x{n}" for m, n in SHAPES for way in ("forward", "backward")]


def call(row: str) -> Callable[[], object]:
    """Return the call that a row times; its inputs are float32, and seeded."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    way, _, shape = row.partition("-")
    m, n = map(int, shape.split("x"))
    x, w, b, dy = torch.randn(m, n), torch.randn(n), torch.randn(n), torch.randn(m, n)
    if way == "forward":
        return lambda: torch.ops.aten.native_layer_norm(x, [n], w, b, 1e-5)
    _, mean, rstd = torch.ops.aten.native_layer_norm(x, [n], w, b, 1e-5)
    backward = torch.ops.aten.native_layer_norm_backward
    return lambda: backward(dy, x, [n], mean, rstd, w, b, [True, True, True])


def pytest_generate_tests(metafunc) -> None:  # noqa: ANN001  (pytest is in the peers' venv alone)
    """Make a test of each row."""
    metafunc.parametrize("row", ROWS)


def test_row(benchmark, row: str) -> None:  # noqa: ANN001
    """Time a row with pytest-benchmark."""
    benchmark(call(row))


def timer(path: Path) -> None:
    """Write the median of `torch.utils.benchmark.Timer.adaptive_autorange` of each row."""
    from torch.utils.benchmark import Timer

    made = {row: Timer("f()", globals={"f": call(row)}, num_threads=1) for row in ROWS}
    medians = {row: each.adaptive_autorange().median for row, each in made.items()}
    path.write_text(json.dumps(medians))


def pyperf_rows() -> None:
    """Time each row with pyperf, in processes of its own."""
    import pyperf

    runner = pyperf.Runner()
    for row in ROWS:
        runner.bench_func(row, call(row))


if __name__ == "__main__":
    if sys.argv[1] == "timer":
        timer(Path(sys.argv[2]))
    else:
        pyperf_rows()
