"""Laws of the next step where a row has no verdict."""

import math

import pytest

from lnbench.judge.verdict import UNITS_TO_ADVISE, LogInterval, Rule, Verdict, judge

RULE = Rule(threshold=0.05, level=1e-3, drift=0.0, unit="pass")


def interval(value, half_width, units=12):
    return LogInterval(value, value - half_width, value + half_width, (units, units))


def step(value, half_width, *, drift=0.0, unit="pass", units=12):
    rule = Rule(RULE.threshold, RULE.level, drift, unit)
    verdict, reason, _ = judge(interval(value, half_width, units), rule)
    assert (verdict is Verdict.INCONCLUSIVE) == bool(reason)
    return reason


def advised(reason):
    return int(reason.removeprefix("take about ").split()[0])


@pytest.mark.parametrize("value", [0.0, 0.02, -0.02, 0.12, -0.12])
@pytest.mark.parametrize("drift", [0.0, 0.01])
def test_what_is_advised_would_tell_and_the_next_smaller_number_would_not(value, drift):
    reach = 0.06 if abs(value) < RULE.limit else 0.15
    units = advised(step(value, reach, drift=drift))

    def tells(count):
        narrowed = interval(value, reach * math.sqrt(12 / count))
        return narrowed.verdict(RULE.limit, drift) is not Verdict.INCONCLUSIVE

    assert units in UNITS_TO_ADVISE
    assert tells(units * (1 + 1e-9))
    smaller = [number for number in UNITS_TO_ADVISE if 12 < number < units]
    assert not any(map(tells, smaller))


@pytest.mark.parametrize(("unit", "word"), [("pass", "passes a side"), ("pair", "pairs")])
def test_units_are_called_what_they_are(unit, word):
    assert step(0.0, 0.06, unit=unit).endswith(word)
    few = LogInterval(0.0, -math.inf, math.inf, (3, 3))
    assert judge(few, Rule(0.05, 1e-3, 0.0, unit))[1].endswith(f"{word}, has 3")
    if unit == "pass":
        uneven = LogInterval(0.0, -math.inf, math.inf, (3, 4))
        assert judge(uneven, RULE)[1].endswith("has 3 and 4")


@pytest.mark.parametrize(("value", "word"), [(0.03, "slower"), (-0.03, "faster")])
def test_a_small_change_that_is_shown_is_told_from_noise(value, word):
    said = step(value, 0.025)
    assert said == f"{word} by less than 5%: lower the threshold to call it"


def test_what_only_drift_hides_is_sent_to_one_session():
    drift = math.log1p(0.1)
    assert step(0.12, 0.02, drift=0.2).startswith("cannot be told from drift (±22.1%)")
    assert step(0.0, 0.06, drift=drift).startswith("noise and drift (±10%) hide 5%")


def test_what_no_number_of_units_tells_is_too_noisy():
    assert step(0.0, 9.0).startswith("too noisy for 5%")
