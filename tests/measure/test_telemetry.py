"""Telemetry: what an NVIDIA device says of itself, from recorded answers of NVML."""

import os
import subprocess
from types import SimpleNamespace

import pytest

from lnbench.measure import telemetry
from lnbench.measure.messages import Reading
from lnbench.measure.telemetry import RETRIES, SESSION, Telemetry

POWER_CAP, IDLE, SET_CLOCKS, HOT = 0x04, 0x01, 0x02, 0x40


class NVMLError(Exception):
    """As pynvml has it."""


def library(reasons=(0,), pids=(), **fields):
    """Return a module that answers as an H200 did, with these reasons one after the other."""
    left = list(reasons)
    answers = {
        "NVML_CLOCK_SM": 1,
        "NVML_CLOCK_MEM": 2,
        "NVML_TEMPERATURE_GPU": 0,
        "NVMLError": NVMLError,
        "nvmlDeviceGetClockInfo": lambda handle, which: {1: 1980, 2: 3201}[which],
        "nvmlDeviceGetTemperature": lambda handle, sensor: 41,
        "nvmlDeviceGetPowerUsage": lambda handle: 123_456,
        "nvmlDeviceGetCurrentClocksEventReasons": lambda _: left.pop(0) if left[1:] else left[0],
        "nvmlDeviceGetComputeRunningProcesses": lambda handle: [
            SimpleNamespace(pid=pid) for pid in pids
        ],
    }
    return SimpleNamespace(**answers | fields)


def test_a_reading_has_clocks_heat_and_power_in_their_units():
    assert Telemetry(library(), handle=0).read() == Reading(1980, 3201, 41, 123.456)


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (IDLE | SET_CLOCKS, ""),  # no disturbance
        (POWER_CAP, "power cap"),
        (POWER_CAP | HOT, "power cap, hardware thermal slowdown"),
    ],
)
def test_only_what_holds_the_clocks_down_slows_a_device(bits, words):
    assert Telemetry(library((bits,)), handle=0).read().slowed_by == words


def test_older_libraries_have_another_name_for_the_reasons():
    old = library((POWER_CAP,))
    old.nvmlDeviceGetCurrentClocksThrottleReasons = old.nvmlDeviceGetCurrentClocksEventReasons
    del old.nvmlDeviceGetCurrentClocksEventReasons
    assert Telemetry(old, handle=0).read().slowed_by == "power cap"


def test_a_sample_under_throttled_clocks_is_taken_again():
    slept, samples = [], iter((1.0, 2.0, 3.0))
    telemetry = Telemetry(library((POWER_CAP, HOT, 0)), handle=0, sleep=slept.append)
    sample, reading = telemetry.watched(lambda: next(samples))
    assert sample == 3.0
    assert reading.slowed_by == ""
    assert len(slept) == 2
    assert slept[1] > slept[0] > 0


def test_a_device_that_stays_throttled_is_not_waited_for_for_ever():
    taken = []
    telemetry = Telemetry(library((POWER_CAP,)), handle=0, sleep=lambda _: None)
    sample, reading = telemetry.watched(lambda: taken.append(1) or len(taken))
    assert sample == len(taken) == 1 + RETRIES
    assert reading.slowed_by == "power cap"
    telemetry.watched(lambda: taken.append(1))
    assert len(taken) == 1 + RETRIES + 1  # pauses that did not help once are not made again


def test_processes_that_the_session_did_not_start_are_counted(monkeypatch):
    mine, parent = os.getpid(), os.getppid()
    monkeypatch.delenv(SESSION, raising=False)
    assert Telemetry(library(pids=(mine,)), handle=0).read().others == 0
    assert Telemetry(library(pids=(mine, parent)), handle=0).read().others == 1
    monkeypatch.setenv(SESSION, str(parent))
    assert Telemetry(library(pids=(mine, parent)), handle=0).read().others == 0


def test_workers_of_the_session_are_not_others_though_they_have_sessions_of_their_own(monkeypatch):
    monkeypatch.delenv(SESSION, raising=False)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as worker:
        try:
            reading = Telemetry(library(pids=(os.getpid(), worker.pid)), handle=0).read()
        finally:
            worker.kill()
    assert reading.others == 0


def test_processes_are_not_counted_where_the_driver_numbers_them_otherwise():
    assert Telemetry(library(pids=(4_000_001, 4_000_002)), handle=0).read().others is None


def test_a_counter_that_fails_costs_its_own_number_alone():
    def fail(handle):
        raise NVMLError("not supported")

    telemetry = Telemetry(library((HOT,), nvmlDeviceGetPowerUsage=fail), handle=0)
    reading = telemetry.read()
    assert reading.watts is None
    assert (reading.sm_mhz, reading.slowed_by) == (1980, "hardware thermal slowdown")


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda:99"])
def test_without_a_device_nothing_is_read(device):
    assert Telemetry.of(device).watched(lambda: 7) == (7, None)


def test_an_idle_device_works_until_its_clock_is_steady(monkeypatch):
    monkeypatch.setattr(telemetry, "_BURST_S", 0)
    clocks, bursts = iter((345, 900, 1700, 1965, 1980, 1980)), []

    def clock(handle, which):
        return next(clocks) if which == 1 else 3201

    Telemetry(library(nvmlDeviceGetClockInfo=clock), handle=0).warm(lambda: bursts.append(1))

    assert list(clocks) == [1980]  # 1965 and 1980 are steady


@pytest.mark.parametrize("climbing", [True, False])
def test_warming_up_has_an_end_where_the_clock_never_stands_or_cannot_be_read(
    monkeypatch, climbing
):
    monkeypatch.setattr(telemetry, "_BURST_S", 0)
    seen = []

    def clock(handle, which):
        seen.append(which)
        if climbing:
            return 2 ** len(seen)
        raise NVMLError

    Telemetry(library(nvmlDeviceGetClockInfo=clock), handle=0).warm(lambda: None)

    assert 4 <= len(seen) <= 40
