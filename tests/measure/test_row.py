"""What a session keeps of a row beside its times: the device's counters, and the clock."""

import factories

from lnbench.measure.messages import Prepared, Reading, Sampled
from lnbench.measure.row import Row, restored
from lnbench.plan.case import Work
from lnbench.record.outcome import Agreement, CaveatKind


def prepared(**fields):
    usual = {
        "first_call_s": 0.1,
        "iterations": 3,
        "checksum": 1,
        "agreement": Agreement(()),
        "peak_extra_bytes": 0,
        "work": Work(1, 1),
        "details": {"threads": 1},
    }
    return Prepared(**usual | fields)


def row_of(*readings):
    row = Row(factories.benchmark("numpy"), is_limit=False)
    row.begin_pass()
    row.prepared(prepared())
    row.agreed(Agreement(()), 1)
    for number, reading in enumerate(readings):
        row.sampled(number, Sampled(1e-3, 0.0, reading), on_cpu=False)
    return row


def test_the_state_of_the_device_is_a_median_and_the_hottest():
    readings = [
        Reading(1980, 3201, 40 + i, 100.0 + i, "", others) for i, others in enumerate((0, 2, 1))
    ]
    details = dict(row_of(*readings).outcome().details)
    assert details["sm clock MHz"] == 1980
    assert details["power W"] == 101.0
    assert details["hottest C"] == 42
    assert details["throttled samples"] == 0
    assert details["other processes"] == 2
    assert details["threads"] == 1


def test_a_throttled_sample_is_a_caveat_that_says_why_once():
    slow = Reading(900, 3201, 90, 700.0, "hardware thermal slowdown")
    outcome = row_of(slow, slow, Reading(1980, 3201, 60, 300.0)).outcome()
    (caveat,) = outcome.caveats
    assert (caveat.kind, caveat.detail) == (CaveatKind.THROTTLED, "hardware thermal slowdown")
    assert dict(outcome.details)["throttled samples"] == 2
    assert "other processes" not in dict(outcome.details)


def test_without_counters_nothing_is_said_of_the_device():
    assert dict(row_of(None, None).outcome().details) == {"threads": 1}


def test_the_clock_is_the_one_that_the_first_process_chose():
    row = row_of(None)
    row.prepared(prepared(clock="cuda graph"))
    row.prepared(prepared(clock="cuda events"))
    assert row.clock == "cuda graph"


def test_the_sides_of_a_benchmark_have_one_clock_and_other_rows_their_own():
    row, other_side, peer = row_of(None), row_of(None), row_of(None)
    peer.benchmark = factories.benchmark("triton")
    other_side.prepared(prepared(clock="cuda events"))
    peer.prepared(prepared(clock="cuda graph"))
    assert row.clock_beside([row, peer]) == ""
    assert row.clock_beside([peer, row, other_side]) == "cuda events"
    assert other_side.clock_beside([row, other_side]) == "cuda events"


def test_a_row_that_goes_on_keeps_its_clock():
    row = row_of(None)
    row.details["clock"] = "cuda graph"
    again = restored(row.benchmark, is_limit=False, outcome=row.outcome())
    assert again.clock == "cuda graph"
