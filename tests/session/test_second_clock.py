"""The session's own clock beside a worker's: what contradicts it, and what noise may do."""

import pytest

from lnbench.measure import messages
from lnbench.plan.case import Benchmark, Case, Direction, DType
from lnbench.session.ledger import Ledger
from lnbench.session.second_clock import _Look, _Stretch, sample_problem

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
