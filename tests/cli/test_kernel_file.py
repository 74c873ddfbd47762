"""A user's own file in place of a backend: from four lines to a row, and every first mistake."""

import json
import os
import subprocess

import pytest

from lnbench.record import report as reports
from lnbench.record.outcome import Failed, Measured, Skipped

NUMPY = """
import numpy as np

def forward(x, weight, bias, eps):
    centred = x - x.mean(axis=1, keepdims=True)
    rstd = 1 / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + np.float32(eps))
    return centred * rstd * weight + bias
"""
GRADIENT = (
    NUMPY.replace("return centred", "y = centred").replace(
        "+ bias\n", "+ bias\n    return y, x.mean(axis=1), rstd[:, 0]\n"
    )
    + """
def backward(dy, x, mean, rstd, weight):
    normal = (x - mean[:, None]) * rstd[:, None]
    g = dy * weight
    along = (g * normal).mean(axis=1, keepdims=True)
    dx = (g - g.mean(axis=1, keepdims=True) - normal * along) * rstd[:, None]
    return dx, (dy * normal).sum(axis=0), dy.sum(axis=0)
"""
)
TORCH = """
import torch

def norm(x, weight, bias, eps):
    return torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias, eps)
"""
FUNCTIONAL = "import torch\nfrom torch.nn.functional import layer_norm as norm\n"
MODULE = "import torch\n\nclass Norm(torch.nn.LayerNorm):\n    pass\n"
SMALL = ("--shape", "16x64", "--passes", "1", "--threads", "1", "--quiet", "-o", "r.json")


@pytest.fixture
def measure(lnbench, tmp_path):
    """Run one file over all directions, and return the outcomes by direction."""

    def run(
        source, *more, word="./mine.py", check=0, directions="forward,backward,step", **variables
    ):
        if source is not None:
            (tmp_path / "mine.py").write_text(source)
        words = ("run", "-b", word, *SMALL, "--force", "--direction", directions)
        lnbench(*words, *more, check=check, **variables)
        found = reports.read(tmp_path / "r.json").outcomes
        return {str(each.direction): each for each in found if each.backend != "copy"}

    return run


@pytest.mark.parametrize(
    ("source", "word", "skipped"),
    [
        (NUMPY, "./mine.py", {"backward", "step"}),
        (GRADIENT, "./mine.py", set()),
        (TORCH, "./mine.py", set()),
        (TORCH, "mine.py:norm", set()),
        (TORCH, "mine:norm", set()),
        (FUNCTIONAL, "./mine.py:norm", set()),
        (MODULE, "./mine.py", set()),
        (TORCH + "\nnorm2 = torch.no_grad()(norm)\n", "./mine.py:norm2", {"backward", "step"}),
    ],
    ids=["numpy", "gradient", "torch", "name", "module-name", "functional", "module", "no-graph"],
)
def test_a_file_has_the_directions_that_it_can(measure, source, word, skipped):
    found = measure(source, word=word)

    assert {name for name, each in found.items() if isinstance(each, Skipped)} == skipped
    assert sum(isinstance(each, Measured) for each in found.values()) == 3 - len(skipped)
    for name in skipped:
        assert "has no backward" in found[name].reason
    by_autograd = {"TORCH", "MODULE"} and source in (TORCH, FUNCTIONAL, MODULE)
    assert (
        found["backward"].__class__ is Measured
        and found["backward"].details.get("backward") == "autograd"
    ) == bool(by_autograd)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return None", "forward returned None; layernorm's forward returns y, or y, mean, rstd"),
        ("return 1.0", "forward returned a float, not a numpy.ndarray"),
        ("return x, x, x, x", "forward returned 4 results"),
        ("return x", "y lies in the memory of x"),
        ("return x[:, :1] + 0", "y has the shape 16x1, not 16x64"),
        ("return x.astype('float16')", "y is float16, which is narrower than float32"),
        ("return x.astype('int32')", "y has elements of type int32"),
        ("raise ValueError('only 16 columns')", "ValueError: only 16 columns (mine.py, line 2)"),
        ("raise ValueError(chr(0xDC80))", "ValueError: ? (mine.py, line 2)"),
        ("import os; os._exit(3)", "exited with 3"),
        ("return x + 0", "y is off by"),
    ],
)
def test_a_mistake_of_a_first_kernel_is_said_in_its_row(measure, body, words):
    source = f"def forward(x, weight, bias, eps):\n    {body}\n"

    found = measure(source, check=3, directions="forward")

    assert isinstance(found["forward"], Failed)
    assert words in found["forward"].error


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        ("x", None),
        ("x, weight, bias", None),
        ("a, b", "forward takes 2 arguments (a, b); layernorm's forward is forward(x, weight, "),
        ("a, b, c, d, e, f", "forward takes 6 arguments"),
        ("x, weight, bias, eps, *, fast=True", None),
        ("*arguments", None),
    ],
)
def test_a_function_is_given_what_it_takes(measure, signature, words):
    source = f"def forward({signature}):\n    return {signature.partition(',')[0].strip('*')}\n"

    error = measure(source, check=3, directions="forward")["forward"].error

    assert words in error if words else "takes" not in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "-b", "./nowhere.py"), "./nowhere.py cannot be read"),
        (("check", "-b", "./broken.py"), "broken.py, line 1"),
        (("ab", "numpy", "./broken.py"), "broken.py, line 1"),
        (("ab", "nunpy", "./mine.py"), "there is no backend 'nunpy'"),
        (("ab", "./mine.py", "./mine.py:fats"), "mine.py has no fats"),
        (("run", "-b", "nowhere:f"), "there is no module nowhere"),
    ],
)
def test_what_a_file_lacks_is_said_before_anything_is_measured(lnbench, tmp_path, arguments, words):
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "mine.py").write_text(NUMPY)

    done = lnbench(*arguments, check=2)

    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.glob("reports/*"))


def test_a_file_is_run_in_workers_alone(lnbench, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import os, sys\nopen(f'ran-{os.getpid()}', 'w').write(' '.join(sys.argv))\n" + NUMPY
    )
    run = subprocess_pid(lnbench, "run", "-b", "./mine.py", *SMALL, "--direction", "forward")

    marks = {path.name: path.read_text() for path in tmp_path.glob("ran-*")}
    assert len(marks) == 1
    assert f"ran-{run}" not in marks
    for command in (("show", "r.json"), ("list", "benchmarks", "ci", "-b", "./mine.py")):
        lnbench(*command)
    assert {path.name for path in tmp_path.glob("ran-*")} == set(marks)


def subprocess_pid(lnbench, *arguments):
    lnbench(*arguments)
    return os.getpid()


@pytest.mark.parametrize(
    "deed",
    [
        "import os; os._exit(9)",
        "import os; os.fork()",
        "import os; os.chdir('/')",
        "print('x' * 10_000_000)",
        "import numpy; numpy.mean = None",
        "import sys; sys.stdout.close()",
        "import signal, os; os.kill(os.getpid(), signal.SIGSEGV)",
        "x = bytearray(1 << 50)",
        "import sys; sys.modules.clear()",
        "import threading; [threading.Thread(target=lambda: None).start() for _ in range(9)]",
    ],
)
@pytest.mark.parametrize("where", ["import", "call"])
def test_nothing_that_a_file_does_reaches_another_row(lnbench, tmp_path, deed, where):
    at_import, at_call = (deed, "pass") if where == "import" else ("pass", deed)
    (tmp_path / "mine.py").write_text(
        NUMPY.replace(
            "def forward(x, weight, bias, eps):\n",
            f"{at_import}\n\ndef forward(x, weight, bias, eps):\n    {at_call}\n",
        )
    )

    done = lnbench("run", "-b", "./mine.py,numpy", *SMALL, "--direction", "forward", check=None)

    assert done.returncode in (0, 3), done.stderr
    found = {each.backend: each for each in reports.read(tmp_path / "r.json").outcomes}
    assert isinstance(found["numpy"], Measured)
    assert isinstance(found["copy"], Measured)
    assert isinstance(found["mine"], Measured | Failed)
    assert "Traceback" not in done.stderr


def test_the_report_has_the_files_digest_and_not_its_path(measure, tmp_path):
    found = measure(NUMPY, word=str(tmp_path / "mine.py"))

    assert len(found["forward"].details["sha256"]) == 64
    assert str(tmp_path) not in (tmp_path / "r.json").read_text()


def test_ready_outputs_need_a_parameter_out(measure):
    without = measure(NUMPY, "--outputs", "ready", check=5, directions="forward")
    assert "allocates its outputs: it has no parameter out" in without["forward"].reason

    source = NUMPY.replace("eps):", "eps, out=None):").replace("return", "y =") + (
        "    if out is None:\n        return y\n    out[0][...] = y\n    return out[0]\n"
    )
    ready = measure(source, "--outputs", "ready", directions="forward")
    assert isinstance(ready["forward"], Measured)


def test_two_files_are_two_sides(lnbench, tmp_path):
    (tmp_path / "old.py").write_text(NUMPY)
    (tmp_path / "new.py").write_text(NUMPY)

    done = lnbench(
        *("ab", "./old.py", "./new.py+40%", "--shape", "64x512", "--direction", "forward"),
        *("--format", "json", "--threads", "1", "--max-time", "60"),
        check=None,
    )

    assert done.returncode in (0, 1), done.stderr
    (row,) = json.loads(done.stdout)["comparisons"]
    assert row["ratio"]["value"] > 1.15


def test_a_file_is_compared_as_it_was_at_two_commits(lnbench, tmp_path):
    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "helper.py").write_text("SLOW = 0\n")
    (tmp_path / "mine.py").write_text(
        "import time\nimport helper\n"
        + NUMPY.replace("    centred =", "    time.sleep(helper.SLOW)\n    centred =", 1)
    )
    git("add", ".")
    git("commit", "-qm", "fast")
    (tmp_path / "helper.py").write_text("SLOW = 2e-3\n")
    git("commit", "-qam", "slow")
    words = ("--shape", "64x64", "--direction", "forward", "--max-time", "60", "--threads", "1")

    done = lnbench("ab", "git:HEAD~1", "git:HEAD", "-b", "./mine.py", *words, check=1)
    assert "1 regressed" in done.stdout

    (tmp_path / "late.py").write_text(NUMPY)
    done = lnbench("ab", "git:HEAD~1", "git:HEAD", "-b", "./late.py", *words, check=2)
    assert "git:HEAD~1: there is no late.py at that commit" in done.stderr


@pytest.mark.parametrize("framework", ["numpy", "torch", "triton"])
def test_what_init_prints_passes_check(lnbench, tmp_path, framework):
    if framework == "triton":
        pytest.importorskip("triton")
    lnbench("init", "kernel", "--framework", framework, "--output", "start.py")
    lnbench(
        *("check", "-b", "./start.py", "--shape", "5x33", "--direction", "forward,backward"),
        "--quiet",
        TRITON_INTERPRET="1",
    )
    done = lnbench("init", "kernel", "--output", "start.py", check=2)
    assert "start.py is there already" in done.stderr
    assert (
        lnbench("init", "kernel", "--framework", framework).stdout
        == (tmp_path / "start.py").read_text()
    )


JAX = """
import jax
import jax.numpy as jnp

@jax.jit
def forward(x, weight, bias, eps):
    mean = x.mean(axis=1)
    centred = x - mean[:, None]
    rstd = 1 / jnp.sqrt((centred**2).mean(axis=1) + eps)
    return centred * rstd[:, None] * weight + bias, mean, rstd

@jax.jit
def backward(dy, x, mean, rstd, weight):
    hat = (x - mean[:, None]) * rstd[:, None]
    g = dy * weight
    dx = g - g.mean(axis=1, keepdims=True) - hat * (g * hat).mean(axis=1, keepdims=True)
    return dx * rstd[:, None], (dy * hat).sum(axis=0), dy.sum(axis=0)
"""
JAX_BY_NAME = """
import jax.numpy as jnp

def forward(bias, weight, x):
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / jnp.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * weight + bias
"""


@pytest.mark.parametrize("direction", ["forward", "backward", "step"])
def test_jax_arrays_never_change_and_yet_its_honest_kernels_are_timed(measure, direction):
    pytest.importorskip("jax")
    found = measure(JAX, directions=direction)
    assert isinstance(found[direction], Measured), found


def test_jax_arrays_that_are_bound_by_name_are_read_anew_too(measure):
    pytest.importorskip("jax")
    found = measure(JAX_BY_NAME, directions="forward")
    assert isinstance(found["forward"], Measured), found
