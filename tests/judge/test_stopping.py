"""When a row may stop."""

import pytest
from factories import measured

from lnbench.judge.stopping import precise
from lnbench.plan.budget import PASSES_FOR_PRECISION, Budget

BUDGET = Budget(precision=0.05, passes=12)


def passes(count, noise=0.01):
    return measured(passes=count, noise=noise).times_s


def test_a_quiet_row_stops_once_it_has_the_passes_that_a_diff_needs():
    assert not precise(passes(PASSES_FOR_PRECISION - 1), BUDGET)
    assert precise(passes(PASSES_FOR_PRECISION), BUDGET)


def test_lost_passes_do_not_count():
    assert not precise((*passes(PASSES_FOR_PRECISION - 1), (), ()), BUDGET)


def test_a_noisy_row_goes_on():
    assert not precise(passes(12, noise=0.2), BUDGET)


def test_a_small_budget_asks_for_no_more_passes_than_it_allows():
    assert precise(passes(6), Budget(precision=0.05, passes=6))


@pytest.mark.parametrize("count", range(1, 6))
def test_passes_too_few_for_an_interval_are_never_precise(count):
    assert not precise(passes(count, noise=0), Budget(passes=count))


def test_no_pass_at_all_is_not_precise():
    assert not precise((), BUDGET)
    assert not precise(((), ()), Budget(passes=1))


def test_precision_is_half_of_the_interval():
    # The interval of 12 passes leaves out the 13 smallest Walsh averages: [e^-0.04, e^0.04] here.
    times = tuple((1.0408107741923882**sign,) for sign in (-1, 1) for _ in range(6))
    assert precise(times, Budget(precision=0.0401))
    assert not precise(times, Budget(precision=0.0399))
