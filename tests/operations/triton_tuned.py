"""The laws of `--autotune`, interpreted; `test_layernorm_triton.py` runs this file."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from triton.runtime import errors

from lnbench.operations.layernorm import triton as kernels
from lnbench.operations.rowwise.triton import choice as triton_choice
from lnbench.operations.rowwise.triton import tuning as triton_tuning
from lnbench.operations.rowwise.triton.tiers import Configuration, heuristic
from lnbench.plan.case import Case, Direction, DType


def case_of(rows, columns):
    return Case("layernorm", Direction.FORWARD, (rows, columns), DType.FLOAT32, "cpu")


CUTS = [Configuration("rows", height, 64, 4) for height in (1, 2, 4)]
FILE = "lnbench/triton.json"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(triton_tuning.VARIABLE, "1")
    triton_choice._used.clear()
    return tmp_path


def tuned(seconds, key=("device", "forward"), launch=lambda cut: None, *, anew=True):
    """Return what a new process finds where cuts take so long, and the cuts that were timed."""
    times, tried = iter(seconds), []
    if anew:
        triton_tuning._known.clear()

    def clock(call):
        call()
        return next(times)

    found = triton_tuning.tuned(key, CUTS, lambda cut: tried.append(cut) or launch(cut), clock)
    return found, tried


def test_the_fastest_cut_is_found_and_not_looked_for_again(cache):
    assert tuned((3.0, 1.0, 2.0)) == (CUTS[1], CUTS)
    assert (cache / FILE).is_file()
    assert tuned(()) == (CUTS[1], [])


def test_another_key_is_tuned_on_its_own():
    tuned((3.0, 1.0, 2.0))
    assert tuned((1.0, 3.0, 2.0), key=("device", "backward")) == (CUTS[0], CUTS)
    assert tuned(())[0] == CUTS[1]


def test_the_tables_cut_stays_unless_another_is_faster_by_more_than_noise():
    assert tuned((1.0, 0.99, 0.985))[0] == CUTS[0]


def test_a_process_reads_the_disk_once(cache):
    tuned((3.0, 1.0, 2.0))
    (cache / FILE).unlink()
    assert tuned((), anew=False) == (CUTS[1], [])


def test_a_cut_that_does_not_fit_the_device_is_passed_over():
    def launch(cut):
        if cut is CUTS[0]:
            raise errors.OutOfResources(1, 0, "shared memory")
        if cut is CUTS[1]:
            raise errors.PTXASError("ptxas died")

    assert tuned((9.0,), launch=launch)[0] == CUTS[2]


def test_where_none_runs_a_sentence_says_so():
    def launch(cut):
        raise RuntimeError("no device")

    with pytest.raises(RuntimeError, match="no candidate of --autotune runs"):
        tuned((), launch=launch)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}', '{"a": ["rows", "x"]}', "\x00"])
def test_a_damaged_file_is_written_anew(cache, text):
    path = cache / FILE
    path.parent.mkdir()
    path.write_text(text)
    assert tuned((3.0, 1.0, 2.0))[0] == CUTS[1]
    assert len(json.loads(path.read_text())) == 1


def test_what_two_sessions_find_at_once_is_kept_of_both(cache):
    names = [[f"{session}/{number}" for number in range(20)] for session in range(4)]

    def write(found):
        for name in found:
            triton_tuning._write(cache / FILE, name, CUTS[0])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, names))

    assert json.loads((cache / FILE).read_text()).keys() == {
        name for each in names for name in each
    }


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_next_search(cache):
    (cache / "lnbench").write_text("a file where a folder would be")
    assert tuned((3.0, 1.0, 2.0))[0] == CUTS[1]
    assert tuned((1.0, 3.0, 2.0))[0] == CUTS[0]


def test_a_change_of_the_kernels_tunes_anew(monkeypatch):
    tuned((3.0, 1.0, 2.0))
    monkeypatch.setattr(triton_tuning, "_fingerprint", lambda: "another")
    assert tuned((1.0, 3.0, 2.0)) == (CUTS[0], CUTS)


def test_another_number_of_rows_tunes_nothing(monkeypatch):
    asked = []

    def found(key, candidates, launch):
        asked.append(key)
        return next(iter(candidates))

    monkeypatch.setattr(triton_tuning, "tuned", found)
    for rows in (9, 10, 500):
        kernels.forward(torch.randn(rows, 40), None, None, 1e-5)
    assert len(set(asked)) == 1
    kernels.forward(torch.randn(9, 40), torch.ones(40), None, 1e-5)
    kernels.forward(torch.randn(9, 41), None, None, 1e-5)
    kernels.forward(torch.randn(9, 40).double(), None, None, 1e-5)
    kernels.forward(torch.randn(1, 40), None, None, 1e-5)
    assert len(set(asked)) == 5


def test_what_was_found_is_what_runs_and_what_the_report_says(monkeypatch):
    chosen = Configuration("looped", 1, 32, 2)
    monkeypatch.setattr(triton_tuning, "tuned", lambda *_: chosen)
    x = torch.randn(9, 40)
    y, _, _ = kernels.forward(x, None, None, 1e-5)
    torch.testing.assert_close(y, torch.nn.functional.layer_norm(x, (40,)))
    assert kernels.details(case_of(9, 40)) == {
        "forward tier": "looped",
        "forward tile": "1x32",
        "forward warps": 2,
        "autotuned": True,
    }


def test_without_the_flag_nothing_is_tuned(monkeypatch):
    monkeypatch.setenv(triton_tuning.VARIABLE, "0")
    monkeypatch.setattr(triton_tuning, "tuned", None)
    kernels.forward(torch.randn(9, 40), None, None, 1e-5)
    cut = heuristic("forward", 40, torch.float32, "many")
    assert kernels.details(case_of(9, 40))["forward tile"] == f"{cut.block_m}x{cut.block_n}"
