"""Laws of the line that says that a machine was busy, and of where it stands."""

import msgspec
import pytest
from factories import environment, measured, report
from msgspec import UNSET

from lnbench.judge.diff import compare
from lnbench.judge.paired import compare_sides
from lnbench.judge.summary import rows
from lnbench.record.busy import Busy
from lnbench.record.report import ReportSide
from lnbench.render import diff_text
from lnbench.render.busy import busy_lines
from lnbench.render.diff import diff_json, diff_markdown
from lnbench.render.forms import FORMS
from lnbench.render.rows import report_view

BUSY = Busy(cpus=2, seconds=100, others_s=76, steal_s=6, throttled_s=1)
LINE = "other processes took 38% of 2 CPUs, 3% was stolen by the hypervisor"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"others_s": 10, "steal_s": 4, "throttled_s": 2}, ""),
        ({"others_s": 12}, "other processes took 6% of 2 CPUs"),
        ({"steal_s": 6}, "3% of 2 CPUs was stolen by the hypervisor"),
        ({"throttled_s": 4}, "2% of 2 CPUs was withheld by a cgroup limit"),
        ({"cpus": 1, "others_s": 50}, "other processes took 50% of 1 CPU"),
        ({"load": 9, "pressure_s": 100}, ""),
        ({"seconds": 0, "others_s": 1}, ""),
    ],
)
def test_only_what_is_more_than_little_is_said(fields, text):
    found = busy_lines(Busy(**{"cpus": 2, "seconds": 100} | fields))
    assert found == ((f"the machine was busy: {text}",) if text else ())


def test_a_report_that_does_not_say_has_no_line():
    assert busy_lines(UNSET) == ()


def test_the_line_stands_above_the_table_in_every_form():
    made = report(measured(), busy=BUSY)
    view = report_view(made, rows(made))
    assert view.head[-1] == f"the machine was busy: {LINE}"
    text = FORMS["markdown"](view)
    assert text.index(LINE) < text.index("| shape |")


def test_a_diff_says_it_of_the_side_that_it_is_about():
    quiet, busy = report(measured()), report(measured(), day=2, busy=BUSY)
    diff = compare([quiet], [busy])
    assert ("busy", f"candidate: {LINE}") in diff_text.header(diff)
    assert LINE in diff_markdown(diff)
    assert diff_json(diff).count('"others_s"') == 1
    assert ("busy", f"baseline: {LINE}") in diff_text.header(compare([busy], [quiet]))
    assert "busy" not in dict(diff_text.header(compare([quiet], [quiet])))


def test_several_reports_of_a_side_are_watched_as_one():
    busy = [report(measured(), day=day, busy=BUSY) for day in (1, 2)]
    diff = compare([*busy, report(measured(), day=3)], [report(measured(), day=4)])
    assert diff.baseline.busy == BUSY + BUSY


def test_two_sides_of_one_session_say_it_once():
    sides = tuple(ReportSide(f"git:{name}", "", 0.0, environment()) for name in "ab")
    outcomes = [
        msgspec.structs.replace(measured(), side=side) for side in ("baseline", "candidate")
    ]
    made = report(*outcomes, sides=sides, looks=(12,), busy=BUSY)
    lines = diff_text.header(compare_sides(made))
    assert [text for name, text in lines if name == "busy"] == [LINE]
