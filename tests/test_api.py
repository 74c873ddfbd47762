"""lnbench from Python: functions as backends, and a report as plain data."""

import functools
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import torch

import lnbench
from lnbench import api, functions
from lnbench.errors import LnbenchError

ONE = {"shape": (16, 64), "direction": "forward", "passes": 1, "threads": 1, "quiet": True}


def mine(x, weight, bias, eps):
    centred = x - x.mean(axis=1, keepdims=True)
    rstd = 1 / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + np.float32(eps))
    return centred * rstd * weight + bias


def by_name(report):
    return {row["name"]: row for row in report.rows()}


def test_a_function_and_a_backend_are_rows_of_one_report(tmp_path):
    report = lnbench.run({"mine": mine, "eager": "torch-eager"}, **ONE, save=tmp_path / "r.json")

    rows = by_name(report)
    assert set(rows) == {"mine", "eager", "copy"}
    assert {row["status"] for row in rows.values()} == {"measured"}
    assert rows["eager"]["backend"] == "torch-eager"
    assert rows["mine"]["shape"] == (16, 64)
    assert rows["mine"]["time_s"] > 0
    assert rows["mine"]["low_s"] is None  # one pass has no interval
    again = lnbench.read(tmp_path / "r.json")
    assert [row["time_s"] for row in again.rows()] == [row["time_s"] for row in report.rows()]


def test_lambdas_and_closures_travel_too():
    factor = np.float32(1)

    def closure(x, weight, bias, eps):
        return mine(x, weight, bias, eps) * factor

    found = by_name(lnbench.run({"a": lambda *given: mine(*given) + 0, "b": closure}, **ONE))
    assert {found[name]["status"] for name in "ab"} == {"measured"}


def test_torchs_own_function_and_module_are_backends():
    import torch

    what = [torch.nn.functional.layer_norm, torch.nn.LayerNorm]
    found = by_name(lnbench.run(what, **{**ONE, "direction": "step"}))
    assert {found[each.__name__]["status"] for each in what} == {"measured"}


def test_a_wrong_function_is_a_failed_row_and_no_exception():
    row = by_name(lnbench.run({"zeros": lambda x, *_: np.zeros_like(x)}, **ONE))["zeros"]
    assert row["status"] == "failed"
    assert row["time_s"] is None
    assert "y is off by" in row["error"]


def test_a_check_says_whether_a_function_is_right_and_what_is_wrong():
    axes = {"shape": (16, 64), "direction": "forward"}
    assert lnbench.check("numpy", **axes).ok
    wrong = lnbench.check({"bad": lambda x, *_: x + 0}, **axes)
    assert not wrong.ok
    (row,) = (row for row in wrong.rows() if row["backend"] == "bad")
    assert any("y is off by" in text for text in row["wrong"])
    assert "wrong" in repr(wrong)


def test_shapes_have_the_names_of_models_here_too():
    checks = lnbench.check("numpy", shape=["vit-base:encode", (8, 16)], direction="forward")
    assert checks.ok
    shapes = {row["benchmark"].split("/")[2] for row in checks.rows()}
    assert shapes == {"197x768", "8x16"}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: lnbench.run("nunpy", **ONE), "unknown backend 'nunpy'"),
        (lambda: lnbench.run(3, **ONE), "3 is no backend"),
        (lambda: lnbench.run({"numpy": mine}, **ONE), "two backends would be called 'numpy'"),
        (lambda: lnbench.run([mine, mine], **ONE), "two backends would be called 'mine'"),
        (lambda: lnbench.run("numpy", pases=3), "unknown argument 'pases'"),
        (lambda: lnbench.run("numpy", dtype="float31"), "float31"),
        (lambda: lnbench.read("nowhere.json"), "nowhere.json"),
        (
            lambda: lnbench.run({"f": threading.Lock().acquire}, **ONE),
            "f cannot be sent to workers",
        ),
    ],
)
def test_a_mistake_is_one_sentence(call, words):
    with pytest.raises(LnbenchError, match=words) as caught:
        call()
    assert "\n" not in caught.value.message


def test_a_notebook_shows_a_table_and_its_text_is_escaped():
    report = lnbench.run({"<script>": mine}, **ONE)
    assert "<script>" not in report._repr_html_()
    assert "copy" in report._repr_html_()
    assert "copy" in repr(report)


def test_a_script_needs_no_main_guard_and_reading_imports_no_framework(tmp_path):
    (tmp_path / "script.py").write_text(
        textwrap.dedent("""
            import sys
            import numpy as np
            import lnbench
            def mine(x, weight, bias, eps):
                c = x - x.mean(axis=1, keepdims=True)
                return c / np.sqrt((c * c).mean(axis=1, keepdims=True) + eps) * weight + bias
            report = lnbench.run({"mine": mine}, shape=(8, 16), direction="forward", passes=1,
                                 save="r.json", quiet=True)
            assert [row["status"] for row in report.rows()] == ["measured", "measured"]
            assert "torch" not in sys.modules
            lnbench.read("r.json").rows()
            assert "torch" not in sys.modules
            """)
    )
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True, timeout=200)


def test_a_frame_of_pandas_has_a_row_a_benchmark(tmp_path):
    report = lnbench.run("numpy", **ONE)
    try:
        import pandas as pd
    except ImportError:
        with pytest.raises(LnbenchError, match="pandas is not installed"):
            report.to_pandas()
        return
    frame = report.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["backend"]) == [row["backend"] for row in report.rows()]


def empty_cell():
    def inner():
        return later

    if False:
        later = None
    return inner


def normalize(x, weight, bias, eps):
    return torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias, eps)


class Holder:
    def __init__(self, function):
        self.function = function

    def __call__(self, *arguments):
        return self.function(*arguments)


@pytest.mark.parametrize(
    ("function", "framework"),
    [
        (normalize, "torch"),
        (lambda *arguments: normalize(*arguments), "torch"),  # noqa: PLW0108
        (functools.partial(normalize), "torch"),
        (functools.partial(functools.partial(lambda f, *a: f(*a), normalize)), "torch"),
        (Holder(normalize), "torch"),
        (Holder(normalize).__call__, "torch"),
        (torch.nn.LayerNorm, "torch"),
        (torch.compile(normalize), "torch"),
        (lambda x, w, b, eps: x - x.mean(-1, keepdim=True), "torch"),
        (lambda x, w, b, eps: x - x.mean(-1, keepdims=True), "numpy"),
        (lambda x, w, b, eps: np.asarray(x), "numpy"),
        (mine, "numpy"),
        (empty_cell(), "numpy"),
    ],
)
def test_whose_arrays_a_function_takes_is_seen_through_what_it_calls(function, framework):
    assert functions.framework_of(function) == framework


def test_whose_arrays_a_function_takes_can_be_said():
    def same(x, weight, bias, eps):
        return (x - x.mean(-1)[:, None]) / (
            x.var(-1, correction=0)[:, None] + eps
        ) ** 0.5 * weight + bias

    row = by_name(lnbench.run({"same": same}, framework="torch", **ONE))["same"]
    assert row["status"] == "measured", row["error"]
    with pytest.raises(LnbenchError, match="unknown framework 'tensorflow'"):
        lnbench.run({"same": same}, framework="tensorflow", **ONE)


def test_labels_of_files_are_their_names_and_a_backend_is_named_once(tmp_path):
    file = tmp_path / "k.py"
    file.write_text("def forward(x, weight, bias, eps):\n    return x * 0 + bias\n")
    words, labels, kernels = functions.named(
        {"first": str(file), "second": str(file), "eager": "torch-eager"}, tmp_path, ["torch-eager"]
    )
    assert words == ["first", "second", "torch-eager"]
    assert [kernel.name for kernel in kernels] == ["first", "second"]
    assert labels == {"torch-eager": "eager"}
    with pytest.raises(LnbenchError, match="'a' and 'b' are both the backend numpy"):
        functions.named({"a": "numpy", "b": "numpy"}, tmp_path, ["numpy"])


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((4, 8), ["4x8"]),
        (np.array([4, 8]), ["4x8"]),
        ([np.int64(4), 8], ["4x8"]),
        ([(4, 8), np.array([2, 2])], ["4x8", "2x2"]),
        (["4x8", (2, 2)], ["4x8", "2x2"]),
        ("4x8", "4x8"),
        (None, None),
    ],
)
def test_sizes_are_whatever_counts(shape, said):
    assert api._shapes(shape) == said


def test_a_single_word_is_one_value_in_a_check_too():
    found = lnbench.check("numpy", shape=(16, 64), direction="forward", cache="hot")
    assert found.ok
