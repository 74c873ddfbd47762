"""The contract kills what is wrong, and only that."""

import itertools
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lnbench.operations.layernorm.spec import LayerNorm
from lnbench.testing import COUNTS_WAITS, FakeTimer, OperationContract

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
TYPES = "test_results_have_the_types_of_their_truths"
SAME = "test_every_call_gives_the_bits_of_the_first"
KEPT = "test_no_call_touches_the_results_of_an_earlier_one"
READY = "test_ready_outputs_are_right_and_rewritten_in_place"
AWAKE = "test_no_call_waits"
CLOCK = "test_its_clock_times_all_calls_together"

counted = pytest.mark.skipif(not COUNTS_WAITS, reason="this system does not count waits")


def of_all(law, parameters=("forward", "backward", "step")):
    return [f"{law}[{each}]" for each in parameters]


@pytest.mark.parametrize(
    ("mutant", "laws"),
    [
        ("WrongEps", [f"{OPTIONS}[forward-options3]", f"{OPTIONS}[step-options3]"]),
        ("Unbiased", [f"{AGREE}[forward-shape0]", f"{AGREE}[step-shape4]"]),
        ("Moments", [f"{HOSTILE}[forward]"]),
        ("Swapped", [f"{AGREE}[backward-shape0]", f"{AGREE}[step-shape1]"]),
        ("Forgets", [f"{AGREE}[forward-shape3]", f"{AGREE}[backward-shape3]"]),
        ("ForgetsLater", [f"{AGREE}[forward-shape5]", f"{AGREE}[backward-shape5]"]),
        ("Wide", of_all(TYPES)),
        ("After", of_all(SAME)),
        ("OnceWrong", of_all(SAME)),
        ("Stale", of_all(KEPT)),
        ("TwoBuffers", of_all(KEPT)),
        ("ManyBuffers", of_all(KEPT)),
        ("IgnoresReady", of_all(READY, ("forward", "backward"))),
        ("WritesOnce", of_all(READY, ("forward", "backward"))),
        ("FirstSleeps", of_all(AWAKE)),
        pytest.param("FirstSleepsByAnotherName", of_all(AWAKE), marks=counted),
        pytest.param("FirstWaits", of_all(AWAKE), marks=counted),
        pytest.param("FirstPolls", of_all(AWAKE), marks=counted),
        pytest.param("LaterSleeps", of_all(AWAKE), marks=counted),
        ("NoClock", of_all(CLOCK, ("hot", "cold"))),
        ("ClockPerCall", of_all(CLOCK, ("hot", "cold"))),
        ("ClockInMilliseconds", of_all(CLOCK, ("hot", "cold"))),
        ("ClockOfOneCall", of_all(CLOCK, ("hot", "cold"))),
        ("ClockOfTheProcessor", of_all(CLOCK, ("hot",))),
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
        ("ForgetsLater", {AGREE}),
        ("WrongEps", {OPTIONS}),
        ("After", {SAME, READY}),  # it adds into new arrays
        ("OnceWrong", {SAME, READY}),
        ("Stale", {KEPT}),
        ("TwoBuffers", {KEPT, READY}),
        ("IgnoresReady", {READY}),
        ("Wide", {TYPES, READY}),  # a wider array is a new one
        ("FirstSleepsByAnotherName", {AWAKE}),
        ("FirstWaits", {AWAKE}),
        ("LaterSleeps", {AWAKE}),
        ("NoClock", {CLOCK}),
        ("ClockPerCall", {CLOCK}),
    ],
)
def test_one_mistake_breaks_no_law_but_its_own(laws_broken, mutant, laws):
    assert {name.partition("[")[0] for name in laws_broken[f"Test{mutant}"]} <= laws


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
