"""Laws of the looks at NVIDIA devices, from answers of NVML."""

import sys
from types import SimpleNamespace

import pytest

from lnbench.measure.device_looks import devices


class NVMLError(Exception):
    """As pynvml has it."""


def library(count=1, **answers):
    """Return a module that answers as an H100 in order does, but for some answers."""

    def answer(value):
        def ask(handle, *more):
            if value is None:
                raise NVMLError
            return value

        return ask

    usual = {
        "PersistenceMode": 1,
        "ClockInfo": 345,
        "MaxClockInfo": 1980,
        "ApplicationsClock": 1980,
        "CurrentClocksEventReasons": 1,
        "PowerManagementLimit": 700_000,
        "PowerManagementDefaultLimit": 700_000,
        "EccMode": (1, 1),
        "MigMode": (0, 0),
        "ComputeRunningProcesses": [],
        "CurrPcieLinkWidth": 16,
        "MaxPcieLinkWidth": 16,
    }
    named = {f"nvmlDeviceGet{name}": answer(value) for name, value in (usual | answers).items()}
    return SimpleNamespace(
        NVMLError=NVMLError,
        NVML_CLOCK_SM=1,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: count,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        **named,
    )


def test_a_device_in_order_disturbs_nothing_and_is_told_whole(tmp_path):
    found = list(devices(tmp_path, library(count=2)))
    assert not [look for look in found if look.disturbs]
    names = {look.name.removeprefix("gpu 1 ") for look in found if look.name.startswith("gpu 1 ")}
    assert names == {
        *("persistence", "clocks", "slowed by", "power limit"),
        *("ECC", "MIG", "processes", "PCIe"),
    }
    assert all(look.effect for look in found)


@pytest.mark.parametrize(
    ("name", "answer", "look", "found", "command"),
    [
        ("PersistenceMode", 0, "persistence", "off", "--persistence-mode=1"),
        ("ApplicationsClock", 1410, "clocks", "applications 1410 MHz", "--lock-gpu-clocks=1410"),
        ("CurrentClocksEventReasons", 0x40, "slowed by", "hardware thermal slowdown", "--query"),
        ("PowerManagementLimit", 300_000, "power limit", "300 of 700 W", "--power-limit=700"),
        ("MigMode", (1, 1), "MIG", "on", "--multi-instance-gpu=0"),
        ("ComputeRunningProcesses", [1, 2], "processes", "2 compute there", "--query-compute-apps"),
    ],
)
def test_what_is_out_of_order_disturbs_and_says_how_to_mend_it(
    tmp_path, name, answer, look, found, command
):
    (wrong,) = [each for each in devices(tmp_path, library(**{name: answer})) if each.disturbs]
    assert wrong.name == f"gpu 0 {look}"
    assert found in wrong.found
    assert wrong.command.startswith("sudo nvidia-smi --id=0 ")
    assert command in wrong.command


def test_what_a_device_does_not_support_is_left_out(tmp_path):
    old = library(MigMode=None, EccMode=None)
    del old.nvmlDeviceGetPersistenceMode  # an older package
    names = {look.name for look in devices(tmp_path, old)}
    assert names & {"gpu 0 MIG", "gpu 0 ECC", "gpu 0 persistence"} == set()
    assert "gpu 0 clocks" in names


def test_without_a_driver_there_is_no_look(tmp_path):
    def absent():
        raise NVMLError

    nvml = library()
    nvml.nvmlInit = absent
    assert list(devices(tmp_path, nvml)) == []


def test_a_driver_without_the_package_is_one_look_and_neither_is_none(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert list(devices(tmp_path)) == []
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text("NVRM version: 560")
    (look,) = devices(tmp_path)
    assert look.command == "pip install 'lnbench[nvml]'"
