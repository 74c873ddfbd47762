"""Pipes that close, disks that fill and bugs: none of them looks like a regression."""

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parent.parent / "data" / "report-v1.json"
LNBENCH = (sys.executable, "-m", "lnbench")
FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
COMMANDS = [
    ["diff", DATA, DATA],
    ["diff", DATA, DATA, "--format", "github"],
    ["show", DATA],
    ["show", DATA, "--format", "json"],
    ["schema", "report"],
    ["--help"],
]


def call(*arguments, **streams):
    command = [*LNBENCH, *map(str, arguments)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **streams)


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda words: " ".join(map(str, words[::2])))
def test_a_reader_that_leaves_changes_nothing(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        done = call(*arguments, stdout=nobody)

    kept = call(*arguments, stdout=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (kept.returncode, kept.stderr)


@FULL
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda words: " ".join(map(str, words[::2])))
def test_output_that_cannot_be_written_is_one_sentence_and_exit_2(arguments):
    with open("/dev/full", "w") as full:
        done = call(*arguments, stdout=full)

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: the output cannot be written: No space left on device"
    )


@FULL
def test_where_stderr_is_full_too_the_code_still_says_it():
    with open("/dev/full", "w") as full:
        command = [*LNBENCH, "show", str(DATA)]
        done = subprocess.run(command, stdout=full, stderr=full, check=False)

    assert done.returncode == 2


def test_a_bug_has_a_code_of_its_own_and_keeps_its_traceback(tmp_path):
    code = (
        "from lnbench.cli import app\n"
        "import lnbench.cli.show as show\n"
        "show._chosen = lambda names: 1 / 0\n"
        "app.main()\n"
    )
    command = [sys.executable, "-c", code, "show", str(DATA)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 70
    assert "ZeroDivisionError" in done.stderr
    assert "bug of lnbench" in done.stderr.splitlines()[-1]


def test_without_any_stream_a_run_writes_its_report(tmp_path):
    script = (
        f"cd {tmp_path} && {' '.join(LNBENCH)} run -b numpy --shape 8x8 --direction forward "
        "--passes 1 -o r.json <&- >&- 2>&-"
    )
    done = subprocess.run(["sh", "-c", script], check=False)

    assert done.returncode == 0
    assert (tmp_path / "r.json").stat().st_size > 1000


def test_a_stream_that_has_no_unicode_gets_ascii():
    shown = call(
        "show", DATA, stdout=subprocess.PIPE, env=os.environ | {"PYTHONIOENCODING": "ascii"}
    )
    assert shown.stdout.isascii()
    assert " | NVIDIA H200 | 1" in shown.stdout
    assert "?" not in shown.stdout


@pytest.mark.parametrize(("locale", "ascii_"), [("C", True), ("C.UTF-8", False)])
def test_a_terminal_whose_locale_is_c_gets_ascii(locale, ascii_):
    ours, theirs = pty.openpty()
    command, env = [*LNBENCH, "show", str(DATA)], os.environ | {"LC_ALL": locale, "TERM": "dumb"}
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=env)
    os.close(theirs)
    data = b""
    with contextlib.suppress(OSError):  # Linux's end of a terminal
        while part := os.read(ours, 1 << 16):
            data += part
    os.close(ours)
    assert process.wait() == 0
    assert data.isascii() == ascii_


@pytest.mark.parametrize("columns", ["0", "-1", "wide", None])
def test_a_pipe_gets_all_columns_where_nobody_says_how_wide_it_is(columns):
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    env |= {} if columns is None else {"COLUMNS": columns}

    shown = call("show", DATA, stdout=subprocess.PIPE, env=env).stdout

    (head, *_) = (line for line in shown.splitlines() if line.startswith("shape"))
    for name in ("backend", "time", "GB/s", "ulp", "memory", "first call", "bound by"):
        assert name in head
