"""When a row of a run has had enough: not before a diff can judge it."""

import pytest
from factories import measured

from lnbench.plan.budget import Budget
from lnbench.record.outcome import Stopped
from lnbench.session.group import Group, Planned
from lnbench.session.stopping import RowStopping

BUDGET = Budget(passes=8, time_s=1e-6)


def looked_at(passes, least, *, budget=BUDGET, precise=False, stopped=None, lost=0):
    """Return the rows of a case with so many passes, `copy` last, after a look."""
    times = [(1e-3,)] * passes + [()] * lost
    outcomes = {
        (row.benchmark, ""): row
        for row in (measured(name, times_s=times, stopped=stopped) for name in ("numpy", "copy"))
    }
    group = Group([Planned(benchmark) for benchmark, _ in outcomes], outcomes)
    RowStopping(lambda *_: precise, budget, least).look(group, last=False)
    return [row.stopped for row in group.rows]


@pytest.mark.parametrize("precise", [False, True])
def test_neither_time_nor_precision_stops_a_row_before_its_least_passes(precise):
    assert looked_at(4, 5, precise=precise) == [None, None]
    why = Stopped.PRECISION if precise else Stopped.TIME
    assert looked_at(5, 5, precise=precise) == [why, why]


def test_lost_passes_are_not_among_the_least():
    assert looked_at(4, 5, lost=1) == [None, None]


def test_the_passes_of_the_budget_end_a_row_whatever_is_least():
    assert looked_at(7, 20) == [None, None]
    assert looked_at(8, 20) == [Stopped.PASSES] * 2


@pytest.mark.parametrize("stopped", [Stopped.TIME, Stopped.PRECISION])
def test_a_row_that_stopped_too_early_goes_on_and_its_copy_beside_it(stopped):
    assert looked_at(3, 5, stopped=stopped) == [None, None]
    assert looked_at(5, 5, stopped=stopped) == [stopped, stopped]


def test_a_row_that_has_had_its_passes_does_not_go_on():
    assert looked_at(3, 5, stopped=Stopped.PASSES, budget=Budget(passes=3)) == [Stopped.PASSES] * 2
