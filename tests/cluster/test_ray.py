"""`lnbench cluster` on a real Ray: three raylets on this machine, each with a CPU."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

TINY = ("--passes=2", "--threads=1", "--direction=forward", "-b", "numpy")
SMALL = ("quick", "--shape=16x64", *TINY)
PASSES = 20
LONG = ("quick", "--shape=16x64", *TINY, f"--passes={PASSES}", "--precision=0.001%")
"""Long enough to be cut short."""


MARK = "TESTED_CLUSTER"


class Raylets:
    """A cluster, and `lnbench cluster` on it."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        os.environ[MARK] = str(os.getpid())  # of all that its nodes start
        self._memory = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
        head = {**self._memory, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.folder = folder

    def add(self, **fields: object):
        return self.cluster.add_node(**self._memory, **fields)

    def free_cpus(self) -> float:
        import ray

        ray.init(address=self.cluster.address, log_to_driver=False, logging_level="error")
        try:
            return ray.available_resources().get("CPU", 0)
        finally:
            ray.shutdown()

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-P", "-m", "lnbench", "cluster", *map(str, arguments)]
        environment = {n: v for n, v in os.environ.items() if not n.startswith("LNBENCH_")}
        return subprocess.Popen(
            [*command, "--address", self.cluster.address],
            cwd=self.folder,
            env=environment | {"COLUMNS": "140"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=200)
        assert process.returncode == code, (process.returncode, out, err)
        return out, err


@pytest.fixture(scope="module")
def raylets(tmp_path_factory):
    made = Raylets(tmp_path_factory.mktemp("cluster"))
    made.add(labels={"kind": "fast"})
    yield made
    made.cluster.shutdown()


def sessions(words: str = "lnbench.") -> list[psutil.Process]:
    """Return the processes of lnbench that nodes have started, workers and nurseries too."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if (process.info["environ"] or {}).get(MARK) == str(os.getpid())
        and any(word.startswith(words) for word in process.info["cmdline"] or ())
    ]


def wait_for(what, patience_s: float = 120.0):
    """Return what a function returns once that is true."""
    end = time.monotonic() + patience_s
    while not (found := what()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.2)
    return found


def reports(folder: Path) -> dict[str, dict]:
    return {path.name: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def rows(report: dict) -> set[tuple]:
    return {(o["direction"], *o["shape"], o["backend"]) for o in report["outcomes"]}


def test_each_node_writes_one_report_as_of_lnbench_run(raylets, tmp_path, lnbench):
    out, _ = raylets.run("run", *SMALL, "-o", tmp_path / "all", "--format", "json")
    made = reports(tmp_path / "all")
    assert len(made) == len(json.loads(out)) == 2
    assert all(node["state"] == "done" and node["report"] in made for node in json.loads(out))
    lnbench("run", *SMALL, "-o", "one.json")
    alone = json.loads((tmp_path / "one.json").read_text())
    alone["environment"]["packages"].pop("lnbench-faulty")
    for report in made.values():
        assert rows(report) == rows(alone)
        assert report["environment"] == alone["environment"]
        assert all(o["kind"] == "measured" for o in report["outcomes"])


def test_shards_of_two_equal_nodes_hold_every_case_once_and_whole(raylets, tmp_path):
    shapes = ("--shape=16x64", "--shape=16x128", "--shape=8x64")
    raylets.run("run", "quick", *shapes, *TINY, "--shard", "-o", tmp_path / "shards")
    one, other = reports(tmp_path / "shards").values()
    assert not rows(one) & rows(other)
    assert {row[1:3] for row in rows(one)} == {(16, 64), (8, 64)}
    assert {row[1:] for row in rows(other)} == {(16, 128, "numpy"), (16, 128, "copy")}


def test_nodes_are_chosen_by_label(raylets, tmp_path):
    _, err = raylets.run("run", *SMALL, "--nodes", "kind=fast", "--dry-run", "-o", tmp_path / "x")
    assert err.count("on node ") == 1
    assert "lnbench run quick" in err
    _, err = raylets.run("run", *SMALL, "--nodes", "kind=slow", "-o", tmp_path / "x", code=5)
    assert "no node of the cluster fits" in err
    assert "kind=fast" in err


def test_ctrl_c_ends_all_sessions_and_resume_finishes_what_was_kept(raylets, tmp_path):
    process = raylets.start("run", *LONG, "-o", tmp_path / "cut")
    wait_for(lambda: len(list((tmp_path / "cut").glob("*.part.json"))) == 2)
    assert raylets.free_cpus() == 0, "each node is taken whole"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert not sessions()
    cut = reports(tmp_path / "cut")
    assert all(name.endswith(".part.json") and rows(report) for name, report in cut.items())
    assert f"--resume {tmp_path / 'cut'}" in err
    raylets.run("run", *LONG, "--resume", tmp_path / "cut")
    for name, report in reports(tmp_path / "cut").items():
        assert not name.endswith(".part.json")
        assert {len(outcome["times_s"]) for outcome in report["outcomes"]} == {PASSES}
        assert report["created"] == cut[name.replace(".json", ".part.json")]["created"]


def test_a_killed_driver_leaves_nothing_running(raylets, tmp_path):
    process = raylets.start("run", *LONG, "-o", tmp_path / "killed")
    wait_for(sessions)
    process.kill()
    process.communicate()
    wait_for(lambda: not sessions())


def test_a_killed_node_and_one_of_another_version_are_rows_and_the_others_finish(raylets, tmp_path):
    other = tmp_path / "other" / "lnbench"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("__version__ = '9.9'\n")
    old = raylets.add(env_vars={"PYTHONPATH": str(other.parent)}, labels={"kind": "old"})
    doomed = raylets.add(labels={"kind": "doomed"})
    process = raylets.start("run", *LONG, "-o", tmp_path / "some", "--format", "json")
    wait_for(lambda: len(sessions("lnbench.cli.tether")) == 3)
    raylets.cluster.remove_node(doomed, allow_graceful=False)
    out, err = process.communicate(timeout=200)
    raylets.cluster.remove_node(old)
    assert process.returncode == 3, (out, err)
    nodes = json.loads(out)
    states = sorted(node["state"] for node in nodes)
    assert states == ["done", "done", "failed", "failed"], (out, err)
    reasons = " ".join(node["reason"] for node in nodes if node["state"] == "failed")
    assert "lnbench 9.9 is there, and " in reasons
    assert "pip install lnbench==" in reasons
    assert "died" in reasons
    assert not sessions()
