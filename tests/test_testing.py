"""The contract kills what is wrong, and only that."""

import itertools
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.testing import FakeTimer, OperationContract

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def laws_broken(tmp_path_factory):
    """Class of mutants.py → the names of the laws that it broke, with their parameters."""
    folder = tmp_path_factory.mktemp("mutants")
    paths = f"import sys; sys.path[:0] = [{str(ROOT / 'tests' / 'plugins')!r}, {str(ROOT)!r}]"
    code = f"{paths}; import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    result = folder / "result.xml"
    options = ("-q", "-p", "no:cacheprovider", f"--junitxml={result}", "--tb=line")
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *options, ROOT / "tests" / "mutants.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, (done.stdout, done.stderr)
    found = {}
    for case in ET.parse(result).iter("testcase"):
        name = case.get("classname").rpartition(".")[2]
        broken = found.setdefault(name, set())
        assert case.find("error") is None, ET.tostring(case)
        if case.find("failure") is not None:
            broken.add(case.get("name"))
    return found


AGREE = "test_results_agree_with_the_reference"
OPTIONS = "test_options_are_honoured"
HOSTILE = "test_hostile_inputs_agree_with_the_reference"
SAME = "test_the_last_call_gives_the_bits_of_the_first"
KEPT = "test_a_call_does_not_touch_the_results_of_the_call_before"
AWAKE = "test_a_call_computes_and_never_waits"
READY = "test_ready_outputs_are_written_and_right"


def lives(number, reason):
    return pytest.mark.xfail(strict=True, reason=f"weak spot W{number}: {reason}")


@pytest.mark.parametrize(
    ("mutant", "laws"),
    [
        ("WrongEps", [f"{OPTIONS}[forward-options3]", f"{OPTIONS}[step-options3]"]),
        ("Unbiased", [f"{AGREE}[forward-shape0]", f"{AGREE}[step-shape4]"]),
        ("Moments", [f"{HOSTILE}[forward]"]),
        ("Swapped", [f"{AGREE}[backward-shape0]", f"{AGREE}[step-shape1]"]),
        ("Forgets", [f"{AGREE}[forward-shape3]", f"{AGREE}[backward-shape3]"]),
        ("Stale", [f"{KEPT}[forward]", f"{KEPT}[backward]", f"{KEPT}[step]"]),
        ("After", [f"{SAME}[forward]", f"{SAME}[backward]", f"{SAME}[step]"]),
        ("FirstSleeps", [f"{AWAKE}[forward]", f"{AWAKE}[backward]", f"{AWAKE}[step]"]),
        pytest.param("ForgetsLater", [], marks=lives(1, "no shape has more than 5003 rows")),
        pytest.param("OnceWrong", [], marks=lives(2, "only the first and last call are looked at")),
        pytest.param("TwoBuffers", [], marks=lives(3, "only neighbouring calls are compared")),
        pytest.param("IgnoresReady", [], marks=lives(4, "nobody looks where results lie")),
        pytest.param("Wide", [], marks=lives(5, "nobody looks at the type of results")),
        pytest.param("NoClock", [], marks=lives(6, "nobody asks for the clock")),
        pytest.param(
            "FirstSleepsByAnotherName", [], marks=lives(7, "only the name time.sleep is watched")
        ),
    ],
)
def test_a_mutant_is_killed_by_the_law_that_it_breaks(laws_broken, mutant, laws):
    broken = laws_broken[f"Test{mutant}"]

    assert broken
    assert set(laws) <= broken


def test_a_right_backend_keeps_every_law(laws_broken):
    assert laws_broken["TestPlain"] == set()


@pytest.mark.parametrize(
    ("mutant", "laws"),
    [
        ("Forgets", {AGREE}),
        ("Stale", {KEPT}),
        ("After", {SAME}),
        ("FirstSleeps", {AWAKE}),
        ("WrongEps", {OPTIONS}),
    ],
)
def test_one_mistake_breaks_one_law(laws_broken, mutant, laws):
    assert {name.partition("[")[0] for name in laws_broken[f"Test{mutant}"]} == laws


class TestLayerNorm(OperationContract):
    operation = LayerNorm


def test_a_fake_timer_says_what_it_is_told_and_makes_the_calls():
    calls = []
    timer = FakeTimer(itertools.chain([0.5, 0.25]), resolution_s=1e-6)

    assert timer.time(lambda: calls.append(1), 4) == 2.0
    assert timer.time(lambda: calls.append(1), 2) == 0.5
    assert len(calls) == 6
    assert timer.resolution_s == 1e-6
    timer.synchronize()
