"""The charts of a history show each report's time, and the changes that are told, and no others."""

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import factories
import msgspec
import pytest

from lnbench.judge.history import history
from lnbench.judge.reading import condense
from lnbench.record.revision import Revision
from lnbench.render.history import commit_text, history_view

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

from lnbench.render.history_charts import MOST_POINTS
from lnbench.render.page import page
from lnbench.render.picture import inline_svg

HOSTILE = "</script><script>alert(1)</script>'\"];"


def made(count=20, commit="{:08x}", missing=(), backend="triton"):
    """Return a history of two cases; Triton in the first becomes slower half-way."""
    readings = []
    for i in range(count):
        late = 1.2 if i >= count // 2 else 1
        outcomes = [
            factories.measured(f"{shape}/float32/cpu/{name}", time, seed=i)
            for shape, scale in {
                "layernorm/forward/8x64": late,
                "layernorm/forward/16x64": 1,
            }.items()
            for name, time in {"triton": 1e-3 * scale, "copy": 5e-4}.items()
            if not (i in missing and name == "triton")
        ]
        outcomes = [
            msgspec.structs.replace(one, backend=backend) if one.backend == "triton" else one
            for one in outcomes
        ]
        report = msgspec.structs.replace(
            factories.report(*outcomes),
            created=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=i),
            revision=Revision(commit.format(i + 1), dirty=False),
        )
        readings.append(condense(report))
    return history(readings)


def charts(shown):
    return [figure.chart for sheet in history_view(shown).sheets for figure in sheet.figures()]


def marks(svg):
    """Return what each point says."""
    points = re.findall(r'<path [^>]*aria-roledescription="point"[^>]*>', svg)
    return [re.search(r'aria-label="([^"]*)"', point)[1] for point in points]


def test_each_case_has_a_chart_with_the_time_of_each_report_and_the_copy_beside():
    shown = made()
    (line,) = shown.lines
    for chart, rows in zip(charts(shown), (line.rows[:2], line.rows[2:]), strict=True):
        points = [(p["x"], p["y"], p["backend"]) for p in chart.to_dict()["data"]["values"]]
        assert points == [
            (i, t, row.benchmark.backend) for row in rows for i, t in enumerate(row.times)
        ]
        assert {name for *_, name in points} == {"triton", "copy"}


def test_only_what_is_told_as_a_change_is_marked_at_its_commit():
    shown = made()
    changed, steady = map(inline_svg, charts(shown))
    (change,) = shown.lines[0].rows[0].changes
    commit = commit_text(shown.lines[0].readings[change.place])
    (said,) = (text for text in marks(changed) if "%" in text)
    assert said == f"triton · {commit}: {change.ratio.value - 1:+.0%}"
    assert f">{commit}<" in changed
    assert "%" not in steady


def test_a_report_without_the_row_breaks_its_line():
    whole, broken = (inline_svg(charts(made(missing=gone))[1]) for gone in ((), (7,)))
    paths = [re.findall(r' d="([^"]*)"', svg) for svg in (whole, broken)]
    assert [max(path.count("M") for path in one) for one in paths] == [1, 2]


def test_of_many_reports_only_changes_are_points():
    few, many = (inline_svg(charts(made(count))[0]) for count in (MOST_POINTS, MOST_POINTS + 1))
    assert len(marks(few)) == 2 * MOST_POINTS + 1
    assert len(marks(many)) == 1


def test_one_report_is_no_course():
    assert charts(made(1)) == []


def test_commits_and_backends_that_a_file_invents_are_text_in_every_chart():
    text = page([history_view(made(commit=HOSTILE[:6] + "{:02x}" + HOSTILE, backend=HOSTILE))])
    assert text.count("<script>") == 1  # the page's own
    assert text.count("&lt;script&gt;alert(1)") > 2  # in a table, a legend and a sentence


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_a_browser_finds_no_fault_in_a_history(tmp_path):
    file = tmp_path / "page.html"
    file.write_text(page([history_view(made())]))
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/p",
         "--disable-background-networking", "--enable-logging=stderr",
         "--virtual-time-budget=2000", "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    assert re.search(r"<title>triton · 0000000b: \+20%</title>", done.stdout)
