"""The GitHub action and workflows: sound as files, and its steps do what docs/ci.md says."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

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
    done = subprocess.run(
        ["make", "--dry-run", target, f"VENV={tmp_path}"],
        cwd=ROOT,
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


@pytest.fixture
def branch(tmp_path):
    """A clone of a bare remote whose main has moved on since a slower branch left it."""
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "remote"], check=True)
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "remote", "clone")
    begun = commit(folder, kernel=KERNEL.format(rounds=8))
    head = commit(folder, kernel=KERNEL.format(rounds=16))
    git(folder, "checkout", "-q", "--detach", begun)
    # Main became as slow meanwhile: against its tip the branch would seem unchanged.
    base = commit(folder, kernel=KERNEL.format(rounds=16), other="")
    git(folder, "push", "-q", "origin", f"{base}:refs/heads/main", f"{head}:refs/heads/branch")
    git(folder, "checkout", "-q", "--detach", head)
    return folder, base, head


def test_the_steps_of_the_action_compare_with_the_merge_base_and_say_what_changed(branch):
    folder, base, head = branch
    step = next(step for step in steps_of(ACTION) if step.get("id") == "compare")
    said = {"BASE": base, "HEAD": head, "SUITE": "ci", "BACKEND": "./kernel.py", "NUMBER": "7"}
    said |= {"DETECT": "15%", "STRICT": "true", "GITHUB_OUTPUT": str(folder / "outputs")}
    said["ARGUMENTS"] = "--shape 64x256 --direction forward --max-time 60 --threads 1"
    (folder / "bin").mkdir()
    lnbench = folder / "bin/lnbench"
    lnbench.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m lnbench "$@"\n')
    lnbench.chmod(0o755)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        cwd=folder,
        env={**os.environ, **said, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, (done.stdout, done.stderr)
    assert (folder / "outputs").read_text() == "exit-code=1\n"
    comment = (folder / "lnbench-ab/comment.md").read_text().splitlines()
    assert comment[0] == "<!-- lnbench ab -->"
    assert comment[1].startswith("**slower: 1 of 1 rows, up to ")
    assert (folder / "lnbench-ab/number").read_text() == "7"
    assert "::error title=regressed" in done.stdout
