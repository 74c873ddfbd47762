"""By hand, `undo.py [mend …]`: undo each mend in a copy of lnbench, print which tests notice."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parents[1]
SINCE = "        self._start = time.monotonic()\n"
COUNTED = "        self._row.spent_s += time.monotonic() - self._start\n"
EXIT = "        if not isinstance(error, WorkerError):\n            return False\n"
MENDS = {
    "none": ("errors.py",),
    "1": ("plan/case.py", 'return f"{device}:0" if device in _NUMBERED else', "return"),
    "1 case": ("plan/case.py", '"device", numbered(self.device)', '"device", self.device'),
    "2": ("backends/torch_compile.py", "if torch.version.cuda is not None or", "if False and"),
    "2 look": ("workers/nursery.py", "startswith(_GPUS)", 'startswith("no such path")'),
    "4": (
        *("session/block.py", "__enter__(self) -> None: ...\n"),
        *(f"__enter__(self) -> None:\n{SINCE}", EXIT, COUNTED + EXIT),
    ),
    "12 graph": (
        "measure/cuda_timing.py",
        "replay = self._stream.capture(turn, count)\n            replay()\n",
        "self._stream.capture(turn, count)()\n",
    ),
    "12 buffer": (
        "measure/subject.py",
        "if len(before) == len(after) == len(outputs):",
        "if False:",
    ),
    "12 cards": ("judge/diff.py", "        _indices(baseline, candidate),\n", ""),
}


def main(chosen):
    for mend in chosen or MENDS:
        file, *passages = MENDS[mend]
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "lnbench", Path(folder, "lnbench"))
            shutil.copy(ROOT / "benchmarks.yaml", folder)
            path = Path(folder, "lnbench", file)
            text = path.read_text()
            for old, new in zip(passages[::2], passages[1::2], strict=True):
                assert text.count(old) == 1, (mend, old, text.count(old))
                text = text.replace(old, new)
            path.write_text(text)
            command = [sys.executable, "-P", "-m", "pytest", "-q", "--tb=no", str(TESTS)]
            variables = os.environ | {"PYTHONPATH": folder, "COLUMNS": "300"}
            done = subprocess.run(
                command, env=variables, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
            )
        lines = done.stdout.splitlines()
        print(f"mend {mend} undone: {lines[-1]}", flush=True)
        print("\n".join(f"  {line}" for line in lines if line.startswith(("FAILED", "ERROR"))))


if __name__ == "__main__":
    main(sys.argv[1:])
