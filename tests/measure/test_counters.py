"""Counters: the kernel's own interface, by events that every Linux has, and by what none has."""

import mmap
import sys
import threading

import pytest

from lnbench.measure.counters import EVENTS, LLC_MISSES, CountersError, counted

SOFTWARE, PAGE_FAULTS = 1, 2  # linux/perf_event.h
FAULTS = {"page faults": (SOFTWARE, PAGE_FAULTS)}
NOTHING = {"nothing": (SOFTWARE, 999)}
PAGES = 300

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


def touch():
    with mmap.mmap(-1, PAGES * mmap.PAGESIZE) as memory:
        for page in range(PAGES):
            memory[page * mmap.PAGESIZE] = 1


@pytest.fixture(autouse=True)
def _permitted():
    try:
        counted(lambda: None, FAULTS)
    except CountersError as error:
        pytest.skip(str(error))


def test_what_the_work_does_is_counted_and_nothing_before_or_after_it():
    touch()
    counts = counted(touch, FAULTS)
    touch()
    assert PAGES <= counts["page faults"] < 2 * PAGES


def test_threads_that_were_there_before_are_counted_too():
    begin, done = threading.Event(), threading.Event()

    def later():
        begin.wait()
        touch()
        done.set()

    thread = threading.Thread(target=later)
    thread.start()
    counts = counted(lambda: (begin.set(), done.wait()), FAULTS)
    thread.join()
    assert counts["page faults"] >= PAGES


def test_a_count_that_the_processor_lacks_is_left_out_and_hides_no_other():
    assert set(counted(touch, NOTHING | FAULTS)) == {"page faults"}


def test_where_nothing_can_be_counted_the_reason_is_said():
    with pytest.raises(CountersError, match=r"shows no counters|cannot be opened"):
        counted(touch, NOTHING)


def test_the_hardware_counts_instructions():
    try:
        counts = counted(lambda: sum(range(100_000)))
    except CountersError as error:
        pytest.skip(str(error))
    assert set(counts) <= set(EVENTS)
    assert counts.get("instructions", 1e6) > 100_000
    assert counts.get(LLC_MISSES, 0) >= 0
