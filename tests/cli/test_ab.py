"""`lnbench ab`: both sides measured for real, and each mistake one sentence."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lnbench.record import report as reports
from lnbench.record.outcome import Measured

SMALL = ("--shape", "8x64", "--direction", "forward", "--threads", "1", "-o", "ab.json")
PLUG_IN = re.compile(r"^`([\w.]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLUG_IN_PAGE = Path(__file__).parents[2] / "docs" / "backend-plugin.md"


def test_a_planted_slowdown_is_a_regression_and_the_file_says_so_again(lnbench, tmp_path):
    found = lnbench("ab", "backend:plain", "backend:plain+300%", *SMALL, "--passes", "10", check=1)
    again = lnbench("show", "ab.json")

    assert "1 regressed" in found.stdout
    assert again.stdout == found.stdout
    report = reports.read(tmp_path / "ab.json")
    assert (report.kind, report.looks) == ("comparison", (10,))
    assert [side.slowdown for side in report.sides] == [0, 3]
    assert [outcome.side for outcome in report.outcomes] == ["baseline", "candidate"]
    for outcome in report.outcomes:
        assert list(map(len, outcome.times_s)) == [10] * 10


@pytest.mark.parametrize(("name", "code"), [("wrong", 3), ("raises", 3), ("segfaults", 3)])
def test_a_candidate_that_fails_is_newly_failing(lnbench, name, code):
    found = lnbench("ab", "backend:plain", f"backend:{name}", *SMALL, "--passes", "2", check=code)

    assert "newly failing" in found.stdout
    assert name in found.stdout


def test_two_interpreters_are_two_environments(lnbench, tmp_path):
    side = f"python:{sys.executable}"
    found = lnbench("ab", side, side, *SMALL, "-b", "plain", "--passes", "2", check=0)

    assert "needs 8 pairs, has 2" in found.stdout
    report = reports.read(tmp_path / "ab.json")
    assert all(isinstance(outcome, Measured) for outcome in report.outcomes)
    assert dict(report.sides[0].environment.packages)["numpy"]


def test_github_gets_annotations_and_a_summary(lnbench, tmp_path):
    options = ("--passes", "10", "--format", "github")
    summary = tmp_path / "summary.md"
    found = lnbench(
        *("ab", "backend:plain", "backend:plain+300%", *SMALL, *options),
        check=1,
        GITHUB_STEP_SUMMARY=str(summary),
    )

    assert re.search(
        r"^::error title=regressed%3A layernorm/forward/8x64", found.stdout, re.MULTILINE
    )
    assert "| shape | backend |" in summary.read_text()
    assert "| shape" not in found.stdout


def git(folder, *words):
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def project(tmp_path):
    """A repository with the documentation's plug-in, one commit slower than the other."""
    for name, text in PLUG_IN.findall(PLUG_IN_PAGE.read_text(encoding="utf-8")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "lnbench_plain.py", "pyproject.toml")
    git(tmp_path, "commit", "-qm", "first")
    source = (tmp_path / "lnbench_plain.py").read_text(encoding="utf-8")
    slow = source.replace(
        "def forward(",
        "def forward(*arguments, **options):\n    "
        "for _ in range(9):\n        _forward(*arguments, **options)\n    "
        "return _forward(*arguments, **options)\n\n\ndef _forward(",
    )
    assert slow != source
    (tmp_path / "lnbench_plain.py").write_text(slow, encoding="utf-8")
    git(tmp_path, "commit", "-qam", "slower")
    return tmp_path


@pytest.mark.slow
def test_two_commits_of_a_plug_in_are_compared_and_leave_the_repository_as_it_was(
    lnbench, project, tmp_path
):
    """The plug-in is installed nowhere else: it is known from its own sides."""
    with (project / "lnbench_plain.py").open("a") as file:
        file.write("syntax error: a change that nobody has committed")
    before = sorted(path.name for path in project.iterdir())
    options = (*SMALL, "--passes", "10")
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": ""}

    found = lnbench("ab", "git:HEAD~1", "git:HEAD", *options, check=1, **cache)

    assert "1 regressed" in found.stdout
    assert found.stderr.count("have changed since git:HEAD, ") == 1
    assert "have changed since git:HEAD~1" not in found.stderr
    report = reports.read(project / "ab.json")
    assert {outcome.benchmark.backend for outcome in report.outcomes} == {"plain"}
    assert [len(side.commit) for side in report.sides] == [40, 40]
    left = {path.name for path in project.iterdir()} - {"cache", "ab.json", "inductor"}
    assert sorted(left) == before
    assert len(list((tmp_path / "cache/lnbench/overlays").iterdir())) == 2
    listed = subprocess.run(
        ["git", "worktree", "list"], cwd=project, check=True, capture_output=True, text=True
    )
    assert len(listed.stdout.splitlines()) == 1


def python_that_says(folder, text):
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return f"python:{program}"


@pytest.mark.parametrize(
    ("side", "words"),
    [
        ("backend:nmpy", "did you mean 'numpy'?"),
        ("git:no-such-branch", "there is no such commit here"),
        ("python:/no/such/python", "is no interpreter"),
        ("pip:lnbench-there-is-no-such==9", "cannot be installed"),
    ],
)
def test_a_side_that_cannot_be_had_is_one_sentence(lnbench, project, side, words):
    other = "backend:plain" if side.startswith("backend") else f"python:{sys.executable}"
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "XDG_CACHE_HOME": str(project / "cache")}

    found = lnbench("ab", other, side, *SMALL, check=2, **offline)

    assert words in found.stderr
    assert "Traceback" not in found.stderr
    assert not (project / "ab.json").exists()
    assert not list((project / "cache").rglob("new-*"))


def test_git_outside_of_a_repository_is_one_sentence(lnbench, tmp_path):
    found = lnbench("ab", "git:HEAD~1", "git:HEAD", *SMALL, check=2, GIT_CEILING_DIRECTORIES="/")

    assert "is in no git repository" in found.stderr


def test_an_interpreter_that_speaks_another_protocol_is_one_sentence(lnbench, tmp_path):
    answer = json.dumps({"protocol": 99, "backends": []})
    side = python_that_says(tmp_path, f"echo '{answer}'")

    found = lnbench("ab", side, side, *SMALL, check=2)

    assert "workers speak protocol 99" in found.stderr


def test_an_interpreter_without_lnbench_is_one_sentence(lnbench, tmp_path):
    side = python_that_says(tmp_path, "echo no module named lnbench >&2; exit 1")

    found = lnbench("ab", side, side, *SMALL, check=2)

    assert "cannot run lnbench: no module named lnbench" in found.stderr


def test_ctrl_c_leaves_a_whole_report_that_goes_on_and_no_process(environment, tmp_path):
    command = [sys.executable, "-P", "-m", "lnbench", "ab", "backend:plain", "backend:plain"]
    process = subprocess.Popen(
        [*command, *SMALL, "--passes", "40"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    path = tmp_path / "ab.json"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (path.exists() and reports.read(path).outcomes):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130, errors
    assert reports.read(path).outcomes
    left = subprocess.run(
        ["pgrep", "-f", "lnbench.workers.nursery.*plain"], capture_output=True, check=False
    )
    assert left.stdout == b""
    said = errors.decode()
    assert "continue with: lnbench ab backend:plain backend:plain" in said
    assert "--passes 40 --resume ab.json" in said

    before = reports.read(path)
    goes_on = [*command, *SMALL, "--passes", "40", "--resume", "ab.json"]
    options = {"cwd": tmp_path, "env": environment, "capture_output": True, "timeout": 120}
    done = subprocess.run(goes_on, check=False, **options)
    assert done.returncode in (0, 1), done.stderr
    after = reports.read(path)
    assert after.created == before.created
    for one, other in zip(before.outcomes, after.outcomes, strict=True):
        assert other.times_s[: len(one.times_s)] == one.times_s
        assert other.stopped is not None

    goes_on[goes_on.index("backend:plain")] = "backend:plain+10%"
    other = subprocess.run(goes_on, check=False, **options)
    assert other.returncode == 2
    assert b"ab.json cannot be resumed: backend:plain changed since" in other.stderr
    assert reports.read(path) == after
