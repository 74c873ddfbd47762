"""What stands on a node: starts lnbench there as a process of its own, and tells how it goes.

It travels to the node as a value and needs nothing but Python there, so that it can also say that
no lnbench is installed.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import deque
from pathlib import Path
from typing import Any

_ASK = """
import json, sys, lnbench
answer = {"version": lnbench.__version__}
if lnbench.__version__ == sys.argv[1]:
    from lnbench.cluster.machine import here
    answer["environment"] = here(int(sys.argv[2]) or None)
print(json.dumps(answer))
"""

_PATIENCE_S = 600.0  # for a first import of torch from a cold disk
_GRACE_PERIOD_S = 20.0
_REPORT_S = 30.0  # between two copies of a report that grows

REPORT = "report.json"


class Node:
    """Lives on a node for as long as it is taken; what its driver leaves ends with it."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._lines: deque[str] = deque(maxlen=20)
        self._said = self._seen = 0
        self._code: int | None = None
        self._process: subprocess.Popen[str] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._sent_s = -_REPORT_S
        self._made: bytes | None = None

    def describe(self, version: str, threads: int) -> dict[str, Any]:
        """Return what is here: the version of lnbench, and where it is the right one the machine.

        Args:
            version: that of the driver.
            threads: as of `lnbench run`; 0 where nobody says.
        """
        words = [sys.executable, "-P", "-c", _ASK, version, str(threads)]
        done = subprocess.run(  # noqa: S603  (this Python, with words of our own)
            words,
            env=_environment({}),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            return {"error": (done.stderr.strip().splitlines() or ["it says nothing"])[-1]}
        return {**answer, "niceness": os.nice(0)}

    def start(
        self, words: list[str], files: dict[str, bytes], variables: dict[str, str]
    ) -> dict[str, Any]:
        """Start lnbench with arguments, in a new folder that holds files."""
        # Later sessions of lnbench here sweep what a killed one left under such a name.
        self._folder = tempfile.TemporaryDirectory(prefix=f"lnbench-{os.getpid()}-node-")
        folder = Path(self._folder.name)
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        self._lines.clear()
        self._code, self._sent_s = None, -_REPORT_S  # the first line brings the first report
        self._process = subprocess.Popen(  # noqa: S603  (this Python, and flags of the user's)
            [sys.executable, "-P", "-m", "lnbench.cli.tether", *words],
            cwd=folder,
            env=_environment(variables),
            stdin=subprocess.PIPE,  # it ends when this does: with the actor, whatever ends that
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        return {}

    def news(self, patience_s: float) -> dict[str, Any]:
        """Return what lnbench said last, its report where that is due, and its end.

        Nothing is looked at before it says something: a sample is not disturbed by us.
        """
        with self._news:
            self._news.wait_for(lambda: self._said != self._seen, timeout=patience_s)
            self._seen, lines, code = self._said, list(self._lines), self._code
        made: dict[str, Any] = {"words": lines[-1] if lines else "", "code": code}
        if lines and (code is not None or time.monotonic() - self._sent_s > _REPORT_S):
            made["report"], self._sent_s = self._report(), time.monotonic()
        if code is not None:
            errors = [line for line in lines if line.startswith("error: ")]
            other = [f"lnbench was ended by signal {-code}"] if code < 0 else lines
            made["error"] = (errors or other or [f"it ended with {code}"])[-1]
        return made

    def stop(self) -> dict[str, Any]:
        """End lnbench as Ctrl-C does; `news` tells of the end."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_GRACE_PERIOD_S)
            except subprocess.TimeoutExpired:
                process.kill()
        return {}

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stderr or ():
            self._say(line.strip())
        self._say("", process.wait())

    def _say(self, line: str, code: int | None = None) -> None:
        with self._news:
            self._lines.extend([line] * bool(line))
            self._code = code
            self._said += 1
            self._news.notify_all()

    def _report(self) -> bytes | None:
        """Return the report as it is now, compressed; None where there is none yet."""
        if self._folder is not None and (path := Path(self._folder.name) / REPORT).exists():
            self._made = zlib.compress(path.read_bytes(), 1)
            if self._code is not None:
                self._folder.cleanup()
                self._folder = None
        return self._made


def _environment(variables: dict[str, str]) -> dict[str, str]:
    """Return the variables of the node without what Ray and earlier commands have set there."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LNBENCH_") and name not in ("OMP_NUM_THREADS", "PYTHONBREAKPOINT")
    }
    if not kept.get("CUDA_VISIBLE_DEVICES", "all"):
        del kept["CUDA_VISIBLE_DEVICES"]
    return kept | variables
