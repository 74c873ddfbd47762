"""The NumPy backend, alone and with threads."""

import os
import threading

import numpy as np
import pytest

from lnbench import registry
from lnbench.backends.numpy import NumPy
from lnbench.host_backend import pool_of
from lnbench.plan.case import Cache, Case, Direction, DType, Options, Output
from lnbench.testing import BackendContract

LAYERNORM = registry.operation("layernorm")


class TestNumPy(BackendContract):
    backend = NumPy


class TestNumPyWithThreads(BackendContract):
    backend = NumPy
    threads = 3
    dtypes = (DType.FLOAT32, DType.BFLOAT16)


def routine(threads, shape=(5003, 257), options=None, direction=Direction.FORWARD):
    case = Case("layernorm", direction, shape, DType.FLOAT32, "cpu", options or Options())
    return NumPy().routine(LAYERNORM, case, LAYERNORM.inputs(case, 0), threads)


@pytest.mark.parametrize("direction", list(Direction))
def test_results_do_not_depend_on_the_number_of_threads(direction):
    results = []
    for threads in (1, 2, 5):
        made = routine(threads, direction=direction)
        results.append(made.host(made.run()))
        made.close()

    for name, one in results[0].items():
        for other in results[1:]:
            np.testing.assert_array_equal(other[name], one)


def test_closing_ends_the_threads():
    before = threading.active_count()
    made = routine(3)
    made.run()
    assert threading.active_count() > before

    made.close()

    assert threading.active_count() == before


def test_one_thread_starts_none():
    before = threading.active_count()

    routine(1).run()

    assert threading.active_count() == before


def test_kernels_that_share_nothing_out_have_one_thread_and_say_so():
    operation = registry.operation("batchnorm")
    case = Case("batchnorm", Direction.FORWARD, (8, 16), DType.FLOAT32, "cpu")
    made = NumPy().routine(operation, case, operation.inputs(case, 0), 2)

    assert made.details() == {"threads": 1}
    made.close()


def test_threads_are_recorded():
    made = routine(2, shape=(8, 16))

    assert made.details() == {"threads": 2}
    made.close()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux's affinity")
def test_every_thread_stays_on_a_cpu_of_the_session(monkeypatch):
    before = os.sched_getaffinity(0)
    cpu = min(before)
    monkeypatch.setenv("LNBENCH_CPUS", str(cpu))
    made = routine(2)
    made.run()
    os.sched_setaffinity(0, before)  # as in a worker, the caller was bound too

    found = [pool for pool in threading.enumerate() if pool is not threading.current_thread()]
    try:
        assert len(found) >= 2
        assert {frozenset(os.sched_getaffinity(thread.native_id)) for thread in found} == {
            frozenset({cpu})
        }
    finally:
        made.close()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux's affinity")
def test_as_many_cpus_are_used_as_there_are_threads(monkeypatch):
    """Of a session's CPUs, of which this machine need not have so many."""
    bound = []
    monkeypatch.setenv("LNBENCH_CPUS", "4,5,6,7")
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cpus: bound.append(cpus))
    both = threading.Barrier(2)
    with pool_of(2) as pool:
        list(pool.map(lambda _: both.wait(30), range(2)))
    assert bound[0] == {4}  # the caller's
    assert sorted(bound[1:], key=min) == [{4}, {5}]


def test_ready_outputs_are_the_same_in_every_call():
    made = routine(1, shape=(8, 16), options=Options(output=Output.READY))

    first, second = made.host(made.run()), made.host(made.run())

    for name, one in first.items():
        assert np.shares_memory(one, second[name])


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps", "xpu"])
def test_only_the_cpu_is_there(device):
    assert NumPy().availability(device).reason == "numpy runs on the CPU only"


@pytest.mark.parametrize("cache", list(Cache))
def test_the_clock_is_the_hosts(cache):
    case = Case("layernorm", Direction.FORWARD, (8, 16), DType.FLOAT32, "cpu", Options(cache=cache))

    assert NumPy().timer(case).resolution_s > 0
