"""Laws of the environment: it says what matters, and nothing that must not be committed."""

import getpass
import platform
import re
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from lnbench.record import machine
from lnbench.record.environment import (
    Cpu,
    Device,
    Environment,
    collect,
    differences,
    installed,
    packages,
)

CPU = Cpu("Zen 5", "x86_64", 2, 4, 32 * 2**20)
HERE = Environment(
    python="3.11.7",
    os="Linux 6.1",
    cpu=CPU,
    memory_bytes=2**33,
    packages={"numpy": "2.4", "torch": "2.13.0", "msgspec": "0.22"},
    devices={"cuda:0": Device("H200", "575")},
    variables={"OMP_NUM_THREADS": "2"},
    threads=2,
    transparent_hugepages="madvise",
    governor=None,
    virtual=True,
    machine_id="a1",
)


def changed(**fields):
    return msgspec.structs.replace(HERE, **fields)


def found(candidate):
    return {(d.name, d.baseline, d.candidate, d.serious) for d in differences(HERE, candidate)}


def test_no_host_no_user_and_no_folder_gets_out(monkeypatch):
    monkeypatch.setenv("TRITON_CACHE_DIR", "/home/alice/.triton")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "~alice/cache")
    monkeypatch.setenv("KMP_DEVICE_THREAD_LIMIT", "C:\\Users\\alice")
    monkeypatch.setenv("LD_PRELOAD", "/home/alice/lib/libjemalloc.so.2:/home/alice/libx.so")
    monkeypatch.setenv("OMP_DISPLAY_ENV", "\udce4alice")
    text = msgspec.json.encode(collect(2)).decode()
    assert "alice" not in text
    for secret in (socket.gethostname(), getpass.getuser(), str(Path.home()), str(Path.cwd())):
        assert not re.search(rf"(?<![\w.-]){re.escape(secret)}(?![\w.-])", text), secret


def test_variables_that_decide_are_recorded_and_others_are_not():
    said = {
        "OMP_NUM_THREADS": "2",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
        "MALLOC_ARENA_MAX": "1",
        "TRITON_CACHE_DIR": "/tmp/cache",
        "LD_PRELOAD": "/opt/x/libjemalloc.so.2 liby.so",
        "SECRET_TOKEN": "hunter2",
        "PATH": "/usr/bin",
    }
    assert collect(2, variables=said).variables == {
        "LD_PRELOAD": "libjemalloc.so.2 liby.so",
        "MALLOC_ARENA_MAX": "1",
        "OMP_NUM_THREADS": "2",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
        "TRITON_CACHE_DIR": "set",
    }


def test_packages_that_take_part_are_recorded_with_their_plugins():
    versions = collect(2).packages
    assert {"lnbench", "torch", "numpy", "msgspec"} <= versions.keys()
    assert all(versions.values())
    assert "pytest" not in versions


def test_a_backend_brings_packages_and_variables_to_record():
    settings = {"XLA_FLAGS": "--fast", "JAX_DEBUG": "1", "SECRET_TOKEN": "hunter2"}
    plain = collect(2, variables=settings)
    versions = packages() | installed(("pytest", "jax-x"))
    made = collect(2, variables=settings, versions=versions, patterns=("XLA_*",))
    assert made.variables == {"XLA_FLAGS": "--fast"}
    assert made.packages == plain.packages | {"pytest": pytest.__version__}


def test_devices_and_threads_are_what_the_caller_says():
    devices = {"cuda:0": Device("H200", "575", "9.0", 2**37)}
    environment = collect(7, devices, {})
    assert (environment.threads, environment.devices) == (7, devices)


def test_nothing_heavy_is_imported_to_describe_the_machine():
    code = (
        "import sys; from lnbench.record.environment import collect; collect(1);"
        "sys.exit(bool({'torch', 'triton', 'numpy', 'yaml', 'rich'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_environment_does_not_differ_from_itself():
    assert differences(HERE, HERE) == ()


@pytest.mark.parametrize(
    ("fields", "difference"),
    [
        ({"machine_id": "b2"}, ("machine", "a1", "b2", True)),
        ({"threads": 1}, ("threads", "2", "1", True)),
        ({"transparent_hugepages": None}, ("transparent_hugepages", "madvise", "none", True)),
        ({"python": "3.12"}, ("python", "3.11.7", "3.12", False)),
        ({"os": "Linux 6.2"}, ("os", "Linux 6.1", "Linux 6.2", False)),
        ({"governor": "powersave"}, ("governor", "none", "powersave", False)),
        (
            {"cpu": msgspec.structs.replace(CPU, model="Zen 4")},
            ("cpu", "Zen 5", "Zen 4", True),
        ),
        (
            {"packages": {"numpy": "2.4", "torch": "2.12.0", "msgspec": "0.22"}},
            ("torch", "2.13.0", "2.12.0", True),
        ),
        (
            {"packages": {"torch": "2.13.0", "msgspec": "0.22"}},
            ("numpy", "2.4", "none", True),
        ),
        (
            {"packages": {"numpy": "2.4", "torch": "2.13.0", "msgspec": "0.21"}},
            ("msgspec", "0.22", "0.21", False),
        ),
        (
            {"devices": {"cuda:0": Device("H200", "580")}},
            ("cuda:0 driver", "575", "580", True),
        ),
        (
            {"variables": {"OMP_NUM_THREADS": "4"}},
            ("OMP_NUM_THREADS", "2", "4", False),
        ),
        (
            {"variables": {"OMP_NUM_THREADS": "2", "MALLOC_TOP_PAD_": "9"}},
            ("MALLOC_TOP_PAD_", "none", "9", True),
        ),
    ],
)
def test_a_difference_is_named_and_weighed(fields, difference):
    assert found(changed(**fields)) == {difference}


def test_a_device_that_is_gone_is_serious():
    assert ("cuda:0 name", "H200", "none", True) in found(changed(devices={}))


def test_swapping_the_sides_swaps_the_values():
    other = changed(threads=1, python="3.12", devices={})
    swapped = {(d.name, d.candidate, d.baseline, d.serious) for d in differences(other, HERE)}
    assert swapped == found(other)


def test_serious_differences_come_first():
    weights = [d.serious for d in differences(HERE, changed(threads=1, python="3.12", os="x"))]
    assert weights == [True, False, False]


def test_the_processor_and_the_memory_are_those_of_the_machine(monkeypatch):
    said = {
        "cpu_model": "Zen 5",
        "physical_cores": 3,
        "logical_cores": 5,
        "last_level_cache_bytes": 7,
        "memory_bytes": 11,
        "transparent_hugepages": "never",
        "governor": "performance",
        "virtual": False,
        "machine_id": "ab",
        "operating_system": "Linux 6",
    }
    for name, value in said.items():
        monkeypatch.setattr(machine, name, lambda value=value: value)
    found = collect(2)
    assert found.cpu == Cpu("Zen 5", platform.machine(), 3, 5, 7)
    assert (found.memory_bytes, found.os, found.machine_id) == (11, "Linux 6", "ab")
    kernel = (found.transparent_hugepages, found.governor, found.virtual)
    assert kernel == ("never", "performance", False)
