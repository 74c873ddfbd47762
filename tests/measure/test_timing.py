"""Clocks: what is in a time, what is outside of it, and how many calls make a sample."""

import itertools
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.measure import timing
from lnbench.measure.timing import HostTimer, device_timer, iterations_for
from lnbench.plan.case import Cache, Case, Direction, DType, Options
from lnbench.testing import FakeTimer


class Clock:
    """A clock that only goes on when it is told, and a list of what happened."""

    def __init__(self):
        self.now, self.events = 0, []

    def __call__(self):
        return self.now

    def does(self, name, nanoseconds):
        def call():
            self.events.append(name)
            self.now += nanoseconds

        return call


@pytest.fixture
def clock(monkeypatch):
    HostTimer()  # the resolution is found on the real clock
    made = Clock()
    monkeypatch.setattr(timing, "_host_flush", lambda: made.does("flush", 1000))
    return made


def test_a_hot_time_is_that_of_the_calls_alone(clock):
    timer = HostTimer(Cache.HOT, clock_ns=clock)

    assert timer.time(clock.does("run", 7), 3) == pytest.approx(21e-9)
    assert clock.events == ["run"] * 3


def test_a_flush_comes_before_each_cold_call_and_outside_of_its_time(clock):
    timer = HostTimer(Cache.COLD, clock_ns=clock)

    assert timer.time(clock.does("run", 7), 3) == pytest.approx(21e-9)
    assert clock.events == ["flush", "run"] * 3


def test_a_time_ends_when_the_device_has_ended(clock):
    timer = HostTimer(Cache.HOT, clock.does("synchronize", 5), clock)

    assert timer.time(clock.does("run", 7), 3) == pytest.approx(26e-9)
    assert clock.events == ["run", "run", "run", "synchronize"]


def test_every_cold_call_is_waited_for_before_the_next_flush(clock):
    timer = HostTimer(Cache.COLD, clock.does("synchronize", 5), clock)

    assert timer.time(clock.does("run", 7), 2) == pytest.approx(24e-9)
    assert clock.events == ["flush", "run", "synchronize"] * 2


@pytest.mark.parametrize("hook", ["trace", "profile"])
def test_a_call_that_sets_a_hook_for_when_its_caller_returns_is_refused(hook):
    before = getattr(sys, f"get{hook}")()
    set_hook = getattr(sys, f"set{hook}")
    try:
        with pytest.raises(RuntimeError, match="tracer while it was timed"):
            HostTimer().time(lambda: set_hook(lambda *_: None), 2)
    finally:
        set_hook(before)


def test_no_iteration_takes_no_call(clock):
    assert HostTimer(clock_ns=clock).time(clock.does("run", 7), 0) == 0
    assert clock.events == []


def test_the_resolution_of_this_clock_is_above_0():
    assert 0 < HostTimer().resolution_s < 1e-3


@pytest.mark.parametrize(
    ("readings", "resolution_s"),
    [
        (itertools.count(0, 40), 40e-9),  # every reading costs 40 ns
        ((100 * (i // 4) for i in itertools.count()), 100e-9),  # four readings show the same tick
    ],
)
def test_the_resolution_is_the_cost_or_the_step_of_the_clock(monkeypatch, readings, resolution_s):
    monkeypatch.setattr(timing.time, "perf_counter_ns", lambda: next(readings))

    assert timing._host_resolution.__wrapped__() == pytest.approx(resolution_s)


def test_the_resolution_is_no_matter_of_one_interruption(monkeypatch):
    readings = (40 * i + 10**9 * (i > 100) for i in itertools.count())
    monkeypatch.setattr(timing.time, "perf_counter_ns", lambda: next(readings))

    assert timing._host_resolution.__wrapped__() == pytest.approx(40e-9)


def test_the_flush_reads_twice_the_last_level_cache(monkeypatch):
    monkeypatch.setattr(timing, "last_level_cache_bytes", lambda: 1 << 20)

    flush = timing._host_flush.__wrapped__()

    assert flush() * 8 == 2 << 20  # it adds up a 1 in every eight bytes


@pytest.mark.parametrize("cache", list(Cache))
def test_a_case_on_the_cpu_is_timed_by_the_host_in_its_cache_state(clock, cache):
    case = Case("layernorm", Direction.FORWARD, (8, 16), DType.FLOAT32, "cpu", Options(cache=cache))
    timer = device_timer(case)

    assert isinstance(timer, HostTimer)
    timer.time(clock.does("run", 7), 1)
    assert clock.events == (["run"] if cache is Cache.HOT else ["flush", "run"])


def test_a_cold_cache_is_refused_where_it_cannot_be_made():
    options = Options(cache=Cache.COLD)
    case = Case("layernorm", Direction.FORWARD, (8, 16), DType.FLOAT32, "mps", options)

    with pytest.raises(ValueError, match="cold cache cannot be made on mps"):
        device_timer(case)


# How many calls make a sample


class Steady:
    """A clock on which every call takes equally long."""

    def __init__(self, call_s, resolution_s):
        self.call_s, self.resolution_s = call_s, resolution_s
        self.asked = []

    def time(self, run, iterations):
        self.asked.append(iterations)
        assert len(self.asked) <= 1000, "no end in sight"
        return self.call_s * iterations

    def synchronize(self):
        pass


@given(
    call_s=st.floats(1e-10, 1e2),
    resolution_s=st.floats(1e-9, 1e-3),
    error=st.sampled_from([1e-2, 1e-3, 1e-4]),
)
def test_a_sample_is_as_long_as_the_error_asks_and_hardly_longer(call_s, resolution_s, error):
    found = iterations_for(Steady(call_s, resolution_s), None, error)

    needed = resolution_s / error / call_s
    assert found >= needed * (1 - 1e-9)
    assert found <= max(1, math.ceil(1.1 * needed * (1 + 1e-9)))


def test_a_long_call_makes_a_sample_alone():
    assert iterations_for(Steady(1.0, 1e-7), None) == 1


def test_one_interrupted_call_does_not_pass_for_a_long_one():
    steady = Steady(1e-6, 1e-7)
    usual = steady.time

    def interrupted(run, iterations):
        return usual(run, iterations) + (1.0 if len(steady.asked) % 5 else 0.0)

    steady.time = interrupted
    assert iterations_for(steady, None) >= 100


def test_the_calls_are_made_while_a_sample_is_looked_for():
    calls = []

    found = iterations_for(FakeTimer(itertools.repeat(1e-7), 1e-9), lambda: calls.append(1))

    assert found >= 10
    assert len(calls) >= 5 * (1 + found)


def test_a_clock_that_stands_still_is_an_error_and_no_endless_search():
    steady = Steady(0.0, 1e-7)

    with pytest.raises(RuntimeError):
        iterations_for(steady, None)
