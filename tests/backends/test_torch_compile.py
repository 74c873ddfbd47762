"""torch.compile on few shapes: every one is a compilation of a second or two."""

from typing import ClassVar

import pytest

from lnbench import registry
from lnbench.backend import Available
from lnbench.backends import torch_compile
from lnbench.backends.torch_compile import (
    Compiled,
    TorchCompile,
    TorchCompileMax,
    compiler_problem,
)
from lnbench.measure.check import _finding
from lnbench.measure.routine import make_routine
from lnbench.plan.case import Case, Direction, DType
from lnbench.testing import BackendContract

HOSTILE = ("mean 100", "NaN in one row", "strided rows", "no rows", "stride-0 dy", "odd columns")


class TestTorchCompile(BackendContract):
    backend = TorchCompile
    dtypes: ClassVar = (DType.FLOAT32,)
    calls = 20
    waits = True  # for the compiler

    @pytest.fixture(autouse=True)
    def _a_cache_that_stays(self, tmp_path_factory, monkeypatch):
        folder = tmp_path_factory.getbasetemp() / "inductor"
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder))
        monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")

    @pytest.mark.parametrize("shape", [(64, 128), (257, 1000)])
    @pytest.mark.parametrize("direction", list(Direction))
    def test_results_agree_with_the_reference(self, direction, shape):
        super().test_results_agree_with_the_reference(direction, shape)

    @pytest.mark.parametrize("direction", [Direction.BACKWARD])
    def test_hostile_inputs_agree_with_the_reference(self, direction):
        case = self._case(direction, (64, 300))
        given = {each.name: each for each in self.mathematics.hostile(case, seed=1)}
        for name in HOSTILE:
            self._verify(given[name].case, given[name].inputs, name)

    def test_what_a_peer_loses_on_constant_rows_is_a_caveat(self):
        case = self._case(Direction.FORWARD, (64, 300))
        (constant,) = (
            each for each in self.mathematics.hostile(case, seed=1) if each.name == "constant rows"
        )
        made = make_routine(self.subject, self.mathematics, constant.case, constant.inputs, 1)
        outputs = made.host(made.run())
        found = _finding(self.subject.name, self.mathematics, constant, outputs)
        assert found.tolerable or not found.error


def test_without_a_compiler_it_says_what_to_install(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")

    assert "apt install g++" in TorchCompile().availability("cpu").reason


def test_without_headers_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "true")
    monkeypatch.setattr(torch_compile.sysconfig, "get_path", lambda name: str(tmp_path))
    assert "apt install python3-dev" in compiler_problem("cpu")

    (tmp_path / "Python.h").touch()
    assert compiler_problem("cpu") is None
    assert isinstance(TorchCompile().availability("cpu"), Available)


def test_on_a_gpu_it_compiles_with_triton(monkeypatch):
    monkeypatch.setattr(torch_compile.importlib.util, "find_spec", lambda name: None)
    assert "pip install triton" in compiler_problem("cuda:0")

    monkeypatch.setattr(torch_compile.importlib.util, "find_spec", lambda name: name)
    assert compiler_problem("cuda:0") is None


def test_the_first_call_compiles_and_the_next_does_not():
    import torch._dynamo

    if compiler_problem("cpu") is not None:
        pytest.skip(compiler_problem("cpu"))
    from lnbench import registry

    layernorm = registry.operation("layernorm")
    case = Case("layernorm", Direction.FORWARD, (8, 16), DType.FLOAT32, "cpu")
    made = TorchCompile().routine(layernorm, case, layernorm.inputs(case, 0), 1)
    counters = torch._dynamo.utils.counters
    before = counters["stats"]["unique_graphs"]

    made.run()
    compiled = counters["stats"]["unique_graphs"]
    made.run()

    assert compiled == before + 1
    assert counters["stats"]["unique_graphs"] == compiled


def test_inputs_in_turn_are_compiled_for_once(monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
    resets = []
    monkeypatch.setattr(torch_compile.torch.compiler, "reset", lambda: resets.append(1))
    backend, operation = TorchCompile(), registry.operation("layernorm")
    cases = [
        Case("layernorm", Direction.FORWARD, (8, columns), DType.FLOAT32, "cpu")
        for columns in (24, 24, 48)
    ]
    for case in cases:
        backend.routine(operation, case, operation.inputs(case, 0), threads=1)
    assert len(resets) == 2


class TestRMSNorm(BackendContract):
    backend = TorchCompile
    operation = "rmsnorm"
    dtypes: ClassVar = (DType.FLOAT32,)
    calls = 20
    waits = True  # for the compiler

    @pytest.mark.parametrize("shape", [(64, 128)])
    @pytest.mark.parametrize("direction", list(Direction))
    def test_results_agree_with_the_reference(self, direction, shape):
        super().test_results_agree_with_the_reference(direction, shape)

    @pytest.mark.parametrize("direction", [Direction.FORWARD])
    def test_hostile_inputs_agree_with_the_reference(self, direction):
        case = self._case(direction, (64, 300))
        given = {each.name: each for each in self.mathematics.hostile(case, seed=1)}
        for name in HOSTILE:
            if name in given:
                self._verify(given[name].case, given[name].inputs, name)


@pytest.mark.parametrize("backend", [TorchCompile, TorchCompileMax])
def test_each_compiles_in_its_own_mode(backend, monkeypatch):
    seen = []

    def compiled(function, *, dynamic, mode):
        seen.append(mode)
        return function

    monkeypatch.setattr(torch_compile.torch, "compile", compiled)
    Compiled(torch_compile, backend.mode).compiler_problem("cpu")
    assert seen == [backend.mode]


def test_the_two_modes_differ_and_torch_knows_them():
    modes = [TorchCompile.mode, TorchCompileMax.mode]
    assert modes == ["default", "max-autotune-no-cudagraphs"]
    assert set(modes[1:]) <= set(torch_compile.torch._inductor.list_mode_options())


def test_on_the_cpu_there_is_nothing_to_tune():
    assert "use torch-compile" in TorchCompileMax().availability("cpu").reason
