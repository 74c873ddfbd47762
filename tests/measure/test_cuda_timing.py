"""The clock of a CUDA device, on a stream whose host and device clocks are invented."""

import itertools
import weakref

import pytest

from lnbench.measure.cuda_timing import (
    EVENTS,
    GRAPH,
    LONGEST_BLOCK_S,
    MOST_COPIES,
    CudaTimer,
)

MARK_S = 1e-6
FLUSH_S = 50e-6
CACHE = 50 << 20


class Stream:
    """A queue that runs in order: each item starts when it was queued and the one before ended.

    Where it is full, the host waits until its first item has ended.
    """

    cache_bytes = CACHE

    def __init__(self, launch_s=5e-6, depth=1024):
        self.depth = depth
        self.ends = []
        self.host = self.device = 0.0
        self.launch_s = launch_s
        self.ran = []
        self.blocked = []
        self.capturing = None

    def clock(self):
        return self.host

    def queue(self, name, seconds):
        if self.capturing is not None:
            self.capturing.append((name, seconds))
            return self.device
        self.host += self.launch_s
        if len(self.ends) >= self.depth:
            self.host = max(self.host, self.ends[-self.depth])
        self.device = max(self.device, self.host) + seconds
        self.ends.append(self.device)
        self.ran.append(name)
        return self.device

    def kernel(self, seconds, name="kernel"):
        return lambda: self.queue(name, seconds)

    def mark(self):
        return self.queue("mark", MARK_S)

    def seconds(self, start, end):
        return end - start

    def reached(self, mark):
        return mark <= self.host

    def block(self, seconds):
        self.blocked.append(seconds)
        self.queue("block", seconds)

    def flush(self):
        self.queue("flush", FLUSH_S)

    def synchronize(self):
        self.host = max(self.host, self.device)

    def capture(self, call, times):
        self.capturing = captured = []
        for _ in range(times):
            call()
        self.capturing = None

        def replay():
            self.host += self.launch_s
            self.device = max(self.device, self.host)
            for name, seconds in captured:
                self.device += seconds
                self.ran.append(name)

        return replay


def no_copies(count):
    raise AssertionError("no copies are wanted")


def timer_on(stream, *, cold=False):
    return CudaTimer(stream, cold=cold, host=stream.clock)


@pytest.mark.parametrize("kernel_s", [2e-6, 20e-6, 1e-3])
@pytest.mark.parametrize("launch_s", [1e-6, 8e-6, 300e-6])
@pytest.mark.parametrize("cold", [False, True])
def test_no_launch_gap_is_timed(kernel_s, launch_s, cold):
    stream = Stream(launch_s)
    timer = timer_on(stream, cold=cold)
    found = timer.time(stream.kernel(kernel_s), 100) / 100
    assert kernel_s <= found <= kernel_s + 1.01 * MARK_S
    assert "launch gaps" not in timer.details()


def test_a_block_that_was_too_short_is_made_longer_and_the_time_taken_again():
    stream = Stream(launch_s=2e-3)  # twenty times what a first block allows for
    timer = timer_on(stream)
    assert timer.time(stream.kernel(1e-6), 10) == pytest.approx(10e-6 + MARK_S)
    assert stream.blocked[-1] > stream.blocked[1]
    assert timer.details()["launch_s"] == pytest.approx(2e-3)


def test_gaps_that_no_block_covers_are_said():
    stream = Stream()

    def waits():  # as a call does that copies its result to the host
        stream.queue("kernel", 1e-6)
        stream.synchronize()

    timer = timer_on(stream)
    timer.time(waits, 100)
    details = timer.details()
    assert details["launch gaps"] is True
    assert "launch_s" not in details  # the wait is not a launch
    assert max(stream.blocked) <= LONGEST_BLOCK_S
    stream.blocked.clear()
    timer.time(waits, 100)
    assert len(stream.blocked) == 100  # what no block covers is not tried again


def test_calls_of_more_kernels_than_a_queue_holds_are_taken_a_few_at_a_time():
    stream = Stream()

    def call():  # 64 of them would fill the queue behind the block, and the host would wait for it
        for _ in range(40):
            stream.queue("kernel", 1e-6)

    timer = timer_on(stream)
    assert timer.time(call, 64) / 64 == pytest.approx(40e-6, rel=0.01)
    details = timer.details()
    assert "launch gaps" not in details
    assert details["launch_s"] == pytest.approx(40 * stream.launch_s)


def test_a_flush_comes_before_each_cold_call_and_outside_of_its_time():
    stream = Stream()
    timer = timer_on(stream, cold=True)
    stream.ran.clear()
    found = timer.time(stream.kernel(30e-6), 3)
    assert found == pytest.approx(3 * (30e-6 + MARK_S))
    assert stream.ran == ["block", *(["flush", "mark", "kernel", "mark"] * 3)]


@pytest.mark.parametrize("cold", [False, True])
def test_a_queue_is_never_longer_than_it_can_be(cold):
    stream = Stream()
    timer = timer_on(stream, cold=cold)
    stream.ran.clear()
    timer.time(stream.kernel(30e-6), 500)
    blocks = [list(group) for of, group in itertools.groupby(stream.ran, "block".__eq__) if not of]
    # The first stretch may be taken again: what queueing costs is not known yet.
    assert 500 <= sum(items.count("kernel") for items in blocks) <= 500 + 64
    assert max(map(len, blocks)) <= 4 * 64


def test_what_marks_cost_and_their_step_is_measured_and_stored():
    timer = timer_on(Stream())
    details = timer.details()
    assert details["clock"] == EVENTS
    assert details["clock overhead_s"] == pytest.approx(MARK_S)
    assert details["clock resolution_s"] >= MARK_S


class TestCasesThatFitTheCache:
    def test_a_hot_one_is_timed_by_a_graph_of_its_calls(self):
        stream = Stream()
        timer = timer_on(stream)
        run = stream.kernel(3e-6)
        assert timer.settle(run, no_copies, 1 << 10, "") is run
        assert timer.clock == GRAPH
        stream.ran.clear()
        found = timer.time(run, 50) / 50
        assert found == pytest.approx(3e-6 + MARK_S / 50)
        # Replayed once untimed, then between two marks, with the block before the first.
        assert stream.ran == ["kernel"] * 50 + ["block", "mark"] + ["kernel"] * 50 + ["mark"]

    def test_a_cold_one_takes_turns_on_more_inputs_than_the_cache_holds(self):
        stream = Stream()
        timer = timer_on(stream, cold=True)
        made = []

        def copies(count):
            made.append(count)
            return [stream.kernel(3e-6, f"copy {number}") for number in range(count)]

        moved = 4 << 20
        turn = timer.settle(stream.kernel(3e-6, "first"), copies, moved, "")
        count = made[0] + 1
        assert (count - 1) * moved >= 5 * CACHE
        stream.ran.clear()
        found = timer.time(turn, 10) / 10
        names = [name for name in stream.ran if name not in ("block", "mark")]
        assert len(names) == 2 * count  # no fewer than there are inputs, twice
        assert all(names[i] != name for i, name in enumerate(names[1:]))
        calls = 3 * count - 1  # no copy is called more often than another
        timer.time(turn, calls)
        for name in ("first", f"copy {count - 2}"):
            assert stream.ran.count(name) == 2 + 2 * 3
        assert len(set(names)) == count
        assert found == pytest.approx(3e-6 + MARK_S / count)
        assert "flush" not in stream.ran
        assert timer.details()["rotated inputs"] == count

    def test_a_set_too_small_to_leave_the_cache_in_turns_is_flushed(self):
        stream = Stream()
        timer = timer_on(stream, cold=True)
        run = stream.kernel(3e-6)
        assert timer.settle(run, no_copies, 5 * CACHE // MOST_COPIES // 2, "") is run
        assert timer.clock == EVENTS

    @pytest.mark.parametrize("kernel_s", [1e-6, 1e-3])
    @pytest.mark.parametrize(("moved", "clock"), [(CACHE, GRAPH), (CACHE + 1, EVENTS)])
    def test_the_case_decides_the_clock_and_not_how_fast_a_row_is(self, kernel_s, moved, clock):
        stream = Stream()
        timer = timer_on(stream)
        timer.settle(stream.kernel(kernel_s), no_copies, moved, "")
        assert timer.clock == clock

    @pytest.mark.parametrize(("chosen", "moved"), [(EVENTS, 1 << 20), (GRAPH, 2 * CACHE)])
    def test_a_later_process_keeps_to_what_the_first_one_chose(self, chosen, moved):
        stream = Stream()
        timer = timer_on(stream)
        timer.settle(stream.kernel(1e-6), no_copies, moved, chosen)
        assert timer.clock == chosen

    def test_the_outputs_of_a_whole_turn_are_alive_together(self):
        """What is let go is handed to the next call, and would be warm."""

        class Result:
            pass

        stream, results = Stream(), []
        kernel = stream.kernel(3e-6)

        def call():
            kernel()
            result = Result()
            results.append(weakref.ref(result))
            return result

        timer = timer_on(stream, cold=True)
        turn = timer.settle(call, lambda count: [call] * count, CACHE, "")
        for _ in range(20):
            turn()
        assert sum(result() is not None for result in results[-6:]) == 6

    def test_a_graph_that_takes_long_to_launch_is_blocked_for_as_long(self):
        stream = Stream()
        timer = timer_on(stream)
        run = timer.settle(stream.kernel(3e-6), no_copies, 1 << 10, "")
        stream.launch_s = 5e-3
        assert timer.time(run, 100) == pytest.approx(100 * 3e-6 + MARK_S)
        assert "launch gaps" not in timer.details()

    def test_what_the_host_pays_for_a_launch_is_known_beside_a_graph(self):
        stream = Stream(launch_s=7e-6)
        timer = timer_on(stream)
        timer.settle(stream.kernel(3e-6), no_copies, 1 << 10, "")
        assert timer.details()["launch_s"] == pytest.approx(7e-6)

    def test_what_cannot_be_captured_is_timed_by_events(self):
        stream = Stream()

        def refuse(call, times):
            raise RuntimeError("operation not permitted when stream is capturing")

        stream.capture = refuse
        timer = timer_on(stream)
        run = stream.kernel(1e-6)
        assert timer.settle(run, no_copies, 1 << 20, "") is run
        assert timer.clock == EVENTS
        with pytest.raises(RuntimeError, match=r"timed by a graph before, .* when stream"):
            timer.settle(run, no_copies, 1 << 20, GRAPH)

    def test_work_that_a_graph_does_not_catch_is_timed_by_events(self):
        stream = Stream()

        def elsewhere():  # as on another stream, which a capture lets run at once
            if stream.capturing is None:
                stream.queue("kernel", 5e-6)

        timer = timer_on(stream)
        assert timer.settle(elsewhere, no_copies, 1 << 20, "") is elsewhere
        assert timer.clock == EVENTS

    def test_another_number_of_calls_is_captured_anew(self):
        stream = Stream()
        timer = timer_on(stream)
        run = timer.settle(stream.kernel(3e-6), no_copies, 1 << 10, "")
        for calls in (10, 20, 10):
            assert timer.time(run, calls) == pytest.approx(calls * 3e-6 + MARK_S)
