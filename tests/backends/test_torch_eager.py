"""PyTorch eager, of a third party: where it exceeds the ceiling it is no worse than itself."""

from lnbench import registry
from lnbench.backends.torch_eager import TorchEager
from lnbench.plan.case import Case, Direction, DType
from lnbench.testing import BackendContract


class TestTorchEager(BackendContract):
    backend = TorchEager


def test_threads_are_those_that_were_asked_for():
    import torch

    before = torch.get_num_threads()
    layernorm = registry.operation("layernorm")
    case = Case("layernorm", Direction.FORWARD, (8, 16), DType.FLOAT32, "cpu")
    try:
        for threads in (2, 1):
            TorchEager().routine(layernorm, case, layernorm.inputs(case, 0), threads)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_it_is_of_a_third_party():
    assert TorchEager.third_party
