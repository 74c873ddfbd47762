"""Laws of histories."""

from datetime import UTC, datetime, timedelta

import factories
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnbench.judge.history import history
from lnbench.judge.reading import condense
from lnbench.judge.verdict import Verdict
from lnbench.record.environment import Device
from lnbench.record.revision import Revision

COUNT = 24


def reading(number, rows, **fields):
    outcomes = [factories.measured(name, time, seed=number) for name, time in rows.items()]
    report = factories.report(*outcomes, environment=factories.environment(**fields))
    created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
    revision = Revision(f"{number:040x}", dirty=False)
    return condense(msgspec.structs.replace(report, created=created, revision=revision))


def series(place=COUNT, factor=1.0, copy_factor=1.0, count=COUNT):
    return [
        reading(
            i,
            {
                "triton": 1e-3 * (factor if i >= place else 1),
                "copy": 5e-4 * (copy_factor if i >= place else 1),
            },
        )
        for i in range(count)
    ]


def changes(readings):
    shown = history(readings)
    return [
        (change.place, change.verdict)
        for line in shown.lines
        for row in line.rows
        for change in row.changes
    ]


@settings(max_examples=25)
@given(st.integers(2, COUNT - 2), st.sampled_from([1.15, 1.3]))
def test_a_step_is_shown_where_it_is_and_mirrored_where_time_is_reversed(place, factor):
    readings = series(place, factor)
    assert changes(readings) == [(place, Verdict.REGRESSED)]
    assert changes(readings[::-1]) == [(COUNT - place, Verdict.IMPROVED)]


@pytest.mark.parametrize("factor", [1.0, 1.03])
def test_what_stays_within_the_threshold_is_no_change(factor):
    assert changes(series(12, factor)) == []


def test_the_interval_of_a_change_holds_its_size():
    (row,) = (row for row in history(series(12, 1.2)).lines[0].rows if row.changes)
    ratio = row.changes[0].ratio
    assert ratio.low < 1.2 < ratio.high
    assert ratio.value == pytest.approx(1.2, abs=0.02)


@pytest.mark.parametrize("copy_factor", [1.1, 1.15, 1.2])
def test_a_machine_that_slows_down_with_its_copy_is_no_change(copy_factor):
    assert changes(series(12, 1.15, copy_factor)) == []


def test_slow_hours_before_a_step_do_not_move_it():
    readings = series(12, 1.2)
    for place in (10, 11):
        readings[place] = reading(place, {"triton": 1.2e-3, "copy": 6e-4})
    assert changes(readings) == [(12, Verdict.REGRESSED)]


@pytest.mark.parametrize("seed", range(10))
def test_reports_that_wander_more_than_their_passes_show_no_change(seed):
    luck = np.random.default_rng(seed).normal(0, 0.06, COUNT)
    readings = [reading(i, {"triton": 1e-3 * np.exp(log)}) for i, log in enumerate(luck)]
    assert changes(readings) == []


@pytest.mark.parametrize("copy_factor", [0.7, 1.4])
def test_a_copy_that_moves_alone_is_no_change_of_anything(copy_factor):
    assert changes(series(12, 1.0, copy_factor)) == []


def test_the_last_report_alone_shows_no_change_and_the_second_confirms_it():
    assert changes(series(COUNT - 1, 1.5)) == []
    assert changes(series(COUNT - 2, 1.5)) == [(COUNT - 2, Verdict.REGRESSED)]


def test_a_slow_hour_is_no_change():
    readings = series()
    readings[10] = reading(10, {"triton": 2e-3, "copy": 5e-4})
    assert changes(readings) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"machine_id": "another"},
        {"threads": 1},
        {"packages": {"numpy": "2.4.0", "torch": "2.12.0"}},
        {"devices": {"cuda:0": Device("H200")}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_another_environment_begins_a_line_and_is_no_change(fields):
    before = [reading(i, {"triton": 1e-3}) for i in range(12)]
    after = [reading(i, {"triton": 2e-3}, **fields) for i in range(12, 24)]
    shown = history([*before, *after])
    assert [len(line.readings) for line in shown.lines] == [12, 12]
    assert changes([*before, *after]) == []


def test_the_level_is_alpha_shared_by_every_split_that_could_be_proposed():
    few, more = history(series()), history(series(count=2 * COUNT))
    assert few.rule.level == 0.01 / few.looks
    assert few.looks == 2 * (COUNT - 3)  # of the copy nothing is asked
    assert more.looks == 2 * (2 * COUNT - 3)


def test_a_copy_of_a_report_is_no_evidence():
    readings = series(COUNT - 1, 1.5)
    copies = [msgspec.structs.replace(readings[-1]) for _ in range(3)]
    assert changes([*readings, *copies]) == []


def test_a_missing_row_is_a_gap_and_hides_no_step():
    readings = series(12, 1.3)
    for place in (3, 11, 12, 20):
        readings[place] = reading(place, {"copy": 5e-4})
    shown = next(row for row in history(readings).lines[0].rows if row.changes)
    assert [i for i, time in enumerate(shown.times) if time is None] == [3, 11, 12, 20]
    assert [change.place for change in shown.changes] == [13]


def test_two_steps_are_two_changes():
    times = np.repeat([1e-3, 1.3e-3, 1.1e-3], 12)
    readings = [reading(i, {"triton": time, "copy": 5e-4}) for i, time in enumerate(times)]
    assert changes(readings) == [(12, Verdict.REGRESSED), (24, Verdict.IMPROVED)]
