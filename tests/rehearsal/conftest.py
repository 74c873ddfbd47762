"""The variables of a process that meets the stand-in for CUDA, and the command under them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

SITE = Path(__file__).parent / "site"


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables under which torch finds two GPUs that are none."""
    torch = pytest.importorskip("torch")
    if torch.version.cuda is not None or torch.version.hip is not None:
        pytest.skip("a torch that is built for GPUs has C functions of its own")
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    folder = tmp_path_factory.mktemp("rehearsal")
    guard, root = folder / "guard.so", Path(torch.__file__).parent
    command = ["g++", "-std=c++20", "-shared", "-fPIC", "-O0", f"-I{root}/include"]
    command += [f"-L{root}/lib", f"-Wl,-rpath,{root}/lib", "-o", guard, SITE / "guard.cpp"]
    subprocess.run([*command, "-lc10", "-ltorch_cpu"], check=True)
    paths = [str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "LNBENCH_REHEARSAL_GUARD": str(guard),
        "TRITON_CACHE_DIR": str(folder / "triton"),
        "LNBENCH_THREADS": "1",  # the values of kernels come from the CPU, and need no second core
        "COLUMNS": "200",
    }


@pytest.fixture(scope="session")
def rehearse(stand_in, tmp_path_factory):
    """The command in a process and a folder of its own: its report, and what happened."""

    def call(*arguments, code=0, **extra):
        folder = tmp_path_factory.mktemp("session")
        log, report = folder / "log", folder / "report.json"
        log.touch()
        done = subprocess.run(
            [sys.executable, "-P", "-m", "lnbench", *arguments],
            cwd=folder,
            env=stand_in | {"LNBENCH_REHEARSAL_LOG": str(log)} | extra,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        lines = [line.partition(" ")[2] for line in log.read_text().splitlines()]
        errors = [line for line in lines if line.startswith("error")]
        rows = json.loads(report.read_text())["outcomes"] if report.is_file() else []
        wrong = errors + sorted({row["error"] for row in rows if row["kind"] == "failed"})
        assert done.returncode == code, (wrong, done.returncode, done.stdout, done.stderr)
        return SimpleNamespace(
            rows=rows, report=str(report), lines=set(lines), errors=errors, text=done.stdout
        )

    return call
