"""What this machine can run: asked in a child, whose crashes are answers too."""

import sys
from types import SimpleNamespace

import pytest

from lnbench import registry
from lnbench.backend import Available, Unavailable
from lnbench.errors import LnbenchError, PluginError
from lnbench.record.environment import Device
from lnbench.workers import probe
from lnbench.workers.launcher import Interpreter
from lnbench.workers.probe import Answer, Machine


@pytest.fixture
def no_gpu(environment):
    return environment | {"CUDA_VISIBLE_DEVICES": ""}


def test_a_plug_in_that_crashes_or_cannot_be_loaded_is_broken_and_the_others_answer(no_gpu):
    names = ("plain", "crashing", "unloadable", "numpy", "torch-eager")

    machine = probe.probe(names, ["auto"], Interpreter(no_gpu))

    assert [(each.backend, each.device) for each in machine.backends] == [
        (name, "cpu") for name in names
    ]
    found = {each.backend: each for each in machine.backends}
    assert [name for name in names if found[name].available] == ["plain", "numpy", "torch-eager"]
    assert found["crashing"].broken
    assert "SIGSEGV" in found["crashing"].text
    assert found["unloadable"].broken
    assert "libmissing.so is missing" in found["unloadable"].text
    assert machine.auto == "cpu"
    assert machine.devices == {}


def test_every_pair_of_backend_and_device_is_answered_once_in_order(no_gpu):
    machine = probe.probe(("numpy", "copy"), ["cpu", "xpu", "cpu"], Interpreter(no_gpu))

    assert [(each.backend, each.device, each.available) for each in machine.backends] == [
        ("numpy", "cpu", True),
        ("copy", "cpu", True),
        ("numpy", "xpu:0", False),
        ("copy", "xpu:0", False),
    ]
    assert not any(each.broken for each in machine.backends)
    assert machine.find("copy", "xpu:0").text
    with pytest.raises(KeyError):
        machine.find("copy", "mps")


def test_a_plug_in_that_hangs_is_broken_and_the_others_answer(no_gpu, tmp_path, monkeypatch):
    # A light torch, so that a short limit is enough for those that do answer.
    (tmp_path / "torch.py").write_text("class cuda:\n    is_available = lambda: False\n")
    text = "import time\ntime.sleep(1e6)\n"
    (tmp_path / "lnbench_unloadable.py").write_text(text)
    paths = f"{tmp_path}:{no_gpu['PYTHONPATH']}"
    monkeypatch.setattr(probe, "_LIMIT_S", 4)

    machine = probe.probe(
        ("unloadable", "numpy"), ["cpu"], Interpreter(no_gpu | {"PYTHONPATH": paths})
    )

    hung, numpy = machine.backends
    assert hung.broken
    assert numpy.available


def test_a_torch_that_cannot_be_asked_is_one_sentence(no_gpu, tmp_path):
    (tmp_path / "torch.py").write_text("import os\nos.abort()\n")
    paths = f"{tmp_path}:{no_gpu['PYTHONPATH']}"

    with pytest.raises(LnbenchError, match="SIGABRT") as error:
        probe.probe(("numpy",), ["cpu"], Interpreter(no_gpu | {"PYTHONPATH": paths}))

    assert "import torch" in error.value.hint


# One answer


@pytest.mark.parametrize(
    ("answer", "available", "broken", "text"),
    [
        (Available("interpreted"), True, False, "interpreted"),
        (Available(), True, False, ""),
        (Unavailable("no device"), False, False, "no device"),
        (None, False, True, "availability() returned NoneType"),
        (True, False, True, "availability() returned bool"),
        (RuntimeError("oh"), False, True, "RuntimeError: oh"),
        (PluginError("two are called so"), False, True, "two are called so"),
    ],
)
def test_whatever_a_plug_in_says_is_an_answer(monkeypatch, answer, available, broken, text):
    def availability(device):
        if isinstance(answer, Exception):
            raise answer
        return answer

    made = SimpleNamespace(availability=availability)
    monkeypatch.setattr(registry, "backend", lambda name: made)

    assert probe._backend("mine", "cpu") == Answer("mine", "cpu", available, text, broken)


def test_an_unknown_backend_is_broken_and_not_a_crash():
    found = probe._backend("nix", "cpu")

    assert found.broken
    assert "unknown backend 'nix'" in found.text


# Devices


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
    monkeypatch.setattr(probe, "_driver", lambda: "595.1")

    found = probe._devices(["auto"])

    device = Device("H200", "595.1", "9.0", 150 << 30, 50 << 20, 132)
    assert found.auto == "cuda:0"
    assert found.devices == {"cuda:0": device, "cuda:1": device}


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
    found = probe._devices(used.split(","))
    assert found.free_bytes == {f"cuda:{i}": (100 + i) << 30 for i in asked}


def test_a_device_that_another_has_for_himself_is_found_all_the_same(torch):
    def busy(index):
        raise RuntimeError("CUDA-capable device(s) is/are busy or unavailable")

    torch.cuda.mem_get_info = busy
    found = probe._devices(["cuda:0"])
    assert found.free_bytes == {}
    assert len(found.devices) == 2


def test_auto_is_cpu_where_there_is_none(torch):
    torch.cuda.is_available = lambda: False

    assert probe._devices(["auto"]).auto == "cpu"
    assert probe._devices(["auto"]).devices == {}


def test_a_machine_is_asked_by_name():
    found = Answer("numpy", "cpu", available=True, text="")

    assert Machine("cpu", (), (found,), "3.11", ()).find("numpy", "cpu") is found
