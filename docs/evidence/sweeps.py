"""Where the time of NumPy's LayerNorm goes: each of its sweeps over a block, beside the whole call.

    python docs/evidence/sweeps.py

One thread, float32, output ready. A sweep is one NumPy operator over a block of rows that the
kernel takes at once; a copy of the same block is what a sweep that only moves would take. For the
types of 16 bits what turns them into float32 and back is timed beside the whole call.
"""

import time
from collections.abc import Callable

import ml_dtypes
import numpy as np

from lnbench.operations.layernorm import numpy as kernels
from lnbench.operations.rowwise.halves import narrow, widen
from lnbench.operations.rowwise.rows import row_means, spans

BLOCK = 1 << 19


def best_s(call: Callable[[], object]) -> float:
    """Return the least seconds of a call in thirty."""
    found = []
    for _ in range(30):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


def sweeps(rows: int, columns: int) -> dict[str, float]:
    """Return the nanoseconds an element of each sweep of forward over one block."""
    start, end = spans(rows, max(1, rows * columns // BLOCK))[0]
    x = np.random.default_rng(0).standard_normal((end - start, columns), np.float32)
    y, ones = np.empty_like(x), np.ones(columns, np.float32)
    column = np.ones((len(x), 1), np.float32)
    steps = {
        "copy": lambda: np.copyto(y, x),
        "mean": lambda: row_means(x, ones),
        "x - mean": lambda: np.subtract(x, column, out=y),
        "variance": lambda: row_means(y, y),
        "· rstd": lambda: np.multiply(y, column, out=y),
        "· weight": lambda: np.multiply(y, ones, out=y),
        "+ bias": lambda: np.add(y, ones, out=y),
    }
    with np.errstate(all="ignore"):
        np.setbufsize(min(columns // 16 * 16, 8192))
        return {name: best_s(step) / x.size * 1e9 for name, step in steps.items()}


def whole(rows: int, columns: int, dtype: type = np.float32) -> float:
    """Return the nanoseconds an element of forward."""
    x = np.random.default_rng(0).standard_normal((rows, columns), np.float32).astype(dtype)
    ones = np.ones(columns, dtype)
    out = (np.empty_like(x), np.empty(rows, np.float32), np.empty(rows, np.float32))
    return best_s(lambda: kernels.forward(x, ones, ones, 1e-5, out)) / x.size * 1e9


def casts(dtype: type) -> tuple[float, float]:
    """Return the nanoseconds an element to float32 and back, over one block."""
    wide = np.random.default_rng(0).standard_normal((512, 1024), np.float32)
    bits, spare = wide.astype(dtype), (np.empty_like(wide), np.empty_like(wide))
    to = best_s(lambda: widen(bits, wide)) / wide.size * 1e9
    back = best_s(lambda: narrow(wide.copy(), bits, spare)) / wide.size * 1e9
    return to, back - best_s(wide.copy) / wide.size * 1e9


def main() -> None:
    """Print a line a shape, and one a type."""
    for rows, columns in ((1024, 768), (1024, 5120), (8192, 1024), (2048, 4096), (128, 65536)):
        found = sweeps(rows, columns)
        parts = ", ".join(f"{name} {ns:.2f}" for name, ns in found.items())
        total = sum(found.values()) - found["copy"]
        print(f"{rows}x{columns}: {parts}; sum {total:.2f}, call {whole(rows, columns):.2f} ns")
    for dtype in (np.float16, ml_dtypes.bfloat16):
        to, back = casts(dtype)
        call = whole(8192, 1024, dtype)
        print(
            f"{dtype.__name__}: to float32 {to:.2f}, back {back:.2f}, call 8192x1024 {call:.2f} ns"
        )


if __name__ == "__main__":
    main()
