"""Accelerators: what torch says of them, and what is free on those that are used."""

import sys
from types import SimpleNamespace

import pytest

from lnbench.measure import devices
from lnbench.record.environment import Device
from lnbench.workers import probe


@pytest.fixture
def torch(monkeypatch):
    """A torch that knows two devices."""
    properties = SimpleNamespace(
        name="H200",
        major=9,
        minor=0,
        total_memory=150 << 30,
        L2_cache_size=50 << 20,
        multi_processor_count=132,
    )
    cuda = SimpleNamespace(
        is_available=lambda: True,
        device_count=lambda: 2,
        get_device_properties=lambda index: properties,
        mem_get_info=lambda index: ((100 + index) << 30, 150 << 30),
    )
    made = SimpleNamespace(cuda=cuda)
    monkeypatch.setitem(sys.modules, "torch", made)
    return made


def test_auto_is_cuda_where_there_is_one(torch, monkeypatch):
    monkeypatch.setattr(devices, "_driver", lambda: "595.1")

    known, _ = devices.accelerators(["auto"])

    device = Device("H200", "595.1", "9.0", 150 << 30, 50 << 20, 132)
    assert known == {"cuda:0": device, "cuda:1": device}
    assert probe._devices(["auto"]).auto == "cuda:0"


@pytest.mark.parametrize(
    ("used", "asked"),
    [
        ("auto", {0}),
        ("cuda:0", {0}),
        ("cuda:1", {1}),
        ("cpu,cuda:1,cuda:0", {0, 1}),
        ("cpu", set()),
    ],
)
def test_only_devices_that_are_used_are_asked_what_is_free(torch, used, asked):
    _, free = devices.accelerators(used.split(","))
    assert free == {f"cuda:{i}": (100 + i) << 30 for i in asked}


def test_a_device_that_another_has_for_itself_is_listed_all_the_same(torch):
    def busy(index):
        raise RuntimeError("CUDA-capable device(s) is/are busy or unavailable")

    torch.cuda.mem_get_info = busy
    known, free = devices.accelerators(["cuda:0"])
    assert free == {}
    assert len(known) == 2


def test_auto_is_cpu_where_there_is_none(torch):
    torch.cuda.is_available = lambda: False

    assert probe._devices(["auto"]).auto == "cpu"
    assert probe._devices(["auto"]).devices == {}
