"""One sample: nothing but the routine is in it, and what it cost in memory."""

import gc
import mmap
import sys
import time

import numpy as np
import pytest

from lnbench.measure import sampling
from lnbench.measure.sampling import (
    WARM_UP_S,
    no_collection,
    peak_extra_bytes,
    stopwatch,
    take_sample,
)
from lnbench.testing import FakeTimer

PAGE = mmap.PAGESIZE
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


class Listening(FakeTimer):
    """Notes what was asked of it."""

    def __init__(self, events, seconds=1.0):
        super().__init__(iter([seconds]))
        self.events = events

    def time(self, run, iterations):
        self.events.append("start")
        taken = super().time(run, iterations)
        self.events.append("end")
        return taken

    def synchronize(self):
        self.events.append("synchronize")


def test_no_untimed_call_comes_before_a_cold_sample():
    events = []

    take_sample(lambda: events.append("run"), Listening(events), 3, warm=False)

    assert events == ["start", "run", "run", "run", "end"]


@pytest.mark.parametrize(("call_s", "least", "most"), [(2 * WARM_UP_S, 1, 1), (0, 20, None)])
def test_a_hot_sample_is_warmed_up_by_one_long_call_or_by_many_short_ones(call_s, least, most):
    events = []

    def run():
        events.append("run")
        time.sleep(call_s) if call_s else None

    take_sample(run, Listening(events), 3, warm=True)

    before = events[: events.index("start")]
    calls = before.count("run")
    assert least <= calls <= (most or calls)
    assert before == ["run", "synchronize"] * calls
    assert events[len(before) :] == ["start", "run", "run", "run", "end"]


def test_a_sample_is_seconds_per_iteration():
    seconds, _, _ = take_sample(lambda: None, Listening([], seconds=0.25), 4, warm=True)

    assert seconds == 0.25


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_garbage_collector_is_off_in_a_sample_and_then_as_it_was(enabled, fails):
    seen, before = [], gc.isenabled()

    def run():
        seen.append(gc.isenabled())
        if fails:
            raise RuntimeError

    (gc.enable if enabled else gc.disable)()
    try:
        if fails:
            with pytest.raises(RuntimeError):
                take_sample(run, Listening([]), 2, warm=False)
        else:
            take_sample(run, Listening([]), 2, warm=False)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
    assert set(seen) == {False}


def test_stretches_without_collection_nest():
    with no_collection():
        with no_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def touches(pages):
    """Return a call that touches pages of memory fresh from the kernel."""
    kept = []

    def run():
        fresh = mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        fresh.madvise(mmap.MADV_NOHUGEPAGE)
        for page in range(pages):
            fresh[page * PAGE] = 1
        kept.append(fresh)

    return run


@LINUX
@pytest.mark.parametrize("warm", [False, True])
def test_page_faults_are_those_of_the_timed_calls(warm):
    _, faults, _ = take_sample(touches(200), Listening([]), 4, warm=warm)

    assert 200 <= faults < 220  # with the untimed call's it would be 250


@LINUX
def test_a_call_on_memory_of_its_own_has_no_page_faults():
    array = np.ones(100_000)

    _, faults, _ = take_sample(lambda: np.add(array, 1, out=array), Listening([]), 100, warm=True)

    assert faults < 1


@pytest.fixture
def _resettable():
    try:
        sampling._CLEAR_REFS.write_text("5")
    except OSError:
        pytest.skip("the peak of memory cannot be reset here")


@LINUX
@pytest.mark.usefixtures("_resettable")
def test_the_peak_is_what_a_call_takes_beyond_what_was_there():
    kept = np.ones(64 << 20, np.uint8)

    found = peak_extra_bytes(lambda: np.ones(32 << 20, np.uint8).sum(), "cpu")

    # The kernel counts resident pages in batches: a few hundred may be missing.
    assert 31 << 20 <= found < 40 << 20
    assert kept.all()


@LINUX
@pytest.mark.usefixtures("_resettable")
def test_a_call_that_takes_nothing_has_no_peak():
    np.ones(64 << 20, np.uint8).sum()  # an earlier peak does not count

    assert peak_extra_bytes(lambda: None, "cpu") < 1 << 20


def test_a_peak_that_cannot_be_read_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr(sampling, "_CLEAR_REFS", tmp_path / "nix" / "clear_refs")
    assert peak_extra_bytes(lambda: None, "cpu") is None

    monkeypatch.setattr(sampling, "_CLEAR_REFS", tmp_path / "clear_refs")
    monkeypatch.setattr(sampling, "_STATUS", tmp_path / "status")
    (tmp_path / "status").write_text("Name: python\n")
    assert peak_extra_bytes(lambda: None, "cpu") is None


def test_a_peak_on_a_device_without_a_counter_is_none_and_the_call_is_made():
    calls = []

    assert peak_extra_bytes(lambda: calls.append(1), "mps") is None
    assert calls == [1]


def test_a_stopwatch_returns_the_result_and_its_seconds(monkeypatch):
    readings = iter([10.0, 12.5])
    monkeypatch.setattr(sampling.time, "perf_counter", lambda: next(readings))

    assert stopwatch(lambda: "result") == ("result", 2.5)
