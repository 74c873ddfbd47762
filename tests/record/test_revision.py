"""Laws of the revision."""

import shutil
import subprocess

import pytest

from lnbench.record.revision import Revision, revision

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    # Whatever repository lies above must not answer.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


def git(*arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@needs_git
def test_a_commit_is_dirty_only_where_a_tracked_file_differs(folder):
    git("init")
    (folder / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "a")
    commit = git("rev-parse", "HEAD")
    (folder / "report.json").write_text("{}")
    assert revision() == Revision(commit, dirty=False)
    (folder / "a").write_text("2")
    assert revision() == Revision(commit, dirty=True)


@needs_git
def test_a_folder_outside_of_a_repository_has_none(folder):
    assert revision() is None


@needs_git
def test_a_repository_without_a_commit_has_none(folder):
    git("init")
    assert revision() is None


def test_github_says_the_commit_where_git_is_missing(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    assert revision() is None
    monkeypatch.setenv("GITHUB_SHA", "1a2b3c")
    assert revision() == Revision("1a2b3c", dirty=None)
    monkeypatch.setenv("GITHUB_SHA", "/home/alice")
    assert revision() is None
