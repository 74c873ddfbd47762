"""Laws of the budget."""

import math

import msgspec
import pytest

from lnbench.plan.budget import PASSES_FOR_PRECISION, PRESETS, Budget


@pytest.mark.parametrize("field", Budget.__struct_fields__)
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_every_number_is_above_zero_and_finite(field, value):
    with pytest.raises(ValueError, match=field.removesuffix("_s")):
        Budget(**{field: value})


def test_only_the_cap_of_the_run_may_be_missing():
    assert Budget().max_time_s is None
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"time_s": None}, Budget)


@pytest.mark.parametrize("field", ["time_s", "passes"])
def test_presets_grow_from_fast_to_rigorous(field):
    fast, default, rigorous = (
        getattr(PRESETS[name], field) for name in ("fast", "default", "rigorous")
    )
    assert fast < default < rigorous


def test_presets_narrow_from_fast_to_rigorous():
    widths = [PRESETS[name].precision for name in ("rigorous", "default", "fast")]
    assert widths == sorted(set(widths))


def test_the_default_allows_the_passes_that_precision_needs():
    assert PRESETS["default"] == Budget()
    assert Budget().passes >= PASSES_FOR_PRECISION
