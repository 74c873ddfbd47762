"""What a session keeps of a row beside its times, and what of it survives its report."""

import factories
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.measure.messages import Prepared, Reading, Sampled
from lnbench.record import report
from lnbench.record.outcome import Agreement, CaveatKind, Measured, Stage
from lnbench.session.ledger import Ledger

GPU = "layernorm/forward/4096x1024/float32/cuda:0/triton"


def prepared(**fields):
    usual = {
        "first_call_s": 0.1,
        "iterations": 3,
        "checksum": 1,
        "peak_extra_bytes": 0,
        "details": {"threads": 1},
        "watched": True,
    }
    return Prepared(**usual | fields)


def row_of(*readings):
    row = Ledger(factories.benchmark(GPU))
    row.begin_pass()
    row.prepared(prepared())
    row.agreed(Agreement({}), 1)
    for number, reading in enumerate(readings):
        row.sampled(number, Sampled(1e-3, 0.0, reading))
    return row


def test_the_state_of_the_device_is_a_median_and_the_hottest():
    readings = [
        Reading(1980, 3201, 40 + i, 100.0 + i, "", others) for i, others in enumerate((0, 2, 1))
    ]
    details = row_of(*readings).outcome().details
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
    assert outcome.details["throttled samples"] == 2
    assert "other processes" not in outcome.details


def test_details_that_json_cannot_say_become_text():
    row = Ledger(factories.benchmark())
    row.prepared(prepared(details={"a": float("inf"), "b": 2**63, "c": 2**63 - 1, "d": "x"}))
    assert row.details == {"a": "inf", "b": str(2**63), "c": 2**63 - 1, "d": "x"}


def test_a_counter_that_is_no_number_leaves_a_report_that_can_be_read(tmp_path):
    row = row_of(Reading(float("nan"), 3201, 40, float("inf"), ""))
    report.write(factories.report(row.outcome()), tmp_path / "r.json")
    (outcome,) = report.read(tmp_path / "r.json").outcomes
    assert (outcome.details["sm clock MHz"], outcome.details["power W"]) == ("nan", "inf")
    again = Ledger(factories.benchmark(GPU))
    again.go_on(outcome)
    assert again.outcome().details["hottest C"] == 40


def test_without_counters_nothing_is_said_of_the_device():
    assert dict(row_of(None, None).outcome().details) == {"threads": 1}


def test_the_clock_is_the_one_that_the_first_process_chose():
    row = row_of(None)
    row.prepared(prepared(clock="cuda graph"))
    row.prepared(prepared(clock="cuda events"))
    assert row.clock == "cuda graph"


def test_the_sides_of_a_benchmark_have_one_clock_and_other_rows_their_own():
    row, other_side, other = row_of(None), row_of(None), row_of(None)
    other.benchmark = factories.benchmark("triton")
    other_side.prepared(prepared(clock="cuda events"))
    other.prepared(prepared(clock="cuda graph"))
    assert row.clock_beside([row, other]) == ""
    assert row.clock_beside([other, row, other_side]) == "cuda events"
    assert other_side.clock_beside([row, other_side]) == "cuda events"


def test_a_row_that_goes_on_keeps_its_clock():
    row = row_of(None)
    row.details["clock"] = "cuda graph"
    again = Ledger(row.benchmark)
    again.go_on(row.outcome())
    assert again.clock == "cuda graph"


def test_a_row_that_goes_on_keeps_its_energy(tmp_path):
    row = row_of(None)
    row.energy_j = (0.5, 0.25, 0.75)
    again = went_on(row, tmp_path)
    assert again.outcome().energy_j == (0.5, 0.25, 0.75)
    assert again.outcome().energy == 0.5
    assert row_of(None).outcome().energy is None


def test_a_row_that_goes_on_keeps_its_counters(tmp_path):
    hot = Reading(1755, 3201, 90, 700.0, "power cap", 2)
    first = row_of(*[hot] * 10)
    again = went_on(first, tmp_path)
    again.begin_pass()
    again.sampled(0, Sampled(1e-3, 0.0, Reading(1980, 3201, 40, 100.0, "", 0)))
    details = dict(again.outcome().details)
    assert details == dict(first.outcome().details)
    assert (details["throttled samples"], details["power W"], details["hottest C"]) == (10, 700, 90)


def went_on(row, folder):
    """Return the row that a report of it, written and read, begins with."""
    outcome = row.outcome()
    if outcome is None:  # as before its first whole pass: a report does not know of it
        return Ledger(row.benchmark)
    path = folder / "report.json"
    report.write(factories.report(outcome), path)
    (read,) = report.read(path).outcomes
    again = Ledger(read.benchmark)
    again.go_on(read)
    return again


readings = st.builds(
    Reading,
    sm_mhz=st.none() | st.integers(300, 2000),
    memory_mhz=st.just(3201),
    celsius=st.integers(20, 90),
    watts=st.none() | st.floats(50, 700),
    slowed_by=st.sampled_from(("", "", "power cap", "power brake")),
    others=st.none() | st.integers(0, 3),
)
samples = st.builds(
    Sampled,
    time_s=st.floats(1e-6, 1.0),
    page_faults=st.floats(0, 100),
    reading=readings,
    spent_s=st.floats(0, 1),
)
passes = st.lists(st.one_of(st.lists(samples, min_size=1, max_size=3), st.none()), max_size=5)


def take(row, taken):
    row.begin_pass()
    row.prepared(prepared(clock="cuda graph", details={"clock": "cuda graph"}))
    row.agreed(Agreement({}), 1)
    for number, sample in enumerate(taken or [Sampled(1e-3, 0.0)]):
        row.sampled(number, sample)
    if taken is None:
        row.lose_pass(Stage.MEASURE, "killed by SIGKILL")


MEDIANS = ("sm clock MHz", "memory clock MHz", "power W")


@given(st.lists(samples, min_size=1, max_size=3), passes, st.data(), st.sampled_from(("cpu", GPU)))
def test_a_session_cut_short_anywhere_ends_as_one_that_was_not(
    tmp_path_factory, first, later, data, device
):
    name = "numpy" if device == "cpu" else device
    whole = Ledger(factories.benchmark(name))
    parts = Ledger(factories.benchmark(name))
    for taken in [first, *later]:
        for row in (whole, parts):
            if row.ended is None:
                take(row, taken)
        if parts.ended is None and data.draw(st.booleans()):
            parts = went_on(parts, tmp_path_factory.mktemp("cut"))
    ends = [row.outcome() for row in (whole, parts)]
    if isinstance(ends[0], Measured):
        details = [dict(end.details) for end in ends]
        for counter in MEDIANS:
            # A report keeps one median: what it stands for lies between the lowest and highest.
            counts = [each.get(counter) for each in details]
            assert (counts[0] is None) == (counts[1] is None)
            for each in details:
                each.pop(counter, None)
        faults = [end.page_faults for end in ends]
        assert faults[1] == (pytest.approx(faults[0]) if device == "cpu" else None)
        ends = [
            msgspec.structs.replace(end, details=each, page_faults=None)
            for end, each in zip(ends, details, strict=True)
        ]
    assert ends[0] == ends[1]
