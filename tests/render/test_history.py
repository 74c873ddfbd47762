"""Laws of how a history is shown."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import factories
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.judge.history import history
from lnbench.judge.reading import condense
from lnbench.record.busy import Busy
from lnbench.record.revision import Revision
from lnbench.render.badge import badge
from lnbench.render.forms import FORMS
from lnbench.render.history import ASCII_BARS, BARS, WIDEST, history_view, sparkline

TIMES = st.lists(st.one_of(st.none(), st.floats(1e-9, 1e3)), min_size=1, max_size=80)


def made(factor, commit="{:040x}", count=20):
    readings = []
    for i in range(count):
        time = 1e-3 * (factor if i >= count // 2 else 1)
        report = factories.report(factories.measured("triton", time, seed=i))
        created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=i)
        name = commit.format((i + 1) << 128)
        revision = Revision(name, dirty=False)
        readings.append(
            condense(msgspec.structs.replace(report, created=created, revision=revision))
        )
    return history(readings)


@given(TIMES)
def test_a_sparkline_has_a_sign_a_report_up_to_its_width_and_blanks_for_gaps(times):
    line = sparkline(times)
    assert len(line) == min(len(times), WIDEST)
    assert set(line) <= {*BARS, " "}
    if len(times) <= WIDEST:
        assert [sign == " " for sign in line] == [time is None for time in times]


@given(TIMES)
def test_a_higher_sign_is_a_longer_time(times):
    signs = [
        (time, BARS.find(sign))
        for time, sign in zip(times[:WIDEST], sparkline(times[:WIDEST]), strict=True)
    ]
    heights = [height for time, height in sorted(pair for pair in signs if pair[0] is not None)]
    assert heights == sorted(heights)


def test_noise_is_no_mountain_and_ascii_is_ascii():
    assert len(set(sparkline([1.0, 1.01, 0.99, 1.0]))) <= 2
    assert sparkline([1, 2, 4], ASCII_BARS).isascii()
    assert len(ASCII_BARS) == len(BARS) == len(set(ASCII_BARS))


def test_a_change_is_told_with_its_two_commits_in_every_form():
    for name in ("markdown", "json"):
        text = FORMS[name](history_view(made(1.2)))
        assert "0000000a" in text
        assert "0000000b" in text
    assert "slower between 0000000a and 0000000b" in FORMS["markdown"](history_view(made(1.2)))


def test_reports_of_a_busy_machine_are_counted_above_the_tables():
    quiet = made(1.0).lines[0].readings
    busy = Busy(cpus=2, seconds=10, others_s=10)
    crowded = [msgspec.structs.replace(one, busy=busy) for one in quiet[:3]]
    view = history_view(history([*crowded, *quiet[3:]]))
    assert any("the machine was busy during 3 of them, " in line for line in view.head)
    told = msgspec.json.decode(FORMS["json"](view))["lines"][0]["reports"]
    assert [one["busy"] for one in told] == [True] * 3 + [False] * 17
    assert not any("busy" in line for line in history_view(history(quiet)).head)


def test_a_change_within_one_commit_is_not_the_codes():
    text = FORMS["markdown"](history_view(made(1.2, commit="ab" * 20)))
    assert "slower within abababab: not by the code" in text


@pytest.mark.parametrize(
    ("factor", "message", "color"),
    [
        (1.2, "1 slower since 0000000b", "red"),
        (0.8, "1 faster since 0000000b", "brightgreen"),
        (1.0, "no change of 5% shown in 20 reports", "green"),
    ],
)
def test_a_badge_says_what_changed_last(factor, message, color):
    endpoint = msgspec.json.decode(badge(made(factor), ".json"))
    assert endpoint == {
        "schemaVersion": 1,
        "label": "lnbench",
        "message": message,
        "color": color,
    }
    svg = ET.fromstring(badge(made(factor), ".svg"))
    assert message in "".join(svg.itertext())


def test_a_badge_is_of_the_newest_line():
    readings = [*made(1.2).lines[0].readings]
    other = factories.environment(machine_id="another")
    late = msgspec.structs.replace(
        readings[-1], environment=other, created=readings[-1].created + timedelta(days=1)
    )
    assert "no change" in badge(history([*readings, late]), ".json")


def test_a_commit_that_a_file_invents_stays_text_in_the_badge():
    ET.fromstring(badge(made(1.2, commit="<&>\"'{:030x}"), ".svg"))
