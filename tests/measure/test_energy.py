"""Joules: from an invented tree of RAPL and an invented NVML, with an invented clock."""

import os
from types import SimpleNamespace

import pytest

from lnbench.measure.energy import (
    SAMPLE_S,
    SAMPLES,
    EnergyError,
    device_counter,
    measured,
    package_counter,
)

RANGE = 262_143_328_850
IDLE_W, CALL_J, CALL_S = 20.0, 0.5, 0.01


class Machine:
    """Uses power at rest, and energy for each call; both take their time."""

    def __init__(self, call_j=CALL_J):
        self.now, self.joules, self.call_j, self.asked = 0.0, 0.0, call_j, []

    def sleep(self, seconds):
        self.now += seconds
        self.joules += IDLE_W * seconds

    def calls(self, number):
        self.asked.append(number)
        self.sleep(number * CALL_S)
        self.joules += number * self.call_j

    def measure(self, **fields):
        how = {"sleep": self.sleep, "clock": lambda: self.now} | fields
        return measured(lambda: self.joules, self.calls, CALL_S, **how)


def zone(root, name, kind, count, maximum=RANGE):
    folder = root / name
    folder.mkdir()
    (folder / "name").write_text(f"{kind}\n")
    (folder / "energy_uj").write_text(f"{count}\n")
    (folder / "max_energy_range_uj").write_text(f"{maximum}\n")
    return folder / "energy_uj"


def test_what_an_idle_machine_uses_is_no_part_of_a_call():
    found = Machine().measure()
    assert found.joules == pytest.approx([CALL_J] * SAMPLES)
    assert found.reason == ""


@pytest.mark.parametrize("lag_s", [0.1, 0.5, 1.0])
def test_a_counter_that_is_behind_shows_the_same_joules(lag_s):
    machine, moments = Machine(), [(0.0, 0.0)]

    def counter():
        return max(joules for now, joules in moments if now <= machine.now - lag_s + 1e-9)

    def noting(change):
        def changed(amount):
            change(amount)
            moments.append((machine.now, machine.joules))

        return changed

    calls, sleep = noting(machine.calls), noting(machine.sleep)
    for _ in range(round(2 / CALL_S)):  # what came before is no rest
        calls(1)
    found = measured(
        counter,
        lambda number: [calls(1) for _ in range(number)],
        CALL_S,
        sleep=lambda seconds: [sleep(0.01) for _ in range(round(seconds / 0.01))],
        clock=lambda: machine.now,
    )
    assert found.joules == pytest.approx([CALL_J] * SAMPLES, rel=0.03)


def test_a_sample_takes_a_second_however_wrong_the_guess_of_a_call_is():
    machine, ends = Machine(), []
    machine.measure(clock=lambda: ends.append(machine.now) or machine.now)
    assert sum(machine.asked) * CALL_S >= SAMPLES * SAMPLE_S
    machine = Machine()
    measured(
        lambda: machine.joules,
        machine.calls,
        100 * CALL_S,  # such as a first one that was disturbed
        sleep=machine.sleep,
        clock=lambda: machine.now,
    )
    assert sum(machine.asked) * CALL_S >= SAMPLES * SAMPLE_S * (1 - 1e-9)


def test_calls_that_the_counter_does_not_see_have_a_reason_and_no_joules():
    found = Machine(call_j=0.0).measure()
    assert found.joules == ()
    assert "idle" in found.reason


def test_packages_and_their_memory_are_summed_and_cores_are_within_them(tmp_path):
    files = [
        zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000),
        zone(tmp_path, "intel-rapl:1", "package-1", 5_000_000),
        zone(tmp_path, "intel-rapl:0:1", "dram", 7_000_000),
        zone(tmp_path, "intel-rapl:0:0", "core", 9_000_000),
    ]
    counter = package_counter(tmp_path)
    assert counter() == 0
    for file in files:
        file.write_text(str(int(file.read_text()) + 2_000_000))
    assert counter() == pytest.approx(3 * 2.0)


def test_a_counter_that_begins_anew_goes_on(tmp_path):
    file = zone(tmp_path, "intel-rapl:0", "package-0", RANGE - 1_000_000)
    counter = package_counter(tmp_path)
    file.write_text("500000")
    assert counter() == pytest.approx(1.5)
    file.write_text("700000")
    assert counter() == pytest.approx(1.7)


def test_a_machine_without_counters_says_so(tmp_path):
    with pytest.raises(EnergyError, match="no energy counter"):
        package_counter(tmp_path / "nowhere")
    zone(tmp_path, "intel-rapl:0:0", "core", 1)
    with pytest.raises(EnergyError, match="no energy counter"):
        package_counter(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_counters_for_root_alone_say_what_opens_them(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0", 1).chmod(0)
    with pytest.raises(EnergyError, match="chmod a\\+r"):
        package_counter(tmp_path)


class NVMLError(Exception):
    """As pynvml has it."""


def test_a_device_tells_millijoules():
    nvml = SimpleNamespace(
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: {"one": 2_500}[handle],
        NVMLError=NVMLError,
    )
    assert device_counter("cuda:0", nvml, "one")() == 2.5


def test_a_device_without_a_counter_says_so():
    def refuse(handle):
        raise NVMLError("Not Supported")

    nvml = SimpleNamespace(nvmlDeviceGetTotalEnergyConsumption=refuse, NVMLError=NVMLError)
    with pytest.raises(EnergyError, match="cuda:0 has no energy counter: Not Supported"):
        device_counter("cuda:0", nvml, "one")
    with pytest.raises(EnergyError, match=r"lnbench\[nvml\]"):
        device_counter("cuda:0", None, None)
