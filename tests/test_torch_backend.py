"""What backends on torch's tensors share."""

from types import SimpleNamespace

import pytest
import torch

from lnbench import registry
from lnbench.backend import Available, Unavailable, UnsupportedError
from lnbench.plan.case import Case, Direction, DType
from lnbench.torch_backend import TorchBackend, device_problem

CASE = Case("layernorm", Direction.FORWARD, (4, 8), DType.FLOAT32, "cpu")


class Picky(TorchBackend):
    name = "picky"
    framework = "torch"
    summary = "takes nothing"

    def case_problem(self, case):
        return f"picky takes no {case.dtype}"


@pytest.fixture
def two_cards(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_the_cpu_is_always_there():
    assert device_problem("cpu") is None


def test_a_torch_for_the_cpu_alone_says_so(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    assert "CPU only" in device_problem("cuda:0")


@pytest.mark.usefixtures("two_cards")
@pytest.mark.parametrize(
    ("device", "problem"),
    [
        ("cuda", None),
        ("cuda:1", None),
        ("cuda:2", "there is no cuda:2, only 2 device(s)"),
        ("mps", "no mps device was found"),
    ],
)
def test_a_device_that_is_not_there_is_a_sentence(monkeypatch, device, problem):
    card = SimpleNamespace(type="cuda")
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: card)
    assert device_problem(device) == problem


def test_a_module_that_is_not_installed_is_the_reason(monkeypatch):
    assert Picky().availability("cpu") == Available()
    monkeypatch.setattr(Picky, "modules", {"torch": "no", "no_such_module": "install it"})
    assert Picky().availability("cpu") == Unavailable("install it")


def test_a_case_that_is_not_taken_is_skipped_before_its_inputs_are_touched():
    with pytest.raises(UnsupportedError, match="picky takes no float32"):
        Picky().routine(registry.operation("layernorm"), CASE, {}, threads=1)
