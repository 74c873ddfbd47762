"""Which commit a `git:` side names, and what is said where there is none."""

import subprocess

import pytest

from lnbench.errors import ConfigError
from lnbench.workers.install import commit_of, diverged


def git(folder, *words):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def commits(tmp_path, monkeypatch):
    """A repository in which `topic`, checked out, branched off `main`, which went on."""
    made = {}

    def commit(name):
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", name)
        made[name] = git(tmp_path, "rev-parse", "HEAD")

    git(tmp_path, "init", "-q", "-b", "main")
    commit("base")
    git(tmp_path, "checkout", "-q", "-b", "topic")
    commit("topic")
    git(tmp_path, "checkout", "-q", "main")
    commit("main")
    git(tmp_path, "checkout", "-q", "--orphan", "island")
    commit("island")
    git(tmp_path, "checkout", "-q", "topic")
    monkeypatch.chdir(tmp_path)
    return made


@pytest.mark.parametrize("ref", ["main...topic", "topic...main", "main...", "...main"])
def test_three_dots_are_the_merge_base(commits, ref):
    assert commit_of(ref) == commits["base"]


def test_a_plain_ref_is_its_commit(commits):
    assert commit_of("main") == commits["main"]


@pytest.mark.parametrize("ref", ["nix", "nix...HEAD", "main...nix"])
def test_an_unknown_commit_is_named(commits, ref):
    with pytest.raises(ConfigError, match="no such commit here") as caught:
        commit_of(ref)
    assert "nix" in caught.value.message
    assert "shallow" not in caught.value.hint


def test_commits_without_an_ancestor_in_common_are_one_sentence(commits):
    with pytest.raises(ConfigError, match="no ancestor in common") as caught:
        commit_of("island...topic")
    assert "git:island git:topic" in caught.value.hint


@pytest.mark.parametrize("ref", ["HEAD~1", "origin/main...HEAD"])
def test_a_shallow_clone_is_told_how_to_get_the_rest(commits, tmp_path, monkeypatch, ref):
    clone = tmp_path / "clone"
    remote = f"file://{tmp_path}"
    git(tmp_path, "clone", "-q", "--depth=1", "--no-single-branch", "-b", "topic", remote, "clone")
    monkeypatch.chdir(clone)
    with pytest.raises(ConfigError, match="here") as caught:
        commit_of(ref)
    assert "git fetch --unshallow" in caught.value.hint


def test_only_commits_that_each_have_what_the_other_lacks_have_diverged(commits):
    assert diverged(commits["main"], commits["topic"])
    assert diverged(commits["topic"], commits["main"])
    assert not diverged(commits["base"], commits["topic"])
    assert not diverged(commits["topic"], commits["base"])
    assert not diverged(commits["base"], commits["base"])
