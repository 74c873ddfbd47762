"""The session's own clock beside a worker's: what contradicts it, and what noise may do."""

import pytest

from lnbench.measure import messages
from lnbench.plan.case import Benchmark, Case, Direction, DType
from lnbench.session.ledger import Ledger
from lnbench.session.second_clock import _contradiction, sample_problem

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
    found = _contradiction(said_s, passed_s, cpu_s, threads)
    assert words in found
    assert bool(found) == bool(words)


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
