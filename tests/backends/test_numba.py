"""The Numba backend, alone and with threads, and what its loops do to memory."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

import ml_dtypes
import numba

from lnbench import registry
from lnbench.backends.numba import Numba
from lnbench.host_backend import pool_of
from lnbench.operations.layernorm import numba as kernels
from lnbench.operations.rowwise.numba import halves, lines, loops
from lnbench.plan.case import Case, Direction, DType
from lnbench.testing import BackendContract

LAYERNORM = registry.operation("layernorm")


class TestNumba(BackendContract):
    backend = Numba
    waits = True  # for the compiler's lock on disk


class TestNumbaWithThreads(BackendContract):
    backend = Numba
    threads = 3
    dtypes: ClassVar = (DType.FLOAT32, DType.BFLOAT16)
    waits = True


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_no_thread_writes_any_more_once_one_of_them_has_raised(broken):
    rest, ended = threading.Event(), []

    def compute(number, *_):
        if number == broken:
            rest.set()
            raise RuntimeError("no row")
        rest.wait(5)
        time.sleep(0.05)
        ended.append(number)

    with ThreadPoolExecutor(3) as pool:
        with pytest.raises(RuntimeError, match="no row"):
            kernels._share(compute, 3, pool)
        assert sorted(ended) == sorted({0, 1, 2} - {broken})


@pytest.fixture
def past_the_cache(monkeypatch):
    """Let every set count as one that fills the cache."""
    monkeypatch.setattr(loops, "fills_cache", lambda size: True)


@pytest.mark.parametrize("columns", [1, 15, 16, 17, 250, 1024, 4099, 20001])
@pytest.mark.parametrize("dtype", list(DType))
def test_rows_that_are_written_past_the_cache_have_the_same_bits(columns, dtype, monkeypatch):
    case = Case("layernorm", Direction.STEP, (7, columns), dtype, "cpu")
    inputs = LAYERNORM.inputs(case, seed=1)
    given = (inputs["x"], inputs["weight"], inputs["bias"], 1e-5, inputs["dy"])
    plain = kernels.step(*given)
    monkeypatch.setattr(loops, "fills_cache", lambda size: True)
    for one, other in zip(plain, kernels.step(*given), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_line_that_is_shared_with_other_data_is_left_alone(past_the_cache):
    x = np.random.default_rng(0).standard_normal((5, 601), dtype=np.float32)
    whole = np.full(5 * 601 + 64, 7.0, np.float32)
    y = whole[3:3008].reshape(5, 601)  # contiguous, and its rows begin anywhere in a line
    kernels.forward(x, None, None, 1e-5, (y, np.empty(5, np.float32), np.empty(5, np.float32)))
    expected, _, _ = kernels.forward(x, None, None, 1e-5)
    np.testing.assert_array_equal(y, expected)
    assert (whole[:3] == 7).all()
    assert (whole[3008:] == 7).all()


def test_a_result_that_begins_within_a_number_is_written_all_the_same(past_the_cache):
    """Lines are written at multiples of 64 bytes, which such rows never reach."""
    x = np.random.default_rng(0).standard_normal((4, 1024), dtype=np.float32)
    y = np.zeros(4 * x.size + 4, np.uint8)[2:-2].view(np.float32).reshape(x.shape)
    assert not y.flags.aligned
    kernels.forward(x, None, None, 1e-5, (y, np.empty(4, np.float32), np.empty(4, np.float32)))
    np.testing.assert_array_equal(y, kernels.forward(x, None, None, 1e-5)[0])


@numba.njit
def widened(numbers, out):
    for j in range(out.size):
        out[j] = halves.value_of(numbers[j])


@numba.njit
def rounded(values, out):
    for j in range(out.size):
        out[j] = halves.number_of(values[j], out.dtype.type(0))


@numba.njit
def rounded_by_lines(values, out):
    """Let (1 - 0 - 0)·1·value - 0 be written line by line."""
    one = np.empty(32, out.dtype)
    rounded(np.ones(32, np.float32), one)
    nothing, zero = np.full(32, np.float32(-0.0)), np.float32(0)
    for start in range(0, out.size, 32):
        lines.normalize_line(
            out.dtype.type(0), out.ctypes.data + 2 * start, one.ctypes.data,
            values.ctypes.data + 4 * start, nothing.ctypes.data, zero, zero, np.float32(1),
        )  # fmt: skip


HALVES = [np.float16, ml_dtypes.bfloat16]
WAYS = [rounded, rounded_by_lines]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("rounded", WAYS)
def test_all_sixteen_bit_values_are_widened_and_rounded_as_a_cast_does(dtype, rounded):
    bits = np.arange(1 << 16, dtype=np.uint16)
    wide = np.empty(bits.size, np.float32)
    widened(halves.as_numbers(bits.view(dtype)), wide)
    with np.errstate(all="ignore"):
        expected = bits.view(dtype).astype(np.float32)
    np.testing.assert_array_equal(wide, expected)
    back = np.empty(bits.size, dtype)
    rounded(wide, halves.as_numbers(back))
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(back.view(np.uint16)[number], bits[number])
    assert np.isnan(back[~number].astype(np.float32)).all()


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("rounded", WAYS)
def test_values_between_are_rounded_to_even_as_a_cast_does(dtype, rounded):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 1 << 32, 200_000, dtype=np.uint32).view(np.float32)
    # Halfway between neighbours, a bit above and below, over all exponents.
    steps = rng.integers(0, 1 << 16, 50_000, dtype=np.uint32)
    ties = steps << 16 | rng.choice([0x7FFF, 0x8000, 0x8001, 0x0FFF, 0x1000, 0x1001], 50_000)
    values = np.concatenate([values, ties.astype(np.uint32).view(np.float32)])
    values = values[np.isfinite(values)]
    values = values[: len(values) // 32 * 32]
    found = np.empty(values.size, dtype)
    rounded(values, halves.as_numbers(found))
    with np.errstate(all="ignore"):
        expected = values.astype(dtype).view(np.uint16)
    np.testing.assert_array_equal(found.view(np.uint16), expected)


@pytest.mark.parametrize("rounded", WAYS)
def test_a_number_that_is_none_stays_none_whatever_its_digits(rounded):
    """Rounding the digits of such a one up would carry into its sign."""
    digits = np.arange(0x7F800001, 0x80000000, 4099, dtype=np.uint32)[:2016]
    values = np.concatenate([digits, digits | np.uint32(1 << 31)]).view(np.float32)
    values[-1] = np.uint32(0xFFFFFFFF).view(np.float32)
    for dtype in HALVES:
        found = np.zeros(values.size, dtype)
        rounded(values, halves.as_numbers(found))
        assert np.isnan(found.astype(np.float32)).all()


def test_a_processor_without_instructions_for_float16_rounds_alike(tmp_path):
    least = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    chosen = [*command, "-k", "sixteen_bit or values_between or stays_none"]
    environment = {**os.environ, **least, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        chosen, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "10 passed" in done.stdout


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16])
def test_results_do_not_depend_on_the_number_of_threads(direction, dtype):
    case = Case("layernorm", direction, (5003, 257), dtype, "cpu")
    inputs = LAYERNORM.inputs(case, 0)
    results = []
    for threads in (1, 2, 5):
        made = Numba().routine(LAYERNORM, case, inputs, threads)
        results.append({name: each.copy() for name, each in made.host(made.run()).items()})
        made.close()
    for name, one in results[0].items():
        for other in results[1:]:
            np.testing.assert_array_equal(other[name], one)


def test_a_thread_pool_of_the_users_own_will_do():
    x = np.random.default_rng(0).standard_normal((4000, 300), dtype=np.float32)
    with pool_of(2) as pool:
        shared = kernels.forward(x, None, None, 1e-5, pool=pool)
    for one, other in zip(shared, kernels.forward(x, None, None, 1e-5), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: kernels.forward(x, x[0, :3], None, 1e-5), "weight has shape"),
        (lambda x: kernels.forward(x[0], None, None, 1e-5), "rows and columns"),
        (lambda x: kernels.forward(x.astype(int), None, None, 1e-5), "convert it with astype"),
        (lambda x: kernels.backward(x[:1], x, x[:, 0], x[:, 0], None, False), "dy has shape"),
        (lambda x: kernels.backward(x, x, x[:1, 0], x[:, 0], None, False), "mean has shape"),
        (lambda x: kernels.forward(x, None, None, 1e-5, (x, x[:, 0], x[:1, 0])), "rstd has shape"),
        (
            lambda x: kernels.forward(x, None, None, 1e-5, (x.astype("f2"), x[:, 0], x[:, 0])),
            "y has type float16, but x has float32",
        ),
    ],
)
def test_what_cannot_be_computed_is_a_sentence(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call(np.ones((2, 4), np.float32))


RUN_LOOPS = """if True:
    import numpy as np
    from lnbench.operations.layernorm import numba as kernels
    for x in (np.ones((3, 40), np.float16), np.ones((3, 40), np.float32)[:, ::2]):
        y, mean, rstd = kernels.forward(x, None, None, 1e-5)
        kernels.backward(y, x, mean, rstd, None, True)
"""


def compiled_loops(folder):
    """Return when each compiled loop in a cache was written, after a process has run some."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    command = [sys.executable, "-P", "-c", RUN_LOOPS]  # the installed package, not this folder's
    subprocess.run(command, env=environment, check=True, timeout=300)
    return {path: path.stat().st_mtime_ns for path in folder.rglob("loops.*.nbc")}


def test_a_second_process_finds_every_loop_compiled(tmp_path):
    """Also those for types of 16 bits and for strides."""
    first = compiled_loops(tmp_path)
    assert first
    assert compiled_loops(tmp_path) == first


def test_loops_older_than_a_file_they_are_compiled_from_are_compiled_anew(tmp_path):
    """Numba itself looks at the file of the loop alone, not at those whose functions it calls."""
    first = compiled_loops(tmp_path)
    edited = max(path.stat().st_mtime for path in Path(loops.__file__).parent.glob("[!_]*.py"))
    for path in tmp_path.rglob("*.nb?"):
        os.utime(path, (edited - 1, edited - 1))
    second = compiled_loops(tmp_path)
    assert second.keys() == first.keys()
    assert min(second.values()) > edited * 1e9


def test_without_numba_the_backend_says_what_to_install(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'lnbench[numba]'" in Numba().availability("cpu").reason
    assert "CPU only" in Numba().availability("cuda").reason
    Numba().preload()
