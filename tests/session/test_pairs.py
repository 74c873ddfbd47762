"""Pairs of processes: who is started first, when a row ends, and what a failure costs."""

import msgspec
import pytest

from lnbench.plan.budget import Budget
from lnbench.plan.case import Benchmark, Case, Direction, DType
from lnbench.record.outcome import Failed, Measured, Stopped
from lnbench.session import session
from lnbench.session.group import SIDES, Planned
from lnbench.session.stopping import PairStopping
from lnbench.workers import launcher


def pair(baseline="plain", candidate="plain", columns=64):
    case = Case("layernorm", Direction.FORWARD, (8, columns), DType.FLOAT32, "cpu")
    return Benchmark(case, baseline), Benchmark(case, candidate)


@pytest.fixture
def run(pairs):
    """Return the outcomes of a session of pairs."""

    def ended(*arguments, **options):
        *_, last = pairs(*arguments, **options)
        return last.outcomes

    return ended


@pytest.fixture
def brief(setting):
    return msgspec.structs.replace(setting, budget=Budget(rounds=2, time_s=600, timeout_s=60))


def test_the_side_that_is_started_first_is_drawn_for_every_pair(brief, monkeypatch, run):
    order = []
    start = launcher.Nursery.start

    def noted(self, log):
        order.append(log.stem.rpartition("-")[0] or log.stem)
        return start(self, log)

    monkeypatch.setattr(launcher.Nursery, "start", noted)
    run([pair()], brief, looks=(16,))

    firsts = [name for name in order if name != "referee"][::2]
    assert set(firsts) == {"baseline-plain", "candidate-plain"}


def test_a_decided_row_stops_at_a_look_and_the_others_go_on(brief, run):
    def decide(baseline, candidate):
        return baseline.benchmark.case.columns == 64

    found = run([pair(columns=64), pair(columns=32)], brief, (2, 3, 5), decide)

    ended = {each.benchmark.case.columns: (each.stopped, len(each.times_s)) for each in found}
    assert ended == {64: (Stopped.DECIDED, 2), 32: (Stopped.PASSES, 5)}


def test_between_looks_nobody_looks(brief, run):
    seen = []

    def decide(baseline, candidate):
        seen.append(len(baseline.times_s))
        return False

    run([pair()], brief, (2, 4), decide)
    assert seen == [2, 4]


def test_a_row_that_has_had_its_time_is_looked_at_once_more(setting, run):
    brief = msgspec.structs.replace(setting, budget=Budget(rounds=2, time_s=1e-6, timeout_s=60))
    seen = []
    found = run([pair()], brief, (16,), lambda one, other: bool(seen.append(len(one.times_s))))
    assert seen == [2], "its first pass, which also compiles, is left out"
    assert {each.stopped for each in found} == {Stopped.TIME}


def test_a_side_that_fails_ends_its_row_and_no_other(brief, run):
    found = run([pair("plain", "wrong"), pair("plain", "plain", columns=32)], brief, (2,))
    kinds = {(each.benchmark.case.columns, each.side): type(each) for each in found}
    assert kinds == {
        (64, "baseline"): Measured,
        (64, "candidate"): Failed,
        (32, "baseline"): Measured,
        (32, "candidate"): Measured,
    }


def test_both_sides_take_part_in_every_round(brief, run):
    first, other = run([pair()], brief, (3,))
    assert first.rounds == other.rounds == ((0, 1),) * 3


def test_both_sides_of_a_benchmark_take_samples_of_the_same_number_of_calls(brief, run):
    for columns in range(16, 96, 16):
        first, other = run([pair(columns=columns)], brief, (1,))
        assert first.iterations == other.iterations > 1


def test_a_session_goes_on_where_one_was_cut_short(brief, run, pairs):
    rows = [pair(columns=64), pair(columns=32)]
    begun = pairs(rows, brief, (2, 4), lambda one, _: one.benchmark.case.columns == 64)
    cut = next(
        progress.outcomes
        for progress in begun
        if {each.benchmark.case.columns: len(each.times_s) for each in progress.outcomes}
        == {64: 2, 32: 3}
    )
    begun.close()

    found = run(rows, brief, (2, 4), resume=cut)

    for before, after in zip(cut, found, strict=True):
        assert after.times_s[: len(before.times_s)] == before.times_s
        assert after.side == before.side
    ended = {each.benchmark.case.columns: (each.stopped, len(each.times_s)) for each in found}
    assert ended == {64: (Stopped.DECIDED, 2), 32: (Stopped.PASSES, 4)}


def test_a_session_that_goes_on_draws_other_orders(brief, run):
    def orders(resume, passes):
        own = launcher.Interpreter({})
        groups = [tuple(map(Planned, pair(), SIDES))]
        stopping = PairStopping(lambda *_: False, (passes,), brief.budget)
        interpreters = dict.fromkeys(("", *SIDES), own)
        begun = session._Session(groups, interpreters, brief, stopping, resume)
        return [begun._rng.random() for _ in range(4)]

    first = run([pair()], brief, (2,))
    assert orders((), 9) == orders((), 9)
    assert orders(first, 9) != orders((), 9)
