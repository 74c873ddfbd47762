"""`lnbench profile`: one benchmark, verified, under a profiler; its exit codes and its tools."""

import json
import shutil
import subprocess

import pytest

from lnbench.measure.counters import EVENTS
from lnbench.plan.profilers import TOOLS

NUMPY = "layernorm/forward/64x256/float32/cpu/numpy-naive"
EAGER = "layernorm/forward/64x256/bfloat16/cpu/torch-eager"
CUDA = "layernorm/forward/64x256/float32/cuda/torch-eager"
KERNEL = """
def forward(x, weight, bias, eps):
    centred = x - x.mean(axis=1, keepdims=True)
    variance = (centred * centred).mean(axis=1, keepdims=True)
    return centred / (variance + eps) ** 0.5 * weight + bias
"""


def profiled(lnbench, *arguments, **options):
    return json.loads(lnbench("profile", *arguments, "--format", "json", **options).stdout)


def test_lines_of_numpy_are_sampled_or_the_reason_is_said(lnbench):
    told = profiled(lnbench, NUMPY)
    assert told["benchmark"] == NUMPY
    assert bool(told["spots"]) is not bool(told["unseen"])
    assert all("(" in spot["name"] for spot in told["spots"])
    assert bool(told["counters"]) is not bool(told["uncounted"])
    assert set(told["counters"]) <= set(EVENTS)
    assert told["sentence"].startswith(("numpy-naive moves", "how many bytes numpy-naive moves"))


def test_operators_of_torch_are_seen_with_their_bytes_and_a_trace(lnbench, tmp_path):
    told = profiled(lnbench, EAGER, "--trace", "trace.json", "--calls", "3")
    assert (told["profiler"], told["calls"]) == ("torch", 3)
    (kernel,) = [s for s in told["spots"] if s["name"] == "aten.native_layer_norm"]
    assert kernel["launches"] == 1
    assert kernel["bytes_moved"] == pytest.approx(told["compulsory_bytes"], rel=0.02)
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def test_flags_that_leave_one_row_name_it_too(lnbench):
    flags = ("--shape", "64x256", "--direction", "forward", "-b", "numpy-naive")
    assert profiled(lnbench, *flags)["benchmark"] == NUMPY


def test_a_kernel_of_the_user_s_own_is_profiled_by_its_file(lnbench, tmp_path):
    (tmp_path / "mine.py").write_text(KERNEL)
    flags = ("--shape", "64x256", "--direction", "forward", "-b", "./mine.py")
    told = profiled(lnbench, *flags)
    assert told["backend"] == "mine"
    assert told["unseen"] or any("(mine.py:" in spot["name"] for spot in told["spots"])


def test_a_kernel_that_is_wrong_is_not_profiled(lnbench, tmp_path):
    (tmp_path / "mine.py").write_text(KERNEL.replace("+ bias", "- bias"))
    flags = ("--shape", "64x256", "--direction", "forward", "-b", "./mine.py")
    done = lnbench("profile", *flags, check=3)
    assert done.stdout == ""
    assert "failed (verify)" in done.stderr


@pytest.mark.skipif(shutil.which("perf") is None, reason="needs perf")
def test_perf_looks_at_the_marked_calls_of_a_kernel_s_file_alone(lnbench, tmp_path):
    (tmp_path / "mine.py").write_text(KERNEL)
    row = NUMPY.replace("numpy-naive", "mine")
    done = lnbench("profile", row, "-b", "./mine.py", "--tool", "perf", "--calls", "50", check=None)
    if done.returncode == 3 and "ended with" in done.stderr:
        pytest.skip(f"perf does not work here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    assert f"50 calls in the range 'lnbench': {row}" in done.stderr
    assert (tmp_path / "profile.data").stat().st_size > 0
    left = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("profile"))
    assert left == ["profile.data"]  # no pipe


@pytest.mark.parametrize("tool", ["ncu", "nsys"])
def test_a_tool_s_command_makes_the_marked_call_and_nothing_else(fake, tool):
    fake.unavailable = {"torch-eager": "no cuda device was found"}
    done = fake.call(CUDA, "--tool", tool, "--seed", "3", "--dry-run", command="profile")
    words = done.stdout.split()
    assert words[0] == tool
    assert (done.exit_code, done.stdout.count("{")) == (0, 0)
    inner = words[words.index("profile", 2) :]
    assert inner == ["profile", CUDA, "--tool", "none", "--seed", "3"]
    assert f"profile{TOOLS[tool].ending}" in words


def test_a_tool_that_is_not_installed_leaves_its_command(fake, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    done = fake.call(NUMPY, "--tool", "perf", command="profile")
    assert done.exit_code == 5
    assert "perf record" in done.stdout
    assert "perf is not installed here" in done.stderr


def test_a_tool_that_fails_is_told(fake, monkeypatch):
    ended = subprocess.CompletedProcess([], 9)
    monkeypatch.setattr("lnbench.cli.profile.subprocess.run", lambda *_, **__: ended)
    monkeypatch.setattr("lnbench.cli.profile.shutil.which", lambda name: name)
    done = fake.call(NUMPY, "--tool", "perf", command="profile")
    assert (done.exit_code, "perf ended with 9" in done.stderr) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ci",), "profile takes one benchmark, and"),
        ((NUMPY, "--tool", "vtune"), "unknown tool 'vtune'"),
        ((NUMPY, "--tool", "ncu"), "--tool ncu sees cuda, and this is cpu"),
        ((NUMPY, "--tool", "perf", "--trace", "t.json"), "--trace and --tool exclude each other"),
        ((NUMPY.replace("naive", "naiv"),), "did you mean 'numpy-naive'?"),
        ((NUMPY.replace("layernorm", "layernom"),), "did you mean 'layernorm'?"),
        ((NUMPY.rpartition("/")[0],), "is not a benchmark id"),
        ((NUMPY, "--format", "xml"), "unknown format 'xml'"),
    ],
)
def test_what_cannot_be_profiled_is_one_sentence(fake, arguments, words):
    done = fake.call(*arguments, command="profile")
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr


def test_a_file_that_is_there_is_not_written_over(fake, tmp_path):
    (tmp_path / "trace.json").write_text("mine")
    done = fake.call(EAGER, "--trace", "trace.json", command="profile")
    assert (done.exit_code, (tmp_path / "trace.json").read_text()) == (2, "mine")


def test_what_cannot_run_here_exits_with_nothing_measured(fake):
    fake.unavailable = {"torch-eager": "no cuda device was found"}
    done = fake.call(CUDA, command="profile")
    assert done.exit_code == 5
    assert "no cuda device was found" in done.stderr


def test_a_trace_of_what_torch_does_not_run_is_refused(lnbench, tmp_path):
    done = lnbench("profile", NUMPY, "--trace", "trace.json", check=2)
    assert "torch does not run numpy-naive" in done.stderr
    assert not (tmp_path / "trace.json").exists()
