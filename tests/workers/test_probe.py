"""What this machine can run: asked in a child, whose crashes are answers too."""

from importlib import metadata
from types import SimpleNamespace

import pytest

from lnbench import registry
from lnbench.backend import Available, Unavailable
from lnbench.errors import LnbenchError, PluginError
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


def test_a_python_that_cannot_answer_is_one_sentence(no_gpu, tmp_path):
    (tmp_path / "msgspec.py").write_text("import os\nos.abort()\n")
    paths = f"{tmp_path}:{no_gpu['PYTHONPATH']}"

    with pytest.raises(LnbenchError, match="SIGABRT") as error:
        probe.probe(("numpy",), ["cpu"], Interpreter(no_gpu | {"PYTHONPATH": paths}))

    assert error.value.hint


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

    made = SimpleNamespace(availability=availability, packages=(), variables=())
    monkeypatch.setattr(registry, "backend", lambda name: made)

    assert probe._backend("mine", "cpu") == Answer("mine", "cpu", available, text, broken)


def test_an_unknown_backend_is_broken_and_not_a_crash():
    found = probe._backend("nix", "cpu")

    assert found.broken
    assert "unknown backend 'nix'" in found.text


# Devices


def test_what_an_available_backend_computes_with_is_recorded_by_the_machine(no_gpu):
    pytest.importorskip("numba")
    machine = probe.probe(("numpy", "numba"), ["cpu", "xpu"], Interpreter(no_gpu))

    assert machine.packages["llvmlite"] == metadata.version("llvmlite")
    assert machine.variables == ("NUMBA_*",)
    plain = probe.probe(("numpy",), ["cpu"], Interpreter(no_gpu))
    assert "llvmlite" not in plain.packages
    assert plain.variables == ()


def test_a_machine_is_asked_by_name():
    found = Answer("numpy", "cpu", available=True, text="")

    assert Machine("cpu", (), (found,), "3.11", ()).find("numpy", "cpu") is found
