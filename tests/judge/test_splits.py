"""Laws of where a series may have changed its level."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.judge.splits import FEWEST, PENALTY, propose, scatter, sharpened

NOISE = np.random.default_rng(0).normal(0, 0.01, 60)


def cost(values, splits, penalty):
    parts = np.split(values, splits)
    return sum(((part - part.mean()) ** 2).sum() for part in parts) + penalty * len(splits)


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=10))
def test_no_other_splits_cost_less(listed):
    values = np.array(listed)
    middles = [sorted(listed[i : i + 3])[1] for i in range(len(listed) - 2)]
    smooth = np.array([middles[0], *middles, middles[-1]])
    penalty = PENALTY * scatter(values) ** 2 * math.log(len(values))
    places = range(FEWEST, len(values) - FEWEST + 1)
    every = itertools.chain.from_iterable(itertools.combinations(places, n) for n in range(5))
    allowed = (s for s in every if all(b - a >= FEWEST for a, b in itertools.pairwise(s)))
    least = min(cost(smooth, s, penalty) for s in allowed)
    assert cost(smooth, propose(values), penalty) == pytest.approx(least, abs=1e-9)


@given(st.integers(4, 56), st.sampled_from([-0.2, 0.1, 0.3]))
def test_a_clear_step_is_proposed_where_it_is(place, size):
    values = NOISE.copy()
    values[place:] += size
    assert place in propose(values)


@given(st.integers(0, 59), st.floats(-3, 3))
def test_one_value_alone_is_never_a_level(place, size):
    values = np.zeros(60)
    values[place] += size
    assert propose(values) == []


@pytest.mark.parametrize("count", range(4))
def test_few_values_have_no_split(count):
    assert propose(np.arange(count) * 9.0) == []


@given(st.integers(2, 58), st.integers(2, 58))
def test_a_split_beside_the_step_moves_to_it(place, guess):
    values = np.where(np.arange(60) < place, 0.0, 0.2)
    if 2 * place - 60 < guess < 2 * place:  # else one side's median is of the other level
        assert sharpened(values, 0, guess, 60) == place
