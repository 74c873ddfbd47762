"""The GitHub action and workflows: sound as files, and its steps do what docs/ci.md says."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import factories
import pytest
import yaml

from lnbench.record import report as reports

ROOT = Path(__file__).parent.parent
ACTION = ROOT / ".github/actions/ab/action.yml"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FILES = [ACTION, *WORKFLOWS]

KERNEL = """
import numpy as np

def forward(x, weight, bias, eps):
    for _ in range({rounds}):
        centred = x - x.mean(axis=1, keepdims=True)
        y = centred / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + eps)
    return (y * weight + bias).astype(x.dtype)
"""


def loaded(path):
    return yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)


def steps_of(path):
    read = loaded(path)
    jobs = read.get("jobs", {}).values()
    return [step for job in (*jobs, read.get("runs", {})) for step in job.get("steps", ())]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_step_is_bash_and_holds_no_text_from_outside(path):
    for step in steps_of(path):
        if "run" in step:
            done = subprocess.run(["bash", "-n"], input=step["run"], text=True, check=False)
            assert done.returncode == 0, step
            assert "${{" not in step["run"], "a title or branch name would be run: use env"


@pytest.mark.skipif(not shutil.which("actionlint"), reason="needs actionlint")
def test_actionlint_finds_no_fault():
    done = subprocess.run(["actionlint", *WORKFLOWS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_workflow_runs_a_strangers_code_with_a_token_that_writes(path):
    read = loaded(path)
    assert "pull_request_target" not in read["on"]
    assert "write" not in str(read["permissions"])
    for job in read["jobs"].values():
        if "write" in str(job.get("permissions", "")):
            assert "workflow_run" in read["on"]
            assert not [step for step in job["steps"] if "checkout" in step.get("uses", "")]


def test_the_tests_run_on_macos_too_and_on_each_python_from_the_oldest_on():
    job = loaded(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]
    matrix = job["strategy"]["matrix"]
    pairs = {(system, python) for system in matrix["os"] for python in matrix["python"]}
    pairs |= {(more["os"], more["python"]) for more in matrix["include"]}
    pythons = sorted({int(python.removeprefix("3.")) for _, python in pairs})
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = int(project["requires-python"].removeprefix(">=3."))
    assert pythons == list(range(oldest, oldest + 4))
    for end in (pythons[0], pythons[-1]):
        assert ("macos-latest", f"3.{end}") in pairs
    assert job["runs-on"] == "${{ matrix.os }}"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", ["bench", "test"])
def test_make_shows_what_pip_does(target, tmp_path):
    # As typed: what `make` was told that runs these tests is none of its business.
    told = re.compile("MAKE|^INSTALL$|^VENV$")
    plain = {name: value for name, value in os.environ.items() if not told.search(name)}
    done = subprocess.run(
        ["make", "--dry-run", target, f"VENV={tmp_path}"],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
        check=True,
    )
    (install,) = (line for line in done.stdout.splitlines() if "pip install" in line)
    assert "--quiet" not in install
    assert "-q" not in install.split()


def test_the_action_uses_each_of_its_inputs():
    text = ACTION.read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", text))
    assert used == set(loaded(ACTION)["inputs"])


def test_the_documented_workflow_fetches_all_commits_and_names_inputs_of_the_action():
    page = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```yml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    steps = yaml.safe_load(text)["jobs"]["ab"]["steps"]
    (checkout,) = (step for step in steps if "checkout" in step["uses"])
    (action,) = (step for step in steps if ".github/actions/ab@" in step["uses"])
    assert checkout["with"]["fetch-depth"] == 0
    inputs = set(loaded(ACTION)["inputs"])
    assert set(action["with"]) <= inputs
    (said,) = re.findall(r"^Its inputs are (.*?);", page, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", said)) == inputs


def git(folder, *words):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "next")
    return git(folder, "rev-parse", "HEAD")


def run(folder, name, programs, **variables):
    """Run a step by its name in bash as GitHub does, with programs that are found first."""
    (text,) = (s["run"] for path in FILES for s in steps_of(path) if s.get("name") == name)
    first = folder.parent / "bin"
    first.mkdir(exist_ok=True)
    for program, body in programs.items():
        (first / program).write_text(f"#!/bin/sh\n{body}\n")
        (first / program).chmod(0o755)
    path = f"{first}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
        cwd=folder,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


LNBENCH = {"lnbench": f'exec {sys.executable} -P -m lnbench "$@"'}


class PullRequest(NamedTuple):
    """A clone as `actions/checkout` leaves it: at the merge of a fork's branch into main."""

    folder: Path
    base: str
    """The tip of main, which has moved on since the branch left it."""
    head: str
    """The fork's commit, of which the remote has only what the pull request shows."""

    def compare(self, **inputs):
        """Run the step that compares; return what it printed and the artifact, by file."""
        said = {"BASE": self.base, "HEAD": self.head, "SUITE": "ci", "BACKEND": "./kernel.py"}
        said |= {"DETECT": "15%", "STRICT": "true", "NUMBER": "7", **inputs}
        said["ARGUMENTS"] = f"--shape 64x256 --direction forward --threads 1 {said['ARGUMENTS']}"
        said["GITHUB_OUTPUT"] = str(self.folder.parent / "outputs")
        done = run(self.folder, "Compare", LNBENCH, **said)
        outputs = Path(said["GITHUB_OUTPUT"]).read_text()
        assert outputs == f"exit-code={done.returncode}\n", done.stderr
        kept = {path.name: path.read_text() for path in (self.folder / "lnbench-ab").iterdir()}
        assert kept["number"] == "7"
        assert kept["comment.md"].startswith("<!-- lnbench ab -->\n")
        return done, kept


@pytest.fixture
def pull_request(tmp_path):
    """A fork's branch that is slower than where it left main, which takes no push."""
    for name in ("remote", "fork"):
        subprocess.run(["git", "init", "-q", "--bare", tmp_path / name], check=True)
    git(tmp_path, "clone", "-q", "remote", "work")
    work = tmp_path / "work"
    begun = commit(work, kernel=KERNEL.format(rounds=8))
    head = commit(work, kernel=KERNEL.format(rounds=80), change="")
    git(work, "push", "-q", "../fork", f"{head}:refs/heads/branch")
    git(work, "checkout", "-q", "--detach", begun)
    base = commit(work, kernel=KERNEL.format(rounds=80), other="")
    git(work, "merge", "-q", "--no-edit", "-X", "ours", head)
    git(work, "push", "-q", "origin", f"{base}:refs/heads/main", "HEAD:refs/pull/7/merge")
    (tmp_path / "remote/hooks/pre-receive").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "remote/hooks/pre-receive").chmod(0o755)
    git(tmp_path, "init", "-q", "clone")
    folder = tmp_path / "clone"
    branches = "+refs/heads/*:refs/remotes/origin/*"
    git(
        folder, "fetch", "-q", "../remote", branches, "+refs/pull/7/merge:refs/remotes/pull/7/merge"
    )
    git(folder, "checkout", "-q", "--detach", "refs/remotes/pull/7/merge")
    return PullRequest(folder, base, head)


def test_a_slower_fork_is_compared_with_where_it_left_main(pull_request):
    # Main became as slow meanwhile: against its tip the branch would seem unchanged.
    done, kept = pull_request.compare(ARGUMENTS="--time 120 --max-time 240")

    assert done.returncode == 1, (done.stdout, done.stderr)
    assert kept["comment.md"].splitlines()[1].startswith("**slower: 1 of 1 rows, up to ")
    assert "::error title=regressed" in done.stdout
    begun = git(pull_request.folder, "merge-base", pull_request.base, pull_request.head)
    sides = [side["commit"] for side in json.loads(kept["report.json"])["sides"]]
    assert sides == [begun, pull_request.head]


@pytest.mark.parametrize(("strict", "code"), [("true", 4), ("false", 0)])
def test_a_session_that_could_have_seen_nothing_is_green_only_if_asked(pull_request, strict, code):
    done, kept = pull_request.compare(ARGUMENTS="--passes 2", STRICT=strict)

    assert done.returncode == code, (done.stdout, done.stderr)
    assert "1 of 1 rows could not have shown" in kept["comment.md"].splitlines()[1]
    assert "::error" not in done.stdout


def test_where_nothing_was_compared_the_comment_says_so(pull_request):
    done, kept = pull_request.compare(BASE="no-such-branch", ARGUMENTS="")

    assert done.returncode == 2
    assert kept.keys() == {"number", "comment.md"}
    assert "**nothing was compared**: exit 2" in kept["comment.md"]


GH = """
echo "$*" >> calls
case "$*" in
  *pulls/7*) echo "$PULL_REQUEST_HEAD" ;;
  *--paginate*) for last; do :; done; jq -r "$last" comments.json ;;
esac
"""
"""What stands in for GitHub: a pull request's head, its comments, and what it is asked for."""

OURS = "<!-- lnbench ab -->\n**slower**"


@pytest.mark.skipif(not shutil.which("jq"), reason="needs jq")
@pytest.mark.parametrize(
    ("comments", "asked"),
    [
        ([], "--method POST repos/a/b/issues/7/comments"),
        ([("User", OURS)], "--method POST repos/a/b/issues/7/comments"),
        ([("Bot", "> " + OURS)], "--method POST repos/a/b/issues/7/comments"),
        ([("Bot", "other"), ("Bot", OURS)], "--method PATCH repos/a/b/issues/comments/1 "),
    ],
)
def test_the_comment_is_written_once_and_then_over_itself_alone(pull_request, comments, asked):
    (pull_request.folder / "number").write_text("7")
    (pull_request.folder / "comment.md").write_text(OURS)
    read = [
        {"id": number, "user": {"type": kind}, "body": body}
        for number, (kind, body) in enumerate(comments)
    ]
    (pull_request.folder / "comments.json").write_text(json.dumps(read))
    head = {"HEAD": "abc", "PULL_REQUEST_HEAD": "abc"}
    done = run(pull_request.folder, "Comment", {"gh": GH}, GH_REPO="a/b", **head)
    assert done.returncode == 0, done.stderr
    calls = (pull_request.folder / "calls").read_text().splitlines()
    assert [asked in f"{call} " for call in calls] == [False, False, True]
    assert (pull_request.folder / "body.md").read_text() == OURS


@pytest.mark.parametrize("number", ["7", "8", "../../7", "7; touch x", ""])
def test_a_number_that_is_not_of_this_commit_gets_no_comment(pull_request, number):
    (pull_request.folder / "number").write_text(number)
    (pull_request.folder / "comment.md").write_text(OURS)
    head = {"HEAD": "abc", "PULL_REQUEST_HEAD": "another"}
    done = run(pull_request.folder, "Comment", {"gh": GH}, GH_REPO="a/b", **head)
    assert done.returncode != 0
    (call,) = (pull_request.folder / "calls").read_text().splitlines()
    assert re.fullmatch(r"api repos/a/b/pulls/\d* --jq .head.sha", call)


def test_every_night_keeps_a_page_a_badge_and_what_the_next_one_can_read(tmp_path):
    pytest.importorskip("altair")
    folder = tmp_path / "nightly"
    folder.mkdir()
    for night in range(2):
        reports.write(factories.report(factories.measured(seed=night)), folder / f"{night}.json")
        summary = tmp_path / f"summary-{night}.md"
        done = run(tmp_path, "Show", LNBENCH, GITHUB_STEP_SUMMARY=str(summary))
        assert done.returncode == 0, done.stderr
        assert "no change of more than 5%" in summary.read_text()
        kept = {path.name for path in folder.iterdir()} - {"0.json", "1.json"}
        assert kept == {"badge.svg", "history.html"}
