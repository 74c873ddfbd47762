"""Which line of Python a call is in, sampled from outside by py-spy, threads of a pool too."""

import ctypes
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from lnbench.measure.profile_messages import Spot

SAMPLED_S = 2
_A_SECOND = 500
_START_LIMIT_S = 30

_PR_SET_PTRACER, _ANYBODY = 0x59616D61, -1  # linux/prctl.h

COMPILED = "compiled code, called by no line of Python"

_MARK = "marked (lnbench/measure/profiling.py"
_POOL = "run (concurrent/futures/thread.py"  # with or without its class in front
_WAIT = "wait (threading.py"


class SamplesError(Exception):
    """No samples can be taken here; the text says why."""


def sampled(calls: Callable[[Callable[[], bool]], object]) -> tuple[Spot, ...]:
    """Return lines by their share of samples, the most first.

    Args:
        calls: calls the routine in the frame that is looked for, while its argument says so.

    Raises:
        SamplesError: without py-spy, or where it must not look.
    """
    program = Path(sysconfig.get_path("scripts")) / "py-spy"
    if not program.exists():
        raise SamplesError("lines are sampled by py-spy: pip install 'lnbench[profile]'")
    if sys.platform.startswith("linux"):
        # With Yama, only those may look that are allowed to (ptrace(2)); without it, EINVAL.
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY)
    with tempfile.NamedTemporaryFile() as file:
        words = [str(program), "record", "--pid", str(os.getpid()), "--format", "raw"]
        how = ["--output", file.name, "--duration", str(SAMPLED_S), "--rate", str(_A_SECOND)]
        spy = subprocess.Popen(  # noqa: S603
            [*words, *how], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        calls(lambda: spy.poll() is None)
        _, said = spy.communicate(timeout=_START_LIMIT_S)
        stacks = Path(file.name).read_text(encoding="utf-8", errors="replace")
    if spy.returncode:
        raise SamplesError(f"py-spy cannot look: {_last_line(said)}")
    return spots(stacks)


def spots(stacks: str) -> tuple[Spot, ...]:
    """Return the lines in which the marked calls, or what they gave to threads, were seen.

    Args:
        stacks: a line a stack, outermost frame first, with the number of its samples.
    """
    seen = Counter[str]()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        if frame := _innermost(frames.split(";")):
            seen[frame] += int(count)
    whole = seen.total()
    return tuple(Spot(name, count / whole) for name, count in seen.most_common())


def _innermost(frames: list[str]) -> str:
    """Return the last frame of a stack that belongs to a marked call; empty where none does.

    One that waits for the threads of a pool does nothing, and these have no marked frame.
    """
    last = frames[-1]
    if _WAIT in last:
        return ""
    if last.startswith(_MARK):
        return COMPILED
    marked = any(frame.startswith(_MARK) for frame in frames)
    return last if marked or any(_POOL in frame for frame in frames) else ""


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it does not say why"
