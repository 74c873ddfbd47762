"""What charts draw: the right rows along the right axis, and files that other programs read."""

from xml.etree import ElementTree as ET

import pytest
from factories import environment, measured, report

from lnbench.errors import ConfigError
from lnbench.judge import summary
from lnbench.judge.regime import cache_bytes
from lnbench.render import picture
from lnbench.render.rows import report_view
from lnbench.render.sweeps import cache_crossings, sweeps

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

from lnbench.render.charts import METRICS, styles


def made(*shapes, names=("copy", "numpy"), **fields):
    ids = [f"layernorm/forward/{s}/float32/cpu/{name}" for s in shapes for name in names]
    return report(*(measured(each, **fields) for each in ids))


def rows(*shapes, **fields):
    return summary.rows(made(*shapes, **fields))


@pytest.mark.parametrize(
    ("shapes", "found"),
    [
        (("8x64", "8x128", "8x256"), [("N", "M = 8", 6)]),
        (("8x64", "16x64"), [("M", "N = 64", 4)]),
        (("64x8", "32x16", "8x64"), [("N", "M × N = 512", 6)]),
        (("64x8", "8x16"), [("N", "each with its M", 4)]),
        (("8x64",), [("N", "M = 8", 2)]),
        (
            ("8x64", "8x128", "16x64", "16x128"),
            [("N", "M = 8", 4), ("N", "M = 16", 4), ("M", "N = 64", 4), ("M", "N = 128", 4)],
        ),
    ],
)
def test_a_chart_runs_along_what_varies_and_says_what_does_not(shapes, found):
    drawn = [(sweep.axis, sweep.beside, len(sweep.rows)) for sweep in sweeps(rows(*shapes))]
    assert drawn == found


def test_the_cache_is_marked_where_a_call_outgrows_it():
    shapes = ("1024x64", "1024x128", "1024x1024", "1024x65536", "1024x131072")
    (sweep,) = sweeps(rows(*shapes))
    (crossing,) = cache_crossings(sweep, environment())
    moved = {sweep.place(row): row.outcome.work.bytes_moved for row in sweep.rows}
    size = cache_bytes(sweep.rows[0].outcome, environment())
    below = max(place for place, count in moved.items() if count <= size)
    above = min(place for place, count in moved.items() if count > size)
    assert below <= crossing["x"] <= above


def values_of(figure):
    data = figure.chart.to_dict()
    return [value for values in data.get("datasets", {}).values() for value in values] or [
        value for layer in data["layer"] for value in layer.get("data", data.get("data"))["values"]
    ]


def test_a_point_is_the_estimate_and_the_band_its_interval():
    found = made("8x64", "8x128")
    view = report_view(found, summary.rows(found))
    figure = next(figure for figure in view.sheets[0].figures() if figure.kind == "time")
    row = next(row for row in summary.rows(found) if row.benchmark.backend == "numpy")
    assert any(
        (value.get("y"), value.get("low"), value.get("high"))
        == (row.time.value, row.time.low, row.time.high)
        for value in values_of(figure)
    )


def test_bandwidth_is_least_where_time_is_longest():
    for row in rows("8x64"):
        rate = METRICS["bandwidth"].of(row)
        moved = row.outcome.work.bytes_moved
        assert rate.low == pytest.approx(moved / row.time.high)
        assert rate.low <= rate.value <= rate.high


def test_too_few_passes_have_no_band():
    found = made("8x64", "8x128", passes=2)
    view = report_view(found, summary.rows(found))
    figure = next(figure for figure in view.sheets[0].figures() if figure.kind == "time")
    points = [value for value in values_of(figure) if "low" in value]
    assert points
    assert all(value["low"] == value["y"] == value["high"] for value in points)


def test_an_empty_shape_is_left_out_of_a_logarithmic_axis():
    found = made("0x64", "8x64", "16x64")
    view = report_view(found, summary.rows(found))
    figure = next(figure for figure in view.sheets[0].figures() if figure.kind == "time")
    assert {value["x"] for value in values_of(figure) if "x" in value} == {8, 16}


def test_two_backends_never_look_the_same():
    names = ("copy", *(f"backend{i}" for i in range(20)))
    looks = list(styles(names).values())
    assert len(set(looks)) == len(looks) == 21


@pytest.mark.parametrize("suffix", picture.SUFFIXES)
def test_a_picture_is_what_its_name_says(tmp_path, suffix):
    found = made("8x64", "8x128", names=("copy", "<script>&"))
    path = tmp_path / f"chart{suffix}"
    picture.save(report_view(found, summary.rows(found)), path, "time")
    data = path.read_bytes()
    if suffix == ".svg":
        texts = [element.text for element in ET.fromstring(data).iter() if element.text]
        assert "<script>&" in texts
    else:
        assert data.startswith({".png": b"\x89PNG", ".pdf": b"%PDF"}[suffix])


def test_a_metric_that_is_not_drawn_is_refused_with_those_that_are(tmp_path):
    found = made("8x64", "8x128")
    with pytest.raises(ConfigError, match="nothing to draw of memory"):
        picture.save(report_view(found, summary.rows(found)), tmp_path / "c.svg", "memory")


def test_a_missing_library_is_said_before_anything_is_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(picture.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as refused:
        picture.check(tmp_path / "chart.svg")
    assert "lnbench[plot]" in refused.value.hint
