"""Laws of one side of a diff: its reports, and the units that replicate."""

import numpy as np
import pytest
from factories import environment, measured, report

from lnbench.errors import ReportError
from lnbench.judge.diff import compare
from lnbench.judge.side import describe, distinct, gather, known, units
from lnbench.record.revision import Revision


def constant(name, *times):
    """Return a row of a pass for each time, of three equal samples each; 0 is a lost pass."""
    return measured(name, times_s=[(time,) * 3 if time else () for time in times])


def test_a_side_without_a_report_says_what_to_name():
    with pytest.raises(ReportError) as caught:
        distinct([])
    assert caught.value.message == "a side of the diff has no report"
    assert caught.value.hint == "name at least one for each side"


def test_a_report_counts_once_however_often_it_is_named():
    one, other = report(measured()), report(measured(), day=2)
    assert distinct([one, other, one]) == (one, other)


def test_each_report_is_a_unit_of_its_rows():
    rows = [
        (constant("numpy", 1e-3, 1e-3), constant("numpy", 2e-3, 2e-3)),
        (constant("copy", 4e-3, 4e-3),),
    ]
    found = np.exp(units(rows, by_report=True))
    assert found == pytest.approx(np.array([[1e-3, 2e-3], [4e-3, np.nan]]), nan_ok=True)


def test_each_pass_is_a_unit_in_the_column_of_its_report_and_its_place():
    rows = [
        (constant("numpy", 1e-3, 0, 3e-3), constant("numpy", 5e-3)),
        (constant("copy", 2e-3), constant("copy", 4e-3, 8e-3)),
    ]
    found = units(rows, by_report=False)
    expected = [[1e-3, np.nan, 3e-3, 5e-3, np.nan], [2e-3, np.nan, np.nan, 4e-3, 8e-3]]
    assert np.exp(found) == pytest.approx(np.array(expected), nan_ok=True)
    assert [line.size for line in known(found)] == [3, 3]


def test_no_rows_have_no_units():
    assert units([], by_report=False).size == 0


def test_a_side_is_described_by_its_reports_in_the_order_of_time():
    dirty = Revision("ab" * 20, dirty=True)
    late = report(measured(passes=5), day=9, revision=dirty, suite="ci")
    early = report(measured(passes=3), day=2, revision=Revision("cd" * 20, dirty=False))
    unknown = report(day=4, revision=None)
    side = describe([late, early, unknown])
    assert side.created == (early.created, unknown.created, late.created)
    assert side.commits == ("ab" * 20 + "+", "cd" * 20)
    assert side.suites == ("ci", "quick")
    assert side.passes == 5
    assert describe([unknown]).passes == 0


def test_rows_are_gathered_over_reports():
    first, second = measured(seed=1), measured(seed=2)
    rows = gather([report(first), report(second, day=2)])
    assert rows.measured == {first.benchmark.id: (first, second)}
    assert gather([report(measured(times_s=[()]))]).measured == {}


@pytest.mark.parametrize("order", [1, -1])
def test_every_report_of_a_side_is_held_against_the_other_side(order):
    here, elsewhere = environment(), environment(python="3.14.0")
    two = [
        report(measured(), day=1, environment=here),
        report(measured(), day=2, environment=elsewhere),
    ]
    diff = compare(two[::order], [report(measured(seed=3), day=3, environment=here)])
    assert [each.name for each in diff.environment] == ["python"]
