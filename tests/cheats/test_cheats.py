"""No kernel that pretends to work gets a time, and each row says what was seen."""

import os
import re
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest

HERE = Path(__file__).parent
STALE = "does not follow from its inputs"
REPLACED = r"replaced (lnbench|numpy|time|torch|zlib|watch|timer)\b"
LATER = f"{STALE}|it works on after it has returned"
KEPT = "results are kept from call to call"
SHAPE = ("--shape", "64x512")
LESS = "it does not do all of its work there"

SEEN = {
    "all_clocks_but_one": REPLACED,
    "another_python": REPLACED,
    "autograd_off": "switched autograd off",
    "background_thread": f"{LATER}|y is off by",
    "bias_alone": "y is off by",
    "cache_by_address": STALE,
    "cache_by_data_ptr": STALE,
    "cache_by_fingerprint": STALE,
    "cache_by_id": STALE,
    "cache_by_shape": STALE,
    "cache_by_sum": KEPT,
    "callers_frame": STALE,
    "class_of_an_instance": REPLACED,
    "clock_of_the_timer": REPLACED,
    "disk_cache": STALE,
    "executor": LATER,
    "first_calls_only": STALE,
    "forked_child": f"{STALE}|y is off by",
    "gc_callback": STALE,
    "half_of_the_rows": "y is off by",
    "honest_in_its_first_process": STALE,
    "incremental": KEPT,
    "input_in_place": "wrote into x",
    "inputs_overwritten": "wrote into x",
    "laid_over_an_instance": REPLACED,
    "lazy_array": "returned a Lazy, not a numpy.ndarray",
    "lazy_tensor": "returned a Lazy, not a torch.Tensor",
    "lazy_tuple": "not a tuple",
    "lying_shape": "returned a _All, not a numpy.ndarray",
    "memo_and_copy": STALE,
    "nan_wildcard": "y is off by inf",
    "narrow_inside": "y is off by",
    "narrow_output": "y is float16, which is narrower than float32",
    "other_stream": "needs CUDA|passed|off",
    "patched_checksum": REPLACED,
    "patched_inspection": REPLACED,
    "patched_numpy_copy": f"{REPLACED}|y is off by",
    "patched_property": f"{REPLACED}|where .* passed",
    "patched_torch_detach": f"{REPLACED}|y is off by",
    "patched_watch": REPLACED,
    "pool_of_results": f"{STALE}|impossible",
    "rows_that_changed": f"{STALE}|{KEPT}",
    "slow_clock": "replaced time.perf_counter_ns",
    "slow_clock_of_the_harness": f"{REPLACED}|where .* passed",
    "slow_first_call": STALE,
    "slow_timer": f"{REPLACED}|where .* passed",
    "stale_without_gc": STALE,
    "stale_y_fresh_statistics": STALE,
    "statistics_of_the_first_call": STALE,
    "timer_of_another_class": REPLACED,
    "traced": "set a profiler or tracer",
    "traced_return": "set a profiler or tracer while it was timed",
    "truncated": "y has the shape 1x512, not 64x512",
    "truth_from_disk": "y is off by",
    "unwatched": "its inputs cannot be written",
    "view_of_the_input": "shares memory|y is off by|x",
    "zeros": "y is off by",
    "zeros_and_a_patched_verifier": f"{REPLACED}|y is off by",
}
"""File of a forward → what its row says."""

BACKWARD = {
    "stale_gradient": f"dx of a timed call {STALE}",
    "stale_sums": f"d[wb] of a timed call {STALE}",
    "sums_of_some_rows": "dw is off by",
}
DOUBLE = {"narrow_double": "y is off by"}
ALMOST_NOTHING = {"incremental_after_a_warm_up": LESS, "row_from_a_frame": LESS}
BATCH_NORM = {"batch_norm_by_first_value": f"{KEPT}|{LESS}"}
READY = {"ready_filled_once": f"{STALE}|y is off by"}
PLUGINS = {
    "own-clock": "where .* passed",
    "foreign-clock": "where .* passed",
    "lazy-host": f"{STALE}|impossible",
    "own-truth": "y is off by",
    "own-limit": "y is off by",
    "patched-for-all": "switched autograd off|replaced time",
    "copies": STALE,
}
SLOW_TO_COMPILE = "torch_compiled"  # tried by docs/evidence/honest.py
HONEST = sorted({path.stem for path in (HERE / "honest").glob("*.py")} - {SLOW_TO_COMPILE})
if find_spec("numba") is None:
    HONEST.remove("compiled_by_numba")


def rows(lnbench, *arguments, tmp_path, check=3, **variables):
    """Run, and return the rows of the report by backend."""
    report = tmp_path / "report.json"
    lnbench("run", *arguments, "-o", report, "--quiet", "--force", check=check, **variables)
    outcomes = msgspec.json.decode(report.read_bytes())["outcomes"]
    return {outcome["backend"]: outcome for outcome in outcomes}


def files(names, folder="."):
    return ",".join(str(HERE / folder / f"{name}.py") for name in names)


def test_every_file_here_is_tried():
    assert {path.stem for path in HERE.glob("*.py")} - {"test_cheats"} == {
        *SEEN,
        *BACKWARD,
        *DOUBLE,
        *READY,
        *BATCH_NORM,
        *ALMOST_NOTHING,
    }


@pytest.fixture(scope="module")
def plug_ins():
    return os.pathsep.join(filter(None, [str(HERE / "plugin"), os.environ.get("PYTHONPATH")]))


@pytest.mark.parametrize(
    ("seen", "more"),
    [
        (SEEN, (*SHAPE, "--direction", "forward")),
        (BACKWARD, (*SHAPE, "--direction", "backward")),
        (DOUBLE, (*SHAPE, "--direction", "forward", "--dtype", "float64")),
        (READY, (*SHAPE, "--direction", "forward", "--outputs", "ready")),
        (ALMOST_NOTHING, ("--direction", "forward", "--shape", "256x1024")),
        (BATCH_NORM, ("--direction", "forward", "--operation", "batchnorm", "--shape", "512x512")),
    ],
    ids=["forward", "backward", "double", "ready", "almost-nothing", "batch-norm"],
)
def test_no_file_that_pretends_gets_a_time(lnbench, tmp_path, seen, more):
    found = rows(lnbench, "-b", files(seen), "--passes", "2", *more, tmp_path=tmp_path)

    assert found.pop("copy")["kind"] == "measured"
    assert {name: row["kind"] for name, row in found.items()} == dict.fromkeys(seen, "failed")
    for name, words in seen.items():
        assert_says(found[name]["error"], words, name)


def assert_says(error, words, name):
    # Whichever is looked at first: the looks at kept results come before the others.
    assert re.search(f"{words}|{KEPT}", error), (name, error)


def test_no_plug_in_that_pretends_gets_a_time_or_reaches_another_row(lnbench, tmp_path, plug_ins):
    names = ",".join([*PLUGINS, "torch-eager", "numpy"])
    found = rows(
        lnbench,
        *("-b", names, "--shape", "64x512", "--direction", "forward", "--passes", "2"),
        tmp_path=tmp_path,
        PYTHONPATH=plug_ins,
    )

    for name, words in PLUGINS.items():
        assert found[name]["kind"] == "failed", (name, found[name])
        assert_says(found[name]["error"], words, name)
    for name in ("torch-eager", "numpy", "copy"):
        assert found[name]["kind"] == "measured"


@pytest.mark.parametrize(
    ("direction", "names"),
    [("forward", HONEST), ("step", ["autograd_function", "functional", "module"])],
)
def test_honest_kernels_are_timed_and_nothing_is_said_of_them(lnbench, tmp_path, direction, names):
    found = rows(
        lnbench,
        *("-b", files(names, "honest"), "--shape", "64x512", "--passes", "3"),
        *("--direction", direction),
        tmp_path=tmp_path,
        check=0,
    )

    measured = {name: row for name, row in found.items() if row["kind"] == "measured"}
    assert set(measured) == {*names, "copy"}
    assert all("caveats" not in row or not row["caveats"] for row in measured.values())


def test_a_comparison_times_no_pretender_either(lnbench, tmp_path):
    done = lnbench(
        *("ab", "torch-eager", HERE / "memo_and_copy.py", "--shape", "64x512"),
        *("--direction", "forward", "--max-time", "20"),
        check=3,
    )

    assert_says(" ".join(done.stdout.split()), STALE, "memo_and_copy")


def test_a_check_sees_what_is_kept_of_an_earlier_call(lnbench):
    done = lnbench(
        *("check", "-b", files(["memo_and_copy", "cache_by_id"])),
        *("--shape", "64x512", "--direction", "forward"),
        check=3,
    )

    assert done.stderr.count(STALE) == 2
