"""Who is fastest: only what is shown, whatever the order of the rows."""

import itertools

import pytest
from factories import measured

from lnbench.judge.ranking import rank
from lnbench.plan.case import Work

PASSES_NEEDED = {1: 6, 2: 7, 3: 7, 4: 8, 5: 8}


def rows(*times_s, passes=12, noise=0.01, seed=0):
    names = ("numpy", "numba", "triton", "torch-eager", "torch-compile", "onnxruntime")
    return [
        measured(name, time_s, passes=passes, noise=noise, seed=seed)
        for name, time_s in zip(names, times_s, strict=False)
    ]


@pytest.mark.parametrize(("others", "needed"), PASSES_NEEDED.items())
def test_the_more_others_the_more_passes_it_takes(others, needed):
    times_s = [1e-3] + [9e-3] * others

    assert rank(rows(*times_s, passes=needed)).best == ("numpy",)
    few = rank(rows(*times_s, passes=needed - 1))
    assert (few.best, few.fastest, few.needed) == ((), "", needed)
    assert set(few.unknown.values()) == {needed - 1}


def test_whoever_is_not_shown_slower_is_best_beside_the_fastest():
    found = rank(rows(1e-3, 1.0e-3, 2e-3, noise=0.05, seed=1))
    assert set(found.best) == {"numpy", "numba"}
    assert list(found.slower) == ["triton"]
    ratio = found.slower["triton"]
    assert 1.5 < ratio.low < ratio.value < ratio.high < 2.5


def test_where_nobody_is_shown_slower_nobody_is_best():
    found = rank(rows(1e-3, 1.0e-3, noise=0.05, seed=1))
    assert found.equal
    assert found.best == ()


def test_a_row_of_few_passes_is_neither_fastest_nor_slower():
    quick = measured("triton", 1e-6, passes=1)
    found = rank([*rows(1e-3, 2e-3), quick])
    assert found.best == ("numpy",)
    assert found.unknown == {"triton": 1}


def test_a_row_that_shares_no_pass_with_the_fastest_is_unknown():
    ends = [(1e-3,) * 10] * 8
    early = measured("numpy", times_s=[*ends, *[()] * 8], rounds=(*[range(10)] * 8, *[()] * 8))
    late = measured("triton", times_s=[*[()] * 8, *ends], rounds=(*[()] * 8, *[range(10)] * 8))
    found = rank([early, late])
    assert found.best == ()
    assert found.unknown == {"numpy": 8, "triton": 0}


def test_the_order_of_the_rows_does_not_matter():
    given = [*rows(1e-3, 1e-3, 2e-3, 3e-3, noise=0.05), measured("onnxruntime", passes=3)]
    found = {repr(rank(order)) for order in itertools.permutations(given)}
    assert len(found) == 1


def test_the_fastest_is_told_by_the_passes_that_both_have():
    # The machine slowed down eightfold after four passes, when only numpy had passes left.
    steady = measured("triton", times_s=[(1.1e-3,) * 4] * 8)
    drifted = measured("numpy", times_s=[(1e-3,) * 4] * 8 + [(8e-3,) * 4] * 20, work=Work(8, 0))
    assert rank([steady, drifted]).fastest == "numpy"
