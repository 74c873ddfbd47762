"""The nursery on a machine with a GPU: what it has imported must not have opened that."""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from lnbench.workers.variables import variables  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

PRELOAD = """
from lnbench import registry
from lnbench.workers import nursery
nursery.preload(list(registry.backend_names()), list(registry.operation_names()))
print(nursery.obstacle())
"""


def test_the_nursery_may_be_forked_after_the_preload_of_every_backend(tmp_path):
    done = subprocess.run(
        [sys.executable, "-P", "-c", PRELOAD],
        env=variables(1, (0,), tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""
