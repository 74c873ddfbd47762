"""Every format: the same names and times in each, no row lost without a word, no text breaks it."""

import csv
import io
import math
from xml.etree import ElementTree as ET

import msgspec
import pytest
from exported import CASE, COLD, exported, made
from factories import failed, measured, report, skipped
from hypothesis import given
from hypothesis import strategies as st

from lnbench.export.entry import entries
from lnbench.export.formats import FORMATS
from lnbench.judge.stats import time_estimate
from lnbench.record.outcome import Agreement, OutputAgreement
from lnbench.units import one_line

TEXT_FORMATS = [name for name in FORMATS if name != "parquet"]


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("name", [name for name in TEXT_FORMATS if name != "openmetrics"])
def test_a_row_has_its_id_as_name_in_every_format(name):
    text = exported(name)
    assert f"{CASE}/numpy" in text
    assert COLD in text


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_a_format_has_a_row_without_a_time_or_says_that_it_has_no_place(name):
    assert ("quack" in exported(name)) == FORMATS[name].unmeasured


class Metric(msgspec.Struct, forbid_unknown_fields=True):
    value: float
    lower_value: float | msgspec.UnsetType = msgspec.UNSET
    upper_value: float | msgspec.UnsetType = msgspec.UNSET


def test_bencher_reads_nanoseconds_and_bounds_where_passes_give_them():
    metrics = msgspec.json.decode(exported("bmf"), type=dict[str, dict[str, Metric]])
    wide, narrow = (metrics[name]["latency"] for name in (COLD, f"{CASE}/numpy"))
    assert narrow.value == pytest.approx(2e6, rel=0.05)
    assert narrow.lower_value < narrow.value < narrow.upper_value
    assert wide.lower_value is msgspec.UNSET  # two passes have no interval, and 0 is none


class Result(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    value: float
    unit: str
    range: str = ""
    extra: str = ""


def test_github_action_benchmark_reads_one_unit_for_all_rows():
    results = msgspec.json.decode(exported("github-action-benchmark"), type=list[Result])
    assert {one.unit for one in results} == {"ns/iter"}  # it compares values, and no units
    assert results[0].value == pytest.approx(2e6, rel=0.05)
    assert [bool(one.range) for one in results] == [True, False]


def test_google_benchmark_has_a_repetition_a_pass():
    rows = msgspec.json.decode(exported("google-benchmark"))["benchmarks"]
    numpy = [row for row in rows if row["name"] == f"{CASE}/numpy"]
    assert [row["repetition_index"] for row in numpy] == [*range(12)]
    assert {(row["iterations"], row["time_unit"]) for row in numpy} == {(10, "ns")}
    assert all(1.8e6 < row["real_time"] < 2.2e6 for row in numpy)


def test_a_table_has_the_time_of_show_and_empty_cells_where_there_is_none():
    rows = {row["backend"]: row for row in table(exported("csv"))}
    estimate = time_estimate(made().outcomes[0].times_s)
    assert float(rows["numpy"]["time_s"]) == estimate.value
    assert float(rows["numpy"]["time_low_s"]) == estimate.low
    assert (rows["copy"]["time_low_s"], rows["copy"]["options"]) == ("", "cache=cold")
    assert (rows["quack"]["time_s"], rows["quack"]["kind"]) == ("", "skipped")
    assert (rows["liger"]["kind"], rows["liger"]["stage"]) == ("failed", "measure")


def test_no_cell_of_a_table_is_a_formula():
    cells = [cell for row in table(exported("csv")) for cell in row.values()]
    assert any(cell.startswith("'=cmd") for cell in cells)
    assert [cell for cell in cells if cell[:1] in "=+-@" and cell] == []


def test_otava_gets_a_line_a_report_and_an_empty_cell_for_a_missing_time():
    late = report(failed("numpy"), measured(COLD), day=3)
    lines = table(exported("otava", late, made(day=1), made(day=2)))
    assert [line["time"][:10] for line in lines] == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert [line["commit"][:2] for line in lines] == ["01", "02", "03"]
    assert [bool(line[f"{CASE}/numpy"]) for line in lines] == [True, True, False]
    assert list(lines[0]) == ["time", "commit", COLD, f"{CASE}/numpy"]


def test_a_time_of_zero_divides_nothing():
    zero = report(measured("numpy", times_s=[[0.0]]))
    for name in ("pyperf", "pytest-benchmark", "google-benchmark", "openmetrics", "csv"):
        assert f"{CASE}/numpy".rpartition("/")[2] in exported(name, zero)
    runs = msgspec.json.decode(exported("pyperf", zero))["benchmarks"][0]["runs"]
    assert all(value > 0 for run in runs for value in run["values"])


def test_both_sides_of_a_comparison_have_names_of_their_own_and_one_side_that_of_the_row():
    sides = [msgspec.structs.replace(measured(), side=side) for side in ("baseline", "candidate")]
    both = report(*sides, sides=())
    assert [row.name for row in entries(both)] == [
        f"{CASE}/triton;side=baseline",
        f"{CASE}/triton;side=candidate",
    ]
    (alone,) = entries(both, "candidate")
    assert alone.name == f"{CASE}/triton"
    assert alone.outcome.side == "candidate"


@given(st.text())
def test_no_text_breaks_a_file(text):
    made = report(failed("numpy", text), skipped("triton", text))
    wrong, absent = ET.fromstring(exported("junit", made)).iter("testcase")
    assert wrong[0].get("message") == one_line(text)
    assert absent[0].get("message") == one_line(text)
    assert table(exported("csv", made))[0]["reason"].lstrip("'") == one_line(text).lstrip("'")
    samples = exported("openmetrics", made).splitlines()
    assert samples[-1] == "# EOF"
    assert all(line.startswith(("# ", "lnbench_")) for line in samples)


def test_an_infinite_error_is_a_number_to_prometheus():
    lost = Agreement({"y": OutputAgreement(math.inf, math.inf, math.inf, 1e-6)})
    text = exported("openmetrics", report(measured(agreement=lost)))
    assert 'side=""} +Inf\n' in text


def test_energy_has_a_cell_and_a_gauge_where_it_was_measured():
    one = report(measured("numpy", energy_j=(2e-3, 1e-3, 9e-3)), measured("numba"))
    assert [row["energy_j"] for row in table(exported("csv", one))] == ["0.002", ""]
    lines = exported("openmetrics", one).splitlines()
    gauges = [line for line in lines if line.startswith("lnbench_energy_joules{")]
    assert [line.split()[-1] for line in gauges] == ["0.002"]
