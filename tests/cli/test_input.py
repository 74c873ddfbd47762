"""What people type, and what they meant by it: accepted, or one line with the near name."""

import math

import pytest
from factories import measured, report
from typer.testing import CliRunner

import lnbench
from lnbench.cli.app import app
from lnbench.errors import ConfigError
from lnbench.record import report as reports

DRY = ("run", "-b", "numpy", "--direction", "forward", "--shape", "64x64", "--dry-run")


def call(*arguments, code=0):
    found = CliRunner().invoke(app, list(map(str, arguments)))
    assert found.exit_code == code, (found.stdout, found.stderr, found.exception)
    return found


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (
            ("--shape", "4096,1024"),
            ("2 shapes of one dimension each", "for one shape write 4096x1024"),
        ),
        (("--shape", "llama3-8b"), ("unknown shape", "did you mean 'llama-3-8b'?")),
        (("--shape", "gpt2:trian"), ("unknown phase 'trian'", "did you mean 'train'?")),
        (("--precision", "5"), ("'5' would be 500 %", "write 5%, or 0.05")),
        (("--precision", "+5"), ("'+5' would be 500 %",)),
        (("--precision", "five"), ("is not a share", "5% or 0.05")),
        (("--device", "gpu"), ("unknown device 'gpu'", "did you mean 'cuda'?")),
        (("--dtype", "flaot32"), ("unknown dtype", "did you mean 'float32'?")),
        (("--time", "soon"), ("--time: 'soon' is not a time", "2min")),
        (("--filter", "nothing-like-it"), ("selects no benchmark", "lnbench list benchmarks")),
    ],
)
def test_what_is_wrong_is_said_with_what_was_probably_meant(typed, words):
    code = 5 if typed[0] == "--filter" else 2
    found = call("run", "-b", "numpy", *typed, "--dry-run", code=code)

    assert len(found.stderr.splitlines()) <= 2
    for word in words:
        assert word in found.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("fp16", "float16"),
        ("half", "float16"),
        ("bf16", "bfloat16"),
        ("F32", "float32"),
        ("double", "float64"),
        ("fp16,bf16", "float16"),
    ],
)
def test_element_types_have_the_names_that_people_use(typed, meant):
    assert f"/{meant}/" in call(*DRY, "--dtype", typed).stdout


def test_a_plain_word_filters_anywhere():
    found = call(*DRY, "--shape", "64x64,64x65", "--filter", "x65/").stdout.splitlines()

    assert "layernorm/forward/64x65/float32/cpu/numpy" in found
    assert not [name for name in found if "64x64" in name]


@pytest.mark.parametrize("typed", ["5", "5s", "0.1min", "1h"])
def test_times_may_have_units(typed):
    call(*DRY, "--time", typed, "--max-time", typed, "--timeout", typed)


def test_a_dry_run_says_what_does_not_fit():
    found = call("run", "-b", "numpy", "--shape", "1000000x1000000", "--dry-run")

    assert "cannot run here: layernorm/forward/1000000x1000000/float32/cpu/numpy: needs about" in (
        found.stderr
    )
    assert "0 of 4 rows can run here" in found.stderr


def test_where_nothing_can_run_there_is_a_sentence_and_no_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = call("run", "-b", "numpy", "--device", "cuda", "--shape", "64x64", code=5)

    assert found.stderr.splitlines() == [
        "error: no benchmark can run here: numpy: numpy runs on the CPU only",
        "hint: lnbench list backends says what can",
    ]
    assert found.stdout == ""
    assert not list(tmp_path.iterdir())


HUGE = str(10**30)


@pytest.mark.parametrize(
    "typed",
    [
        ("--threads", "99999999999999999999"),
        ("--threads", "2147483648"),
        ("--timeout", "1e30"),
        ("--time", "1e300"),
        ("--time", "inf"),
        ("--max-time", "nan"),
        ("--passes", HUGE),
        ("--precision", "nan"),
        ("--precision", "inf%"),
        ("--seed", HUGE),
    ],
    ids=" ".join,
)
def test_a_number_beyond_all_measure_is_one_sentence(typed):
    found = call(*DRY, *typed, code=2)
    assert "Traceback" not in found.stderr
    assert typed[0] in found.stderr


@pytest.mark.parametrize(
    "how", [{"threads": 10**20}, {"threads": math.nan}, {"seed": -1}, {"seed": HUGE}], ids=str
)
def test_a_number_beyond_all_measure_is_one_sentence_in_python_too(how):
    with pytest.raises(ConfigError, match=next(iter(how))):
        lnbench.run("numpy", shape=(8, 8), passes=1, **how)


def test_times_of_0_are_shown_and_explained(tmp_path):
    path = tmp_path / "r.json"
    rows = (measured(name, times_s=[[0.0] * 3] * 12) for name in ("numpy", "copy"))
    reports.write(report(*rows), path)

    for more in ((), ("--explain",), ("--summary",)):
        call("show", path, *more)
    call("diff", path, path)


def test_a_byte_order_mark_is_no_content_of_a_report(tmp_path):
    path = tmp_path / "r.json"
    reports.write(report(measured()), path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert "triton" in call("show", path).stdout
