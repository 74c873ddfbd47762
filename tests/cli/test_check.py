"""`lnbench check`: everything verified once, hostile inputs too, nothing timed."""

import json
import subprocess
from types import SimpleNamespace

import pytest

ONE = ("--shape", "8x16", "--direction", "forward")


def check(process, *arguments):
    """Return the exit code, the rows by backend and the words of a check."""
    command, options = process("check", *ONE, *arguments, "--format", "json")
    done = subprocess.run(command, **options, capture_output=True, timeout=280, check=False)
    rows = {row["benchmark"].rpartition("/")[2]: row for row in json.loads(done.stdout)}
    files = [path.name for path in options["cwd"].iterdir()]
    found = {"code": done.returncode, "rows": rows, "stderr": done.stderr, "files": files}
    return SimpleNamespace(**found, words=words_by_backend(done.stderr))


def words_by_backend(stderr):
    """Return what stderr says of each backend."""
    found = {}
    for line in stderr.splitlines():
        benchmark, colon, words = line.partition(": ")
        if colon and "/" in benchmark:
            found.setdefault(benchmark.rpartition("/")[2], []).append(words)
    return found


@pytest.fixture(scope="module")
def good(process):
    """A check of right backends, of one that cannot run here, and of a peer with caveats."""
    return check(process, "-b", "plain,numpy,torch-eager,triton", "--threads", "2")


@pytest.fixture(scope="module")
def bad(process):
    """A check of backends that are each wrong in one way, and of a right one."""
    return check(process, "-b", "wrong,raises,exits,segfaults,unloadable,crashing,plain")


def inputs_right(row):
    right, _, all_of_them = row["inputs right"].partition(" of ")
    return int(right), int(all_of_them)


def test_right_backends_exit_with_0(good):
    assert good.code == 0
    for name in ("plain", "numpy", "copy"):
        assert good.rows[name]["verdict"] == "right"
        assert name not in good.words


def test_operations_whose_rows_do_not_stand_alone_are_checked_too(process):
    names = "layernorm-rnn,layernorm-lstm,layernorm-gru,batchnorm"
    command, options = process(
        "check", "--operation", names, "--shape", "3x4x5", "-b", "numpy,torch-eager",
        "--threads", "1", "--format", "json",
    )  # fmt: skip
    done = subprocess.run(command, **options, capture_output=True, timeout=280, check=False)
    rows = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert {row["verdict"] for row in rows} == {"right"}
    assert {row["benchmark"].partition("/")[0] for row in rows} == set(names.split(","))


def test_hostile_inputs_are_checked_too(good):
    for name in ("plain", "numpy", "copy", "torch-eager"):
        assert inputs_right(good.rows[name])[1] > 15


def test_a_peer_beyond_the_ceiling_passes_with_a_caveat_that_says_where(good):
    right, all_of_them = inputs_right(good.rows["torch-eager"])

    assert right < all_of_them
    assert good.rows["torch-eager"]["verdict"] == "right, with caveats"
    assert all("known: " in words for words in good.words["torch-eager"])
    assert any("mean 1e4, spread 1e-2: y is off by" in words for words in good.words["torch-eager"])


def test_an_unavailable_backend_is_skipped_with_its_reason(good):
    assert good.rows["triton"]["verdict"] == "skipped"
    assert "triton" in good.words["triton"][0]


def test_nothing_is_written(good):
    assert good.files == []


def test_progress_is_on_stderr(good):
    assert "checked 5 of 5" in good.stderr


def test_one_wrong_backend_exits_with_3_and_says_what_is_off_on_which_inputs(bad):
    assert bad.code == 3
    assert bad.rows["wrong"]["verdict"] == "wrong"
    assert any(
        words.startswith("WRONG: random: y is off by 0.01 (") and "allowed)" in words
        for words in bad.words["wrong"]
    )
    assert any(words.startswith("WRONG: tiny values: ") for words in bad.words["wrong"])


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("raises", "RuntimeError: no such kernel"),
        ("exits", "exited with 7"),
        ("segfaults", "killed by SIGSEGV"),
        ("unloadable", "libmissing.so is missing"),
        ("crashing", "its plug-in ended the process that loaded it (SIGSEGV)"),
    ],
)
def test_a_crash_is_a_row_with_its_last_words(bad, backend, words):
    assert bad.rows[backend]["verdict"] not in ("right", "skipped")
    assert any(words in said for said in bad.words[backend])


def test_a_crash_leaves_the_other_rows_alone(bad):
    for name in ("plain", "copy"):
        assert bad.rows[name]["verdict"] == "right"
        assert name not in bad.words
    assert "Traceback" not in bad.stderr


def test_json_says_what_is_wrong(bad):
    assert "y is off by 0.01" in json.dumps(bad.rows["wrong"])


def test_a_row_that_ended_early_is_not_called_wrong(bad):
    assert bad.rows["segfaults"]["verdict"] == "failed"


def test_a_quiet_check_prints_nothing_and_still_exits_with_its_code(lnbench):
    done = lnbench("check", *ONE, "-b", "wrong", "--quiet", check=3)

    assert (done.stdout, done.stderr) == ("", "")


def test_a_check_of_nothing_but_what_is_unavailable_exits_with_5(lnbench):
    lnbench("check", *ONE, "-b", "triton", check=5, CUDA_VISIBLE_DEVICES="")


def test_a_device_that_is_not_there_exits_with_5(lnbench):
    lnbench("check", *ONE, "-b", "numpy", "--device", "xpu", check=5)


@pytest.mark.parametrize("arguments", ["quik", "-b nunpy", "--format tabel", "--dtype flaot32"])
def test_a_mistake_is_one_sentence_and_exit_2(fake, arguments):
    found = fake.call(*arguments.split(), command="check")

    assert found.exit_code == 2
    assert found.stderr.startswith("error: ")
    assert "did you mean" in found.stderr
    assert found.stdout == ""
