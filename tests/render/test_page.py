"""A page holds what the terminal shows, needs nothing else, and runs no text of a report."""

import base64
import gzip
import re
import shutil
import subprocess
from html.parser import HTMLParser

import msgspec
import pytest
from factories import CASE, measured, report

from lnbench.judge import summary
from lnbench.judge.diff import compare
from lnbench.plan.case import Benchmark
from lnbench.record.outcome import Caveat, CaveatKind
from lnbench.record.report import BenchmarkReport
from lnbench.render.diff_view import diff_view
from lnbench.render.rows import report_view
from lnbench.units import one_line

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

from lnbench.render.page import page

HOSTILE = "<script>alert('a')</script>"
NAMES = ("copy", "numpy", "numba", "torch-eager", "torch-compile", "onnxruntime")


class Parsed(HTMLParser):
    """The cells of tables line by line, the elements, and what they refer to."""

    def __init__(self, text):
        super().__init__()
        self.lines, self.tags, self.references, self._cell = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [
            v for k, v in attributes if k in {"src", "href", "xlink:href", "action"}
        ]
        if tag == "tr":
            self.lines.append([])
        elif tag in {"td", "th"}:
            self._cell = ""

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag):
        if tag in {"td", "th"}:
            self.lines[-1].append(self._cell)
            self._cell = None


def grid(shapes=("1024x512", "1024x2048", "1024x8192"), names=NAMES[:3], **fields):
    return report(
        *(
            measured(
                f"layernorm/forward/{shape}/float32/cpu/{name}", 1e-3 * (i + 1) + 1e-4 * j, **fields
            )
            for j, shape in enumerate(shapes)
            for i, name in enumerate(names)
        )
    )


def view_of(made):
    return report_view(made, summary.rows(made), relative_to=None)


def test_the_tables_of_a_page_are_those_of_the_terminal_cell_by_cell():
    view = view_of(grid())
    shown = [
        list(map(one_line, cells))
        for sheet in (*view.sheets, *view.details)
        for cells in (
            [column.name or "" for column in sheet.columns],
            *(line.cells for line in sheet.lines),
        )
    ]
    assert Parsed(page([view])).lines == shown


def test_what_is_said_below_a_table_is_said_on_the_page():
    made = report(measured("numpy", caveats=(Caveat(CaveatKind.SINGLE_PROCESS, "one & only"),)))
    view = view_of(made)
    text = page([view])
    assert view.sheets[0].notes
    for line in (*view.head, *view.sheets[0].notes, *view.sheets[0].answer):
        assert line.replace("&", "&amp;") in text, line


def test_a_backend_whose_name_is_markup_is_shown_as_text():
    bad = measured("numpy", caveats=(Caveat(CaveatKind.SINGLE_PROCESS, HOSTILE),))
    bad = msgspec.structs.replace(bad, backend=HOSTILE)
    made = report(bad, measured("numba"), suite=HOSTILE)
    for view in (view_of(made), diff_view(compare([made], [made]))):
        parsed = Parsed(page([view]))
        assert parsed.tags.count("script") == 1  # the page's own
        assert any(HOSTILE in cell for line in parsed.lines for cell in line)


def test_a_page_refers_to_nothing_outside_itself():
    for view in (view_of(grid()), diff_view(compare([grid()], [grid(seed=1)]))):
        text = page([view])
        assert not re.search(r"https?:|@import|url\(", text)
        assert "default-src 'none'" in text
        assert all(link.startswith(("data:", "#")) for link in Parsed(text).references)


def test_the_report_is_in_the_page_whole():
    made = grid()
    text = page([view_of(made)])
    packed = re.search(r'href="data:application/gzip;base64,([^"]+)"', text)[1]
    found = msgspec.json.decode(gzip.decompress(base64.b64decode(packed)), type=BenchmarkReport)
    assert found == made


def test_a_page_of_sixty_six_cases_and_six_backends_is_under_three_megabytes():
    shapes = [f"{2**m}x{2**n}" for m in range(6, 12) for n in range(5, 16)]
    text = page([view_of(grid(shapes, NAMES, samples=20))])
    assert len(text.encode()) < 3_000_000
    assert text.count("<figure>") == 3 * (6 + 11) + 1  # each M, each N; and the passes


def test_a_page_holds_several_reports():
    views = [view_of(grid()), diff_view(compare([grid()], [grid(seed=1)]))]
    text = page(views)
    names = re.findall(r' id="([^"]+)"', text)
    assert len(set(names)) == len(names)
    assert Parsed(text).tags.count("h1") == 2


def test_a_page_without_a_measured_row_has_tables_and_no_chart():
    from lnbench.record.outcome import Skipped

    made = report(Skipped.of(Benchmark.parse(f"{CASE}/numpy"), reason="no such thing"))
    text = page([view_of(made)])
    assert "<figure>" not in text
    assert "no such thing" in text


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_a_browser_sorts_and_says_numbers_and_finds_no_fault(tmp_path):
    file = tmp_path / "page.html"
    clicks = "<script>document.querySelectorAll('th button')[2].click()</script>"
    file.write_text(page([view_of(grid())]).replace("</body>", f"{clicks}</body>"))
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/p",
         "--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    lines = Parsed(done.stdout).lines
    assert lines[0][2] == "time"
    scale = {"µs": 1e-6, "ms": 1e-3}
    times = [line[2].split() for line in lines[1:10]]
    seconds = [float(number) * scale[unit] for number, unit in times]
    assert {unit for _, unit in times} == set(scale)
    assert seconds == sorted(seconds)
    assert all(line[0] for line in lines[1:10])  # a sorted line says its own shape
    assert re.search(r"<title>numpy · 1024x512: 2.\d+ ms ±", done.stdout)
