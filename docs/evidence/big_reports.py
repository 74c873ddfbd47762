"""What it takes to read large reports: seconds and peak memory of `show` and `diff`.

    python docs/evidence/big_reports.py FOLDER 2000 5000 20000

Writes two reports for each number of rows into FOLDER, where they are not there yet: the rows of a
recorded report over more shapes, 40 passes each. Prints a line a command.
"""

import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SEED = Path(__file__).parents[2] / "reports/baselines/epyc2-transformer.json"
PASSES, ROUNDS = 40, 10

COMMANDS = (
    "show A",
    "show A --summary",
    "show A --explain",
    "show A --metric bandwidth",
    "show A --format json",
    "show A --format markdown",
    "diff A A",
    "diff A B",
    "diff A B --format json",
    "diff A B --format markdown",
    "diff A B --format github",
)


def main() -> None:
    """Write the reports and time the commands, or those that begin with the words given."""
    folder, counts = Path(sys.argv[1]), [int(word) for word in sys.argv[2:] if word.isdigit()]
    wanted = [word for word in sys.argv[2:] if not word.isdigit()] or [""]
    folder.mkdir(parents=True, exist_ok=True)
    for count in counts:
        paths = {name: folder / f"{count}-{name}.json" for name in "AB"}
        for name, path in paths.items():
            if not path.exists():
                write(path, count, ord(name))
        print(f"{count} rows, {paths['A'].stat().st_size / 1e6:.0f} MB", flush=True)
        for command in COMMANDS:
            if command.startswith(tuple(wanted)):
                words = [str(paths.get(word, word)) for word in command.split()]
                seconds, peak_mb, code = cost(words)
                text = f"  {command:28} {seconds:7.1f} s {peak_mb:7.0f} MB   exit {code}"
                print(text, flush=True)


def write(path: Path, count: int, seed: int) -> None:
    """Write a report of that many rows; another seed has other times."""
    report = json.loads(SEED.read_text())
    recorded = report["outcomes"]
    report["outcomes"] = []
    head = json.dumps(report, indent=2)
    before, after = head.split('"outcomes": []')
    with path.open("w") as file:
        file.write(f'{before}"outcomes": [\n')
        lines = (json.dumps(row) for row in rows(recorded, count, random.Random(seed)))  # noqa: S311
        file.write(",\n".join(lines))
        file.write(f"\n]{after}\n")


def rows(recorded: list[dict[str, Any]], count: int, rng: random.Random) -> Iterator[Any]:
    """Yield recorded rows over and over, each time with shapes of their own."""
    copies = ((copy, row) for copy in itertools.count() for row in recorded)
    for copy, row in itertools.islice(copies, count):
        shape = [row["shape"][0] + 1_000_000 * copy, *row["shape"][1:]]
        again = {**row, "shape": shape}
        if row["kind"] == "measured":
            flat = [value for times in row["times_s"] for value in times]
            luck = [rng.gauss(0, 0.01) for _ in range(PASSES)]
            again["times_s"] = [
                [rng.choice(flat) * (1 + share) for _ in range(ROUNDS)] for share in luck
            ]
            again["rounds"] = [rng.sample(range(ROUNDS), ROUNDS) for _ in range(PASSES)]
        yield again


def cost(words: list[str]) -> tuple[float, float, int]:
    """Return the seconds, the peak memory in megabytes and the exit code of a command."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "lnbench", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic() - begun, usage.ru_maxrss * 1024 / 1e6, process.returncode


if __name__ == "__main__":
    main()
