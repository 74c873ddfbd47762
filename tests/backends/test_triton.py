"""The Triton backend under the contract: on the CPU only interpreted, in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from lnbench.backends.triton import Triton
from lnbench.plan.case import Direction, DType
from lnbench.testing import BackendContract

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"

# The interpreter takes its time for every row.
SHAPES = ((3, 5, 96), (33, 100), (1, 4096))
HOSTILE = (
    "constant rows",
    "mean 1e4, spread 1e-2",
    "huge values",
    "NaN in one row",
    "strided rows",
    "transposed",
    "stride-0 dy",
    "no rows",
    "no columns",
    "one column",
    "odd columns",
    "mixed types",
)


class TestTriton(BackendContract):
    __test__ = INTERPRETED
    backend = Triton
    dtypes: ClassVar = (DType.FLOAT32, DType.BFLOAT16)
    calls = 10

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("direction", list(Direction))
    def test_results_agree_with_the_reference(self, direction, shape):
        super().test_results_agree_with_the_reference(direction, shape)

    @pytest.mark.parametrize("direction", list(Direction))
    def test_hostile_inputs_agree_with_the_reference(self, direction):
        for dtype in self.dtypes:
            case = self._case(direction, (8, 100), dtype=dtype)
            for hostile in self.mathematics.hostile(case, seed=1):
                if hostile.name in HOSTILE:
                    self._verify(hostile.case, hostile.inputs, hostile.name)


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.skipif(INTERPRETED, reason="this is the interpreted process")
@pytest.mark.slow
def test_the_interpreted_backend_keeps_the_contract():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", Path(__file__)]

    done = subprocess.run(
        [*command, "-k", "TestTriton"],
        env=os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout.splitlines()[-1], done.stdout
