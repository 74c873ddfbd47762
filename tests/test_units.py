"""Laws of numbers as text."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.units import (
    format_bytes,
    format_duration,
    format_energy,
    format_percent,
    format_time,
    parse_percent,
    significant,
)

SCALES = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00131, "1.31 ms"),
        (0, "0 ns"),
        (1, "1.00 s"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (999.4e-6, "999 µs"),
        (999.6e-6, "1.00 ms"),
        (1.5e-7, "150 ns"),
        (2e-12, "0.00200 ns"),
        (12345.0, "12300 s"),
        (-0.002, "-2.00 ms"),
    ],
)
def test_a_time_has_its_own_scale(seconds, text):
    assert format_time(seconds) == text


def test_an_energy_has_its_own_scale():
    assert [format_energy(joules) for joules in (2.5, 0.00131, 4.2e-7)] == [
        "2.50 J",
        "1.31 mJ",
        "420 nJ",
    ]


@given(st.floats(1e-9, 1e5))
def test_a_time_reads_back_within_its_digits(seconds):
    number, unit = format_time(seconds).split()
    assert float(number) * SCALES[unit] == pytest.approx(seconds, rel=0.5e-2)


@given(st.floats(1e-9, 9e2))
def test_a_time_below_a_quarter_of_an_hour_never_shows_a_thousand(seconds):
    assert float(format_time(seconds).split()[0]) < 1000


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1020 B"),
        (1024, "1.00 KiB"),
        (8388608, "8.00 MiB"),
        (1.5 * 2**30, "1.50 GiB"),
        (2**40, "1.00 TiB"),
        (-2048, "-2.00 KiB"),
    ],
)
def test_a_size_is_binary(size, text):
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (75, "1 min 15 s"),
        (7260, "2 h 01 min"),
        (-1, "0 s"),
    ],
)
def test_a_duration_is_for_people(seconds, text):
    assert format_duration(seconds) == text


@given(st.floats(1e-6, 9e5), st.integers(1, 6))
def test_a_figure_below_a_million_has_no_exponent(value, digits):
    text = significant(value, digits)
    assert "e" not in text or value < 1e-4
    assert float(text) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))


@given(st.integers(0, 1000))
def test_a_percentage_reads_back(percent):
    assert parse_percent(format_percent(percent / 100)) == pytest.approx(percent / 100)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("5%", 0.05),
        ("5 %", 0.05),
        (" 0.5% ", 0.005),
        (".5", 0.5),
        ("1e-2", 0.01),
        (0.05, 0.05),
        ("150%", 1.5),
    ],
)
def test_a_share_is_a_number_or_a_percentage(text, share):
    assert parse_percent(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "five", "5%%", "-5%", "5 per cent", "1,5%"])
def test_what_is_no_share_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=re.escape("5% or 0.05")):
        parse_percent(text)


@given(st.integers(100, 999), st.integers(-9, 3))
def test_figures_of_one_column_have_the_same_number_of_digits(digits, exponent):
    value = digits * 10.0**exponent
    shown = re.sub(r"[^0-9]", "", significant(value, 3).partition("e")[0]).lstrip("0")
    assert len(shown) >= 3


def test_what_is_no_number_is_shown_and_does_not_crash():
    assert format_time(math.nan) == "nan ns"
    assert format_time(math.inf) == "inf s"
