"""The clock of a CUDA device: events around queued work, and a captured graph for small cases.

No launch gap is timed: all launches of a stretch are queued behind a block before the first of
them may start, and a stretch whose block was too short is taken again (as nvbench does). A cold
iteration is preceded by a flush, outside of its events. A case that fits the cache is captured many
times into one graph, since events and launches weigh in so short a time; to be cold there, its
calls take turns on more inputs than the cache holds (triton-lang/triton#8384: a replay on the same
inputs measures the cache). The case alone decides, so that all of its rows have one clock.
"""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lnbench.measure.stream import Stream

EVENTS, GRAPH = "cuda events", "cuda graph"
"""The two ways; the first process of a row finds which one suits, later ones keep to it."""

MOST_COPIES = 1024
"""Most sets of inputs that take turns; a smaller set is flushed and timed by events."""

LONGEST_BLOCK_S = 0.05
"""A call that no block covers waits for the device itself: a longer block is longer waited for."""

_ROTATED_CACHES = 5  # before an input comes round again, five times the cache has gone by
_MOST_QUEUED = {False: 64, True: 32}  # calls behind one block, hot and cold: a queue is finite
_TRIES = 4
_PAIRS = 64  # of marks with nothing between them, to measure what they cost
_FIRST_GUESS_S = 1e-4  # of the host for a call, until that has been measured
_SLACK = 1.5
_LEAST_STEP_S = 1e-9
_LEAST_SHARE = 0.1  # of the time by events: a graph that takes less has caught little of the work

Call = Callable[[], object]


class CudaTimer:
    """Times a routine on one stream."""

    def __init__(
        self, stream: Stream, *, cold: bool, host: Callable[[], float] = time.perf_counter
    ) -> None:
        self._stream, self._cold, self._host = stream, cold, host
        self.clock = EVENTS
        self._launch_s: float | None = None
        self._queueing_s = _FIRST_GUESS_S  # of the host for a call, its marks and its flush
        self._launching_s = 0.0
        self._most = _MOST_QUEUED[cold]
        self._gaps = False
        self._copies = 1
        self._graph: tuple[int, Call, list[object]] = (0, self.synchronize, [None])
        self._last: object = None  # results of the last timed call
        self._overhead_s, step_s = self._cost_of_marks()
        self.resolution_s = max(self._overhead_s + step_s, _LEAST_STEP_S)

    def synchronize(self) -> None:
        """Wait until the device has done all that it was asked."""
        self._stream.synchronize()

    def settle(
        self, run: Call, copies: Callable[[int], Sequence[Call]], moved_bytes: int, clock: str
    ) -> Call:
        """Choose how a routine is timed, and return what is to be timed.

        Args:
            run: the routine; it has run before, so that nothing is left to compile.
            copies: makes that many more routines like it, each on inputs of its own.
            moved_bytes: what one call of the case reads and writes.
            clock: what an earlier process of the row chose, or empty to choose.

        Raises:
            RuntimeError: what an earlier process captured cannot be captured here.
        """
        count = self._copies_for(moved_bytes)
        small = moved_bytes <= self._stream.cache_bytes and count <= MOST_COPIES
        if clock == EVENTS or not (small or clock == GRAPH):
            return run
        # What a launch costs the host, which a replay does not show; and what it must not undercut.
        by_events = self.time(run, self._most) / self._most
        turn = run if count == 1 else _in_turn([run, *copies(count - 1)])
        try:
            replay = self._stream.capture(turn, count)
            replay()
            self._stream.synchronize()  # before the graph is let go: it is still at work
        # What synchronizes or allocates in its own way cannot be captured: events will do.
        except Exception as error:
            if clock == GRAPH:
                raise RuntimeError(f"timed by a graph before, not captured now: {error}") from error
            return run
        self.clock, self._copies = GRAPH, count
        calls = max(count, self._most)
        if self.time(turn, calls) / calls < _LEAST_SHARE * by_events:
            self.clock, self._copies = EVENTS, 1
            return run
        return turn

    def sample(self, run: Call, iterations: int) -> tuple[float, object]:
        """Return the seconds of `iterations` calls, and what the last of them returned.

        What a graph writes stays where it was captured.
        """
        seconds = self._seconds(run, iterations)
        results, self._last = self._last, None
        return seconds, self._graph[2][0] if self.clock == GRAPH else results

    def time(self, run: Call, iterations: int) -> float:
        """Return the seconds of `iterations` calls on the device."""
        return self.sample(run, iterations)[0]

    def _seconds(self, run: Call, iterations: int) -> float:
        if self.clock == GRAPH and iterations:
            return self._replayed(run, iterations)
        seconds, left = 0.0, iterations
        while left:
            calls = min(self._most, left)
            taken = self._uncovered(run, calls) if self._gaps else self._covered(run, calls)
            if taken is None:
                # Calls of many kernels fill the device's queue, and the host waits: take fewer.
                self._gaps, self._most = calls == 1, max(1, calls // 2)
                continue
            seconds, left = seconds + taken, left - calls
        return seconds

    def details(self) -> dict[str, str | float | bool]:
        """Return what the report says of this clock; seconds of the host for one launch too."""
        details: dict[str, str | float | bool] = {
            "clock": self.clock,
            "clock resolution_s": self.resolution_s,
            "clock overhead_s": self._overhead_s,
        }
        if self._launch_s is not None:
            details["launch_s"] = self._launch_s
        if self._copies > 1:
            details["rotated inputs"] = self._copies
        return details | {"launch gaps": True} if self._gaps else details

    def _copies_for(self, moved_bytes: int) -> int:
        """Return how many sets of inputs take turns, so that each is cold when its turn comes."""
        if not self._cold:
            return 1
        return math.ceil(_ROTATED_CACHES * self._stream.cache_bytes / max(1, moved_bytes)) + 1

    def _replayed(self, run: Call, iterations: int) -> float:
        """Return the seconds of a graph of that many calls, of which each copy has as many."""
        calls = math.ceil(iterations / self._copies) * self._copies
        if self._graph[0] != calls:
            last: list[object] = [None]

            def call() -> None:
                last[0] = None
                last[0] = run()

            self._graph = (calls, self._stream.capture(call, calls), last)
        replay = self._graph[1]
        begin = self._host()
        replay()  # hot, what is in the cache is there after it; cold, each input is gone again
        host_s = self._host() - begin

        def marked() -> Iterator[tuple[Any, Any]]:
            start = self._stream.mark()
            replay()
            yield start, self._stream.mark()

        seconds, _, covered = self._behind_blocks(marked, _SLACK * host_s + _FIRST_GUESS_S)
        self._gaps = self._gaps or not covered
        return seconds * iterations / calls

    def _covered(self, run: Call, calls: int) -> float | None:
        """Return the seconds of queued calls; None where no block lasts until all are queued."""
        block_s = _SLACK * self._queueing_s * calls + _FIRST_GUESS_S
        seconds, host_s, covered = self._behind_blocks(lambda: self._stretches(run, calls), block_s)
        if not covered:
            return None
        self._launch_s, self._queueing_s = self._launching_s / calls, host_s / calls
        return seconds

    def _uncovered(self, run: Call, calls: int) -> float:
        """Return the seconds of calls that wait for the device themselves, gaps and all."""
        return self._queued(lambda: self._stretches(run, calls), _FIRST_GUESS_S)[0]

    def _behind_blocks(
        self, stretches: Callable[[], Iterator[tuple[Any, Any]]], block_s: float
    ) -> tuple[float, float, bool]:
        """Return as `_queued` does, after longer blocks where one ended too early."""
        for _ in range(_TRIES):
            seconds, host_s, covered = self._queued(stretches, min(block_s, LONGEST_BLOCK_S))
            # Where launches are far ahead of the device anyway, it never waited for one.
            if covered or host_s <= seconds / 2:
                return seconds, host_s, True
            block_s = 2 * max(block_s, host_s)
        return seconds, host_s, False

    def _queued(
        self, stretches: Callable[[], Iterator[tuple[Any, Any]]], block_s: float
    ) -> tuple[float, float, bool]:
        """Return the device's seconds, the host's, and whether all was queued before it began."""
        stream = self._stream
        stream.block(block_s)
        begin, self._launching_s = self._host(), 0.0
        marks = list(stretches())
        host_s = self._host() - begin
        covered = not stream.reached(marks[0][0])
        stream.synchronize()
        return sum(stream.seconds(start, end) for start, end in marks), host_s, covered

    def _stretches(self, run: Call, calls: int) -> Iterator[tuple[Any, Any]]:
        """Queue the calls between marks: one pair around all, or cold, one around each."""
        stream = self._stream
        stretches, repeats = (calls, 1) if self._cold else (1, calls)
        for _ in range(stretches):
            if self._cold:
                stream.flush()
            start, begin = stream.mark(), self._host()
            self._last = None
            for _ in itertools.repeat(None, repeats - 1):
                run()
            self._last = run()
            self._launching_s += self._host() - begin
            yield start, stream.mark()

    def _cost_of_marks(self) -> tuple[float, float]:
        """Return the seconds between two marks with nothing between, and the clock's step."""
        self._stream.block(_FIRST_GUESS_S * _PAIRS)
        pairs = [(self._stream.mark(), self._stream.mark()) for _ in range(_PAIRS)]
        self._stream.synchronize()
        costs = sorted(self._stream.seconds(start, end) for start, end in pairs)
        steps = [after - before for before, after in itertools.pairwise(costs) if after > before]
        return statistics.median(costs), min(steps, default=0.0)


def _in_turn(runs: Sequence[Call]) -> Call:
    """Return a call that makes one of many, another each time.

    Each one's last result is held: outputs that were let go would be handed to the next call, warm.
    """
    turns = itertools.cycle(range(len(runs)))
    held: list[object] = [None] * len(runs)

    def turn() -> object:
        number = next(turns)
        held[number] = runs[number]()
        return held[number]

    return turn
