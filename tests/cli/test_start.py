"""How the command starts: what it loads, and what it answers without measuring."""

import json
import os
import subprocess
import sys

import pytest
from factories import measured, report
from typer.testing import CliRunner

import lnbench as package
from lnbench.cli.app import app
from lnbench.record import report as reports

HEAVY = ("torch", "triton", "numpy", "scipy")

LOADED = f"""
import sys
sys.argv[0] = "lnbench"
from lnbench.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with two reports."""
    reports.write(report(measured("numpy"), measured("copy")), tmp_path / "a.json")
    reports.write(report(measured("numpy"), measured("copy"), day=2), tmp_path / "b.json")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        ("--help", ()),
        ("--version", ()),
        ("run --help", ()),
        ("list benchmarks --help", ()),
        ("schema report", ()),
        ("list suites", ()),
        ("list operations", ("numpy",)),
        ("list backends", ("numpy",)),
        ("list benchmarks", ("numpy",)),
        ("show a.json", ("numpy",)),
        ("show a.json --format json", ("numpy",)),
        ("diff a.json b.json", ("numpy",)),
    ],
)
def test_what_does_not_measure_loads_no_framework(folder, environment, arguments, allowed):
    command = [sys.executable, "-P", "-c", LOADED, *arguments.split()]

    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )

    loaded = done.stderr.splitlines()[-1]
    assert loaded == repr(list(allowed)) or loaded == "[]"


def test_the_version_is_that_of_the_package(lnbench):
    assert lnbench("--version").stdout == f"lnbench {package.__version__}\n"


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_every_command(lnbench, option):
    text = lnbench(option).stdout

    for command in ("run", "check", "show", "diff", "list", "schema"):
        assert f"\n│ {command} " in text


@pytest.mark.parametrize(
    "command", ["run", "check", "show", "diff", "list", "schema", "list suites"]
)
def test_every_command_has_help(lnbench, command):
    assert "Usage: " in lnbench(*command.split(), "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ("nix", "nix"),
        ("run --nix", "--nix"),
        ("list nix", "nix"),
        ("schema nix", "nix"),
        ("diff a.json", "candidate"),
    ],
)
def test_an_unknown_command_or_option_exits_with_2_and_names_it(arguments, word):
    found = CliRunner().invoke(app, arguments.split())

    assert found.exit_code == 2
    assert found.stdout == ""
    assert word in found.stderr
    assert "Usage: " in found.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "run quik",
        "list suites --config nix.yaml",
        "show nix.json",
        "diff nix.json nix.json",
        "check -b nunpy",
    ],
)
def test_a_mistake_in_any_command_is_a_sentence_and_no_traceback(lnbench, arguments):
    done = lnbench(*arguments.split(), check=2)

    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) <= 2
    assert done.stdout == ""


def test_a_terminal_that_knows_no_unicode_gets_a_table_all_the_same(lnbench, folder):
    done = lnbench("show", "a.json", PYTHONIOENCODING="ascii")

    assert "numpy" in done.stdout
    assert "\N{BLACK STAR}" not in done.stdout


def test_a_schema_is_json(lnbench):
    for what in ("report", "suite"):
        assert json.loads(lnbench("schema", what).stdout)


@pytest.mark.parametrize(
    ("words", "offered", "missing"),
    [
        ("lnbench ", {"run", "check", "show", "diff", "list", "schema"}, "quick"),
        ("lnbench run ", {"quick", "ci", "transformer"}, "numpy"),
        ("lnbench run tr", {"transformer"}, "quick"),
        ("lnbench check ", {"quick"}, "numpy"),
        ("lnbench run -b ", {"numpy", "torch-eager", "copy", "plain", "crashing"}, "quick"),
        ("lnbench run --backend numpy,tor", {"numpy,torch-eager", "numpy,torch-compile"}, "numpy"),
        ("lnbench run --dtype bf", {"bfloat16"}, "float16"),
        ("lnbench run --direction ", {"forward", "backward", "step"}, "quick"),
        ("lnbench run --operation l", {"layernorm"}, "quick"),
        ("lnbench run --shape gpt2:", {"gpt2:prefill", "gpt2:train"}, "gpt2"),
        ("lnbench run --shape 8x16,bert-l", {"8x16,bert-large:encode"}, "bert-large"),
        ("lnbench show --relative-to n", {"numpy"}, "copy"),
        ("lnbench list b", {"backends", "benchmarks"}, "suites"),
        ("lnbench show --metric ", {"time", "copy", "memory"}, "backend"),
        ("lnbench show --by ", {"backend", "shape", "dtype"}, "time"),
        ("lnbench run --format ", {"table", "markdown", "json"}, "github"),
        ("lnbench run --cache c", {"cold"}, "hot"),
        ("lnbench run --device c", {"cpu", "cuda"}, "mps"),
        ("lnbench paper train --model ", {"mlp", "rnn", "lstm", "gru"}, "layer"),
        ("lnbench run -b ./my", {"./my_kernel.py", "./my_folder/"}, "./my_notes.txt"),
        ("lnbench ab tor", {"torch-eager"}, "numpy"),
    ],
)
def test_the_shell_completes_names(tmp_path, environment, words, offered, missing):
    (tmp_path / "my_folder").mkdir()
    for name in ("my_kernel.py", "my_notes.txt"):
        (tmp_path / name).touch()
    at = len(words.split()) - (not words.endswith(" "))
    asked = {"_LNBENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
    code = "import sys; sys.argv = ['lnbench']; from lnbench.cli.app import main; main()"

    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env=environment | asked,
        capture_output=True,
        text=True,
        check=True,
    )

    found = set(done.stdout.split())
    assert offered <= found
    assert missing not in found
    assert done.stderr == ""


def test_completion_outlives_a_broken_suite_file(tmp_path, environment):
    (tmp_path / "benchmarks.yaml").write_text("suites: [\n")
    asked = {"_LNBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "lnbench run ", "COMP_CWORD": "2"}
    code = "import sys; sys.argv = ['lnbench']; from lnbench.cli.app import main; main()"

    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={**environment, **asked},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_output_into_a_closed_pipe_is_no_traceback(folder, environment):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-P", "-m", "lnbench", "show", "a.json"]

    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=write, stderr=subprocess.PIPE, check=False
    )

    os.close(write)
    assert done.stderr == b""
