"""lnbench from Python: functions as backends, and a report as plain data."""

import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import lnbench
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
