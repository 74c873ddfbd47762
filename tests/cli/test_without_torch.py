"""A torch that is missing or broken takes its own rows with it, and nothing else."""

import json
import os
from pathlib import Path

import pytest

from lnbench.record import report as reports
from lnbench.record.looks import Look
from lnbench.record.outcome import Measured, Skipped

SMALL = ("--shape", "8x16", "--direction", "forward")

TORCHES = {
    "missing": (
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')",
        "torch is not installed: pip install torch",
    ),
    "broken": (
        "raise OSError('libcudart.so.13: cannot open shared object file')",
        "torch cannot be imported: OSError: libcudart.so.13: cannot open shared object file",
    ),
    "half": (
        "import no_such_part",
        "torch cannot be imported: ModuleNotFoundError: No module named 'no_such_part'",
    ),
    "left": ("", "torch is not whole: pip install --force-reinstall torch"),
    "deadly": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGILL)",
        "torch cannot be imported: it ends the process (SIGILL)",
    ),
}


@pytest.fixture(params=TORCHES)
def without(request, tmp_path, lnbench):
    """The command where torch is as named, and the sentence that says so."""
    text, sentence = TORCHES[request.param]
    return command(tmp_path, lnbench, text), sentence


@pytest.fixture
def broken(tmp_path, lnbench):
    """The command where torch cannot be imported."""
    return command(tmp_path, lnbench, TORCHES["broken"][0])


def command(folder: Path, lnbench, text: str):
    (folder / "site").mkdir()
    (folder / "site/torch.py").write_text(text)
    path = os.pathsep.join([str(folder / "site"), os.environ.get("PYTHONPATH", "")])
    return lambda *words, **more: lnbench(*words, PYTHONPATH=path.strip(os.pathsep), **more)


def test_numpy_is_measured_and_rows_of_torch_say_why_in_one_sentence(without, tmp_path):
    run, sentence = without

    run("run", *SMALL, "-b", "numpy,torch-eager,triton", "--passes", "2", "-o", "r.json")

    read = reports.read(tmp_path / "r.json")
    found = {outcome.benchmark.backend: outcome for outcome in read.outcomes}
    assert isinstance(found.pop("numpy"), Measured)
    assert {type(outcome) for outcome in found.values()} == {Skipped}
    assert {outcome.reason for outcome in found.values()} == {sentence}
    assert "torch" not in read.environment.packages


def test_what_does_not_compute_works_as_ever(broken, tmp_path):
    broken("run", *SMALL, "-b", "numpy", "--passes", "2", "-o", "r.json")

    for words in (
        "show r.json",
        "diff r.json r.json",
        "history .",
        "export r.json --format csv",
        "list operations --verbose",
        "doctor --fast",
        "paper invariance",
        "--help",
    ):
        assert broken(*words.split()).stdout
    checked = json.loads(broken("check", *SMALL, "-b", "numpy", "--format", "json").stdout)
    assert [row["verdict"] for row in checked] == ["right", "skipped"]
    listed = json.loads(broken("list", "backends", "--format", "json").stdout)
    assert {row["available"] for row in listed} == {"yes", "no"}  # none is broken


def test_what_needs_torch_is_refused_in_one_sentence(broken, tmp_path):
    (tmp_path / "mine.py").write_text("import torch\n\ndef forward(x, weight, bias, eps):\n    x")
    for words, code in (
        (("run", *SMALL, "-b", "torch-eager"), 5),
        (("run", *SMALL, "-b", "./mine.py"), 5),
        (("ab", "backend:numpy", "backend:torch-eager", "quick", *SMALL), 5),
        (("paper", "train", "--steps", "2"), 2),
    ):
        done = broken(*words, check=code)
        assert done.stderr.startswith("error: ")
        assert "torch cannot be imported: OSError: libcudart.so.13" in done.stderr


def test_a_kernel_without_backward_is_skipped_there_and_asks_no_torch(broken, tmp_path):
    text = "import numpy\n\ndef forward(x, weight, bias, eps):\n    return x"
    (tmp_path / "mine.py").write_text(text)
    options = ("--shape", "8x16", "--direction", "backward", "-o", "r.json")

    broken("run", *options, "-b", "./mine.py", check=5)

    reasons = [outcome.reason for outcome in reports.read(tmp_path / "r.json").outcomes]
    assert "mine has no backward" in reasons


def test_doctor_measures_numpy_instead(fake, monkeypatch):
    from lnbench.cli import doctor

    look = Look(name="ASLR", found="on", effect="none")
    monkeypatch.setattr(doctor, "_looks", lambda line: (look,))
    why = "torch is not installed: pip install torch"
    fake.unavailable = {"copy": why, "torch-eager": why}

    done = fake.call(command="doctor")

    ids = {benchmark.id for benchmark in fake.session.benchmarks}
    assert "layernorm/forward/1x64/float32/cpu/numpy" in ids
    assert f"skipped: {why}" in done.stdout
    assert done.exit_code == 0
