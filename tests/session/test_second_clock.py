"""The session's own clock beside a worker's: what contradicts it, and what noise may do."""

import itertools
import random
from pathlib import Path

import pytest

from lnbench.measure import messages
from lnbench.plan.case import Benchmark, Case, Direction, DType
from lnbench.session import second_clock
from lnbench.session.ledger import Ledger
from lnbench.session.second_clock import (
    _Look,
    _memory_problem,
    _Stretch,
    clock_problem,
    sample_problem,
)
from lnbench.session.taker import Taker

CASE = Case("layernorm", Direction.FORWARD, (64, 512), DType.FLOAT32, "cpu")


@pytest.mark.parametrize(
    ("said_s", "passed_s", "cpu_s", "threads", "words"),
    [
        (6e-3, 6.2e-3, 6.1e-3, 1, ""),
        (6e-3, 7.4e-3, 6.1e-3, 1, ""),  # a message and a process that wakes
        (6e-3, 6.2e-3, 11.5e-3, 2, ""),  # two threads
        (2e-3, 6.1e-3, 6.0e-3, 1, "its clock says 2.00 ms where 6.10 ms passed"),  # a third
        (3e-3, 6.1e-3, 6.0e-3, 1, "where 6.10 ms passed"),  # a half
        (1e-4, 3e-4, 6e-3, 1, "it works on after it has returned"),
        (6e-3, 6.2e-3, 23e-3, 2, "or with more threads"),
    ],
)
def test_a_time_must_agree_with_what_passed_and_with_the_work_of_the_cpus(
    said_s, passed_s, cpu_s, threads, words
):
    stretch = _Stretch(60, claimed_s=said_s, slack_s=1.5e-3)
    found = stretch.contradiction(_Look(passed_s, said_s, cpu_s), threads)
    assert words in found
    assert bool(found) == bool(words)


def test_calls_that_take_longer_beside_the_second_clock_than_in_samples_are_seen():
    honest = _Look(passed_s=6.2e-3, said_s=6e-3, cpu_s=6e-3)

    assert not _Stretch(60, claimed_s=5e-3, slack_s=1.5e-3).contradiction(honest, 1)
    lazy_in_samples = _Stretch(60, claimed_s=6e-4, slack_s=1.5e-3).contradiction(honest, 1)
    assert "its clock says 600 µs where 6.20 ms passed" in lazy_in_samples


@pytest.mark.parametrize(
    ("time_s", "passed_s", "words"),
    [
        (1e-5, 1e-3, ""),
        (2e-3, 1e-3, "its clock says 2.00 ms where 1.00 ms passed"),
        (1e-9, 1e-3, "impossible: 1.00 ns a call"),
        (0.0, 1e-3, "impossible: its clock says 0.0 seconds"),
        (-1.0, 1e-3, "impossible: its clock says -1.0 seconds"),
        (float("nan"), 1e-3, "impossible: its clock says nan seconds"),
        (float("inf"), 1e-3, "impossible: its clock says inf seconds"),
    ],
)
def test_a_sample_that_cannot_be_is_its_rows_failure(time_s, passed_s, words):
    row = Ledger(Benchmark(CASE, "numpy"))
    found = sample_problem(row, messages.Sampled(time_s, 0.0), passed_s)
    assert words in found
    assert bool(found) == bool(words)


class _Scripted:
    """A worker whose looks are given, and then come again."""

    def __init__(self, monkeypatch, *looks, again_s=1e-4):
        given = itertools.cycle(looks)
        self.asked = 0

        def look(*_):
            self.asked += 1
            return next(given)

        monkeypatch.setattr(second_clock, "_look", look)
        monkeypatch.setattr(second_clock, "_sampled_again", lambda *_: again_s)

    def problem(self):
        row = Ledger(Benchmark(CASE, "numpy"))
        row.samples.append({0: messages.Sampled(1e-4, 0.0)})
        row.watched = False
        taker = Taker(row, None, Path(), 1, watched=False, first=True, sums={})
        return clock_problem(taker, CASE, 60, random.Random(0))


WAITED = _Look(passed_s=0.11, said_s=6e-3, cpu_s=6e-3, waited_s=0.104)
QUIET = _Look(passed_s=6.2e-3, said_s=6e-3, cpu_s=6e-3)
SINGLE = [_Look(passed_s=1e-4, said_s=1e-4, cpu_s=1e-4)] * 8


def test_waits_for_a_cpu_are_tried_again_until_one_look_has_none(monkeypatch):
    """Beside fifteen others an honest kernel waits 0.1 s, five times in a row."""
    scripted = _Scripted(monkeypatch, *[WAITED] * 20, QUIET, *SINGLE)

    assert scripted.problem() == ""


def test_work_that_is_no_wait_contradicts(monkeypatch):
    scripted = _Scripted(monkeypatch, WAITED._replace(waited_s=0.0))

    assert "where 110 ms passed" in scripted.problem()
    assert scripted.asked == 5


def test_a_machine_on_which_waits_never_end_accuses_nobody(monkeypatch):
    assert _Scripted(monkeypatch, *[WAITED] * 50, *SINGLE).problem() == ""


def test_a_machine_that_became_slower_accuses_nobody(monkeypatch):
    """Both clocks agree, and a sample that is taken now says the same."""
    slower = _Look(passed_s=2.4e-2, said_s=2.4e-2, cpu_s=2.4e-2)

    assert "where 24.0 ms passed" in _Scripted(monkeypatch, slower).problem()
    assert _Scripted(monkeypatch, slower, *SINGLE, again_s=4e-4).problem() == ""
    assert memory_problem(taker_of((8e-4, 8e-4), sample_s=1e-4)) == ""


def test_four_waits_and_one_look_that_none_explains_are_no_five(monkeypatch):
    stolen = WAITED._replace(waited_s=0.0)
    scripted = _Scripted(monkeypatch, *[WAITED] * 4, stolen, QUIET, *SINGLE)

    assert scripted.problem() == ""


class Answering:
    """A worker that says of single calls what it is told to, try by try, the last for ever."""

    def __init__(self, *tries, again_s):
        self.again_s = again_s
        last = itertools.repeat(tries[-1])
        self.tries, self.asked = itertools.chain(tries, last), []

    def ask(self, request, answer, limit_s):
        if answer is messages.Sampled:
            return answer(self.again_s, 0.0)
        self.asked.append(request)
        new_s, same_s = next(self.tries)
        return answer((new_s,) * 3, (same_s,) * 3, tuple(messages.NewRow(n, {}) for n in NEW))

    def stop(self):
        pass


NEW = tuple(messages.Fresh(row, row) for row in range(3))


def taker_of(*tries, sample_s):
    row = Ledger(Benchmark(CASE, "numpy"))
    row.begin_pass()
    for number in range(3):
        row.sampled(number, messages.Sampled(sample_s, 0.0))
    return Taker(row, Answering(*tries, again_s=sample_s), Path(), 1, True, True, {})


def memory_problem(taker, factor=0.0):
    return _memory_problem(taker, messages.CheckMemory(NEW, factor), random.Random(1), 1.0)


@pytest.mark.parametrize(
    ("tries", "sample_s", "words"),
    [
        ([(2e-4, 2e-4)], 2e-4, ""),
        ([(3e-4, 2e-4)], 2e-4, "300 µs after a row of its inputs is new, and 200 µs after the"),
        ([(3e-4, 2e-4), (2e-4, 2e-4)], 2e-4, ""),  # one busy moment
        ([(2e-4, 2e-4)], 3e-5, "200 µs after a row of its inputs is new, and 30.0 µs in samples"),
        ([(5e-5, 5e-5)], 5e-6, ""),  # threads that had gone to sleep
        ([(9e-4, 9e-4)] * 9 + [(3e-4, 3e-4)], 2e-4, ""),  # and that others kept from waking
        ([(9e-4, 2e-4)], 1e-5, "are kept from call to call"),
        ([(9e-4, 9e-4), (2e-4, 2e-4)], 2e-4, ""),
    ],
)
def test_calls_on_new_values_take_as_long_as_on_old_ones_and_as_samples(tries, sample_s, words):
    found = memory_problem(taker_of(*tries, sample_s=sample_s))

    assert words in found
    assert bool(found) == bool(words)


def test_one_long_sample_hides_no_short_ones():
    taker = taker_of((2e-4, 2e-4), sample_s=3e-5)
    taker.row.sampled(0, messages.Sampled(5e-4, 0.0))

    assert "30.0 µs in samples" in memory_problem(taker)


def test_no_try_gives_values_of_an_earlier_one():
    taker = taker_of((3e-4, 2e-4), sample_s=2e-4)
    assert "all of its inputs are new" in memory_problem(taker, factor=1.0)

    factors = [request.factor for request in taker.worker.asked]
    assert len({*factors}) == len(factors) > 1
    assert all(0.5 <= factor < 1 for factor in factors)


def test_what_single_calls_returned_is_for_the_referee():
    taker = taker_of((2e-4, 2e-4), sample_s=2e-4)
    memory_problem(taker)

    assert [row.fresh for row in taker.rows] == [*NEW, *NEW]  # two tries that were alike
