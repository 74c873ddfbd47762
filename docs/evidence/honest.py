"""Whether an honest kernel is ever flagged: rows of every kind, and what became of them.

    python docs/evidence/honest.py FOLDER [--passes 12]

Runs `lnbench run` over backends, operations, types, hot and cold, allocated and ready, small and
large, and the honest kernel files of tests/cheats/honest; prints samples, rows, and every row that
failed. Other load on the machine makes it harder, not easier.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lnbench.record import report
from lnbench.record.outcome import Failed, Measured

HONEST = sorted(Path(__file__).parents[2].glob("tests/cheats/honest/*.py"))
RUNS = {
    "layernorm": [
        *("--direction", "forward,backward,step"),
        *("--shape", "1x4096,64x512,2048x1024", "--dtype", "float32,bfloat16"),
    ],
    "types": [
        "--shape",
        "33x1000",
        "--dtype",
        "float64,float16",
        "--direction",
        "forward,backward",
    ],
    "cold": ["--shape", "64x512,1024x1024", "--cache", "cold", "--outputs", "allocated,ready"],
    "ready": ["--shape", "64x512,4096x2048", "--outputs", "ready"],
    "large": ["--shape", "8192x1024,128x65536"],
    "rmsnorm": ["--operation", "rmsnorm,add-layernorm", "--shape", "64x512,1024x1024"],
    "batchnorm": ["--operation", "batchnorm,batchnorm-inference", "--shape", "64x512"],
    "recurrent": ["--operation", "layernorm-lstm,layernorm-gru,rnn", "--shape", "8x4x64"],
    "files": ["--shape", "64x512,512x1024", "--direction", "forward,backward,step"],
}


def main() -> None:
    """Run, count, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--passes", default="12")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    samples = rows = flagged = 0
    for name, more in RUNS.items():
        file = arguments.folder / f"{name}.json"
        if not file.exists():
            backends = ",".join(map(str, HONEST)) if name == "files" else ""
            chosen = ["-b", backends] if backends else []
            command = [sys.executable, "-m", "lnbench", "run", *more, *chosen, "-o", str(file)]
            command += ["--passes", arguments.passes, "--time", "100", "--quiet"]
            subprocess.run(command, check=False)
        taken, failed = looked_at(file)
        samples, rows, flagged = samples + sum(taken), rows + len(taken), flagged + len(failed)
        print(f"{name}: {sum(taken)} samples in {len(taken)} rows, {len(failed)} failed")
        for outcome in failed:
            print(f"  {outcome.benchmark.id}: {outcome.error}")
    print(f"{samples} samples, {rows} rows, {flagged} failed")


def looked_at(file: Path) -> tuple[list[int], list[Failed]]:
    """Return the samples of each row that was measured, and the rows that failed."""
    outcomes = report.read(file).outcomes
    measured = (outcome for outcome in outcomes if isinstance(outcome, Measured))
    failed: Iterator[Failed] = (each for each in outcomes if isinstance(each, Failed))
    return [sum(map(len, outcome.times_s)) for outcome in measured], list(failed)


if __name__ == "__main__":
    main()
