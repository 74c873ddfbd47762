"""Something moves while a command works, on terminals alone, and nothing while it times."""

import io
import os
import pty
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from lnbench import activity
from lnbench.cli.live import Line

SMALL = ("-b", "numpy", "--shape", "8x16", "--direction", "forward", "--passes", "2")


def on_a_terminal(tmp_path, *arguments, codes=frozenset({0}), **variables):
    """Run a command on a terminal of its own, and return all that it wrote there."""
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in {"CI", "NO_COLOR"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "lnbench", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env=environment | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"} | variables,
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            data = os.read(ours, 1 << 16)
        except OSError:  # Linux's end of a terminal
            break
        if not data:
            break
        written += data
    os.close(ours)
    assert process.wait() in codes, written.decode()
    return written.decode()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list", "benchmarks"), ["asking which backends run here"]),
        (
            ("run", *SMALL, "-o", "r.json"),
            ["asking which backends", "pass 1", "8x16/float32/cpu"],
        ),
        (("check", *SMALL[:-2]), ["asking which backends", "checked 1 of 2"]),
    ],
    ids=["list", "run", "check"],
)
def test_a_terminal_is_told_what_is_being_done(tmp_path, arguments, words):
    seen = on_a_terminal(tmp_path, *arguments)

    for word in words:
        assert word in seen


def test_rows_are_shown_as_they_settle_where_the_terminal_has_room(tmp_path):
    def headings(lines):
        return on_a_terminal(tmp_path, "run", *SMALL, "-o", "r.json", "--force", LINES=lines).count(
            "GB/s"
        )

    assert headings("40") > headings("20") == 1  # that of the final table


def test_a_pipe_gets_lines_and_nothing_that_steers_a_terminal(lnbench):
    done = lnbench("run", *SMALL)

    assert "\x1b" not in done.stderr
    assert done.stderr.startswith("pass 1 · ")


def drawn(draw):
    line = Line()
    line.console = Console(file=io.StringIO(), force_terminal=True, width=60)
    with line.console.capture() as captured:
        draw(line)
    return captured.get()


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("pass 3 · 0/3 rows · 49 s left", "first call of torch-compile 4 s"),
        ("pass 12 · 120/360 rows · 12 min 05 s left", "first call of"),
        ("", "first call of torch-compile 4 s"),
    ],
)
def test_what_is_done_and_for_how_long_is_never_cut_off(where, what):
    def draw(line):
        line.console = Console(file=io.StringIO(), force_terminal=True, width=80)
        line.where, line.share = where, 0.5
        line.tail = "layernorm/forward/4096x1024/float32/cpu"
        with activity.doing("first call of torch-compile"):
            activity._doing[-1] = (activity._doing[-1][0], time.monotonic() - 4)
            with line.console.capture() as captured:
                line.console.print(line._rendered())
        text = captured.get()
        assert where in text
        assert what in text
        assert " 4 s" in text.replace(where, "")
        assert "━" in text or "-" in text

    drawn(draw)


def test_pairs_are_shown_as_they_settle(tmp_path):
    sides = ("backend:numpy", "backend:numpy+50%")
    small = ("--shape", "8x16", "--direction", "forward", "--passes", "3", "--force")
    args = ("ab", *sides, "-o", "r.json", *small)
    live, final = (
        on_a_terminal(tmp_path, *args, LINES=lines, codes={0, 1}).count("detects")
        for lines in ("40", "20")
    )
    assert live > final == 1


def test_the_innermost_thing_is_what_is_being_done():
    def draw(line):
        line.where = "pass 2"
        with activity.doing("outer"), activity.doing("first [red] call\n"):
            line.console.print(line._rendered())
        line.console.print(line._rendered())

    inner, after = drawn(draw).splitlines()
    assert "pass 2 · first [red] call" in inner
    assert "call" not in after


def test_nothing_is_drawn_while_something_is_timed_and_timing_waits_for_a_drawing():
    with activity.timing(), activity.drawing() as free:
        assert not free
    order = []

    def time():
        with activity.timing():
            order.append("timed")

    with activity.drawing() as free:
        assert free
        timer = threading.Thread(target=time)
        timer.start()
        timer.join(0.05)
        order.append("drawn")
    timer.join()
    assert order == ["drawn", "timed"]
    with activity.drawing() as free:
        assert free


def test_a_session_times_its_samples_undisturbed(tmp_path, monkeypatch):
    from lnbench.measure.messages import TakeSample
    from lnbench.workers.handle import WorkerHandle

    seen = {True: 0, False: 0}
    ask = WorkerHandle.ask

    def watched(self, request, *more):
        seen[isinstance(request, TakeSample)] |= 1 << activity._timing.locked()
        return ask(self, request, *more)

    monkeypatch.setattr(WorkerHandle, "ask", watched)
    monkeypatch.chdir(tmp_path)
    import lnbench

    lnbench.run("numpy", shape=(8, 16), direction="forward", passes=1, quiet=True)
    assert seen[True] == 0b10  # always
    assert seen[False] & 0b01  # not beside compilation
    assert not list(Path().iterdir())
