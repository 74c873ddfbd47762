"""What stands on a node, without Ray: a real session of lnbench, its news and its end."""

import json
import subprocess
import sys
import time
import zlib

import pytest

from lnbench import __version__
from lnbench.cluster.node import Node

TINY = ("run", "quick", "--shape=16x64", "--direction=forward", "-b", "numpy", "--threads=1")
LONG = (*TINY, "--passes=40", "--precision=0.001%")


def told(node, until):
    """Return the first news that are as wanted."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        news = node.news(5.0)
        if until(news):
            return news
    raise AssertionError("no such news")


def rows(news):
    return json.loads(zlib.decompress(news["report"]))["outcomes"]


@pytest.fixture
def node():
    made = Node()
    yield made
    made.stop()


def test_a_session_tells_how_far_it_is_and_in_the_end_its_report(node):
    node.start([*TINY, "--passes=2", "-o", "report.json"], {}, {})
    news = told(node, lambda news: news["code"] is not None)
    assert news["code"] == 0
    assert {row["backend"] for row in rows(news)} == {"numpy", "copy"}


def test_a_session_that_is_stopped_hands_over_what_it_measured(node):
    node.start([*LONG, "-o", "report.json"], {}, {})
    first = told(node, lambda news: news.get("report"))
    assert first["code"] is None
    assert first["words"].startswith("pass ")
    node.stop()
    news = told(node, lambda news: news["code"] is not None)
    assert news["code"] == 130
    assert rows(news)


def test_a_session_that_cannot_begin_says_why(node):
    node.start(["run", "nonesuch", "-o", "report.json"], {}, {})
    news = told(node, lambda news: news["code"] is not None)
    assert news["code"] == 2
    assert "nonesuch" in news["error"]


def test_a_session_that_is_killed_says_by_what(node):
    node.start([*LONG, "-o", "report.json"], {}, {})
    node._process.kill()
    news = told(node, lambda news: news["code"] is not None)
    assert news["error"] == "lnbench was ended by signal 9"


def test_another_version_and_none_at_all_are_told_apart(node, monkeypatch, tmp_path):
    assert node.describe("9.9", 0)["version"] == __version__
    (tmp_path / "lnbench.py").write_text("raise ImportError('no lnbench here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "no lnbench here" in node.describe(__version__, 0)["error"]


def test_a_session_ends_with_whoever_holds_its_input(tmp_path):
    command = [sys.executable, "-P", "-m", "lnbench.cli.tether", *LONG, "-o", "report.json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr.readline().startswith(b"pass ")
    process.stdin.close()
    assert process.wait(60) == 130
    assert json.loads((tmp_path / "report.json").read_text())["outcomes"]
