"""Who says how many bytes a call moves."""

import pytest

from lnbench.judge.regime import PAGE_BYTES
from lnbench.judge.traffic import Source, traffic
from lnbench.plan.case import Work

WORK = Work(1_000_000, 0)


def test_counters_are_believed_before_operators():
    found = traffic(WORK, misses=31_250, operator_bytes=5_000_000, page_faults=900)
    assert (found.source, found.moved, found.ratio) == (Source.COUNTERS, 2_000_000, 2.0)


def test_a_set_that_stays_in_the_cache_moves_less_than_it_must():
    assert traffic(WORK, 100, None, 0).ratio == pytest.approx(0.0064)


def test_operators_are_believed_where_they_do_the_work():
    found = traffic(WORK, None, operator_bytes=4_000_000, page_faults=900)
    assert (found.source, found.ratio) == (Source.OPERATORS, 4.0)


@pytest.mark.parametrize("said", [None, 0, 800_000])
def test_operators_that_leave_the_work_to_compiled_code_are_not(said):
    assert traffic(WORK, None, said, 0).source is Source.UNKNOWN
    assert traffic(WORK, None, said, 10).source is Source.PAGE_FAULTS


def test_a_page_fault_clears_a_page_beside_the_work():
    found = traffic(WORK, None, None, page_faults=100)
    assert found.moved == WORK.bytes_moved + 100 * PAGE_BYTES


def test_less_than_a_fault_a_call_says_nothing():
    found = traffic(WORK, None, None, page_faults=0.4)
    assert (found.source, found.moved, found.ratio) == (Source.UNKNOWN, None, None)


def test_nothing_has_no_ratio():
    assert traffic(Work(0, 0), 10, None, 0).ratio is None
