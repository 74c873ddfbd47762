"""Samples: which line of a stack counts, and py-spy itself on this process."""

import time

import pytest

from lnbench.measure import profiling, samples
from lnbench.measure.profile_messages import Spot
from lnbench.measure.samples import COMPILED, SamplesError, sampled, spots

WORKER = "run (lnbench/workers/worker.py:201);Worker.serve (lnbench/workers/worker.py:48)"
CALL = f"{WORKER};marked (lnbench/measure/profiling.py:83)"
POOL = "Thread._bootstrap (threading.py:1002);_WorkItem.run (concurrent/futures/thread.py:58)"


def test_lines_of_marked_calls_count_and_others_do_not():
    stacks = f"{CALL};forward (mine.py:5) 30\n{CALL};forward (mine.py:6) 10\n{WORKER};recv (x:1) 60"
    assert spots(stacks) == (Spot("forward (mine.py:5)", 0.75), Spot("forward (mine.py:6)", 0.25))


def test_threads_of_a_pool_count_and_waiting_for_them_does_not():
    wait = f"{CALL};forward (mine.py:9);Condition.wait (threading.py:327) 50"
    older = POOL.replace("_WorkItem.", "").replace("Thread.", "")  # names before Python 3.11
    stacks = f"{wait}\n{POOL};compute (mine.py:7) 30\n{older};compute (mine.py:7) 10"
    assert spots(stacks) == (Spot("compute (mine.py:7)", 1.0),)


def test_a_kernel_without_a_line_of_python_is_compiled_code():
    assert spots(f"{CALL} 9") == (Spot(COMPILED, 1.0),)


def test_without_samples_there_are_no_lines():
    assert spots("") == ()
    assert spots(f"{WORKER} 12") == ()


def test_without_py_spy_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(samples.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(SamplesError, match=r"lnbench\[profile\]"):
        sampled(lambda wanted: None)


def _busy():
    end = time.perf_counter() + 0.01
    while time.perf_counter() < end:
        pass


def test_py_spy_finds_the_line_that_is_busy():
    def calls(wanted):
        while wanted():
            profiling.marked(_busy, 1)

    try:
        found = sampled(calls)
    except SamplesError as error:  # not installed, or a container that forbids it
        pytest.skip(str(error))
    assert all("_busy" in spot.name for spot in found[:2])
    assert sum(spot.share for spot in found) == pytest.approx(1)
