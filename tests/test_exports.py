"""What `import lnbench` gives a plug-in author, and what it does not load."""

import subprocess
import sys

import pytest

import lnbench

HEAVY = ("torch", "triton", "numpy", "scipy")


def test_every_exported_name_is_there_and_has_one_module():
    listed = [name for names in lnbench._MODULES.values() for name in names]
    assert sorted([*listed, "__version__"]) == sorted(lnbench.__all__)
    assert all(getattr(lnbench, name) is not None for name in lnbench.__all__)
    assert set(lnbench.__all__) <= set(dir(lnbench))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'lnbench' has no attribute 'Backends'"):
        lnbench.Backends  # noqa: B018


@pytest.mark.parametrize(
    "names",
    [
        "__version__",
        "Available, Backend, Benchmark, Case, Operation, Routine, Work",
        "HostBackend, HostTimer, numpy_dtype, own_copy, to_torch",
    ],
)
def test_only_torchs_own_name_loads_a_framework(names):
    text = (
        f"import sys; from lnbench import {names};"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", text], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
