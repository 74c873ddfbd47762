"""Regimes: what bounds a row follows from measured numbers alone."""

import factories
import pytest

from lnbench.judge.regime import BANDWIDTH_SHARE, CALL_S, Regime, cache_bytes, memory_level, regime
from lnbench.judge.stats import Estimate
from lnbench.plan.case import Work
from lnbench.record.environment import Device

LARGE, SMALL = "4096x16384", "64x1024"
GPU = Device("H200", cache_bytes=50 << 20, processors=132)


def share(value):
    return Estimate(value, value, value, 0.95)


def found(
    shape=LARGE,
    device="cpu",
    time_s=1e-3,
    of_copy=0.3,
    options="",
    direction="forward",
    **fields,
):
    environment = factories.environment(devices={"cuda:0": GPU})
    name = f"layernorm/{direction}/{shape}/float32/{device}/triton{options}"
    row = factories.measured(name, time_s, **fields)
    return regime(row, time_s, None if of_copy is None else share(of_copy), environment)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"page_faults": 65536 / 2}, Regime.PAGE_FAULTS),  # half of the pages of 256 MiB
        ({"page_faults": 65536 / 2 - 1}, None),
        ({"page_faults": None}, None),
        ({"page_faults": 65536, "direction": "step"}, Regime.PAGE_FAULTS),  # two results
        ({"page_faults": 65535, "direction": "step"}, None),
        ({"of_copy": BANDWIDTH_SHARE}, Regime.BANDWIDTH),
        ({"of_copy": BANDWIDTH_SHARE - 0.01}, None),
        ({"shape": SMALL, "time_s": 0.9 * CALL_S, "of_copy": 0.05}, Regime.CALLS),
        ({"shape": SMALL, "time_s": 1.1 * CALL_S, "of_copy": 0.05}, Regime.CACHE),
        ({"shape": SMALL, "of_copy": 0.9}, Regime.CACHE),
        ({"shape": SMALL, "of_copy": 0.9, "options": ";cache=cold"}, Regime.BANDWIDTH),
        ({"of_copy": None}, None),
        ({"shape": SMALL, "time_s": 1e-6, "of_copy": None}, Regime.CACHE),
    ],
)
def test_on_the_cpu_page_faults_come_first_then_calls_then_the_cache(given, expected):
    assert found(**given) is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"details": {"launch_s": 2e-3}}, Regime.LAUNCHES),
        ({"details": {"launch_s": 1e-6}, "of_copy": 0.9}, Regime.BANDWIDTH),
        ({"shape": "131x65536"}, Regime.LATENCY),
        ({"shape": "132x65536"}, None),
        ({"shape": "131x1048576", "of_copy": 0.9}, Regime.BANDWIDTH),
        ({"shape": "1024x1024"}, Regime.CACHE),
        ({"shape": "1024x1024", "options": ";cache=cold"}, None),
    ],
)
def test_on_a_gpu_launches_come_first_then_too_few_rows_then_the_cache(given, expected):
    assert found(device="cuda", **given) is expected


def test_the_page_faults_of_a_gpu_row_are_none_of_its_business():
    assert found(device="cuda", page_faults=1e9) is None


def test_a_row_without_work_fits_no_cache():
    assert found("0x64", work=Work(0, 0), of_copy=None) is None


def test_the_cache_is_that_of_the_device():
    environment = factories.environment(devices={"cuda:0": GPU, "cuda:1": Device("other")})

    def of(device):
        return cache_bytes(
            factories.measured(f"layernorm/forward/8x8/float32/{device}/copy"), environment
        )

    assert of("cpu") == 32 << 20
    assert of("cuda") == of("cuda:0") == 50 << 20
    assert of("cuda:1") == of("mps") == 256 << 20


def test_what_can_be_done_is_said_where_something_can():
    assert "hugetlb" in Regime.PAGE_FAULTS.advice
    assert "graph" in Regime.LAUNCHES.advice
    assert Regime.BANDWIDTH.advice == ""


def test_a_gpu_at_the_bandwidth_of_a_copy_is_not_called_idle_for_its_few_rows():
    few = {"shape": "8x4194304", "device": "cuda"}
    assert found(of_copy=BANDWIDTH_SHARE - 0.01, **few) is Regime.LATENCY
    assert found(of_copy=BANDWIDTH_SHARE, **few) is Regime.BANDWIDTH


def test_one_fault_a_call_is_enough_where_it_brings_the_output():
    assert found(shape="1x512", page_faults=1.0) is Regime.PAGE_FAULTS
    assert found(shape="1x512", page_faults=0.9) is not Regime.PAGE_FAULTS


def test_a_hundred_microseconds_are_no_overhead_any_more():
    assert found(shape=SMALL, time_s=CALL_S, of_copy=0.05) is Regime.CACHE


@pytest.mark.parametrize(
    ("shape", "options", "level"),
    [
        (SMALL, "", "cpu cache"),
        (SMALL, ";cache=cold", "cpu memory"),
        (LARGE, "", "cpu memory"),
        (LARGE, ";cache=cold", "cpu memory"),
    ],
)
def test_operands_are_in_the_cache_where_they_fit_and_are_left_there(shape, options, level):
    row = factories.measured(f"layernorm/forward/{shape}/float32/cpu/triton{options}")
    assert memory_level(row, factories.environment()) == level
