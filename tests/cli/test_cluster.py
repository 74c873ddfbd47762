"""Reports of several machines on the command line, and what `lnbench cluster` says without Ray."""

import json
import sys

import msgspec
import pytest
from factories import environment, measured, report
from typer.testing import CliRunner

from lnbench.cli.again import spelled
from lnbench.cli.app import app
from lnbench.cluster.errand import packed
from lnbench.errors import ConfigError
from lnbench.plan.flags import AbFlags, ClusterAbFlags, ClusterRunFlags, RunFlags
from lnbench.plan.overrides import share_of_cases
from lnbench.record import report as reports
from lnbench.record.environment import Cpu

EPYC = Cpu("AMD EPYC 9654", "x86_64", 2, 2, 2**25)


def call(*arguments, code=0):
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code == code, (done.exit_code, done.stdout, done.stderr)
    return done


def write(folder, *machines):
    """Write a report a machine: its identifier, its CPU or None, and the time of its row."""
    folder.mkdir()
    for number, (machine_id, cpu, time_s) in enumerate(machines):
        fields = {"machine_id": machine_id} | ({"cpu": cpu} if cpu else {})
        rows = (measured("copy", 1e-3, seed=number), measured("triton", time_s, seed=number))
        made = report(*rows, environment=environment(**fields), day=number + 1)
        reports.write(made, folder / f"{number}.json")


def test_without_ray_there_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = call("cluster", "run", "-o", tmp_path / "f", code=2)
    assert "error: lnbench cluster needs Ray, which is not installed" in done.stderr
    assert "pip install 'lnbench[ray]'" in done.stderr


def test_a_diff_joins_machines_by_their_kind_and_never_across(tmp_path):
    write(tmp_path / "a", ("x", None, 1e-3), ("y", EPYC, 3e-3))
    write(tmp_path / "b", ("x", None, 1e-3), ("y", EPYC, 6e-3))
    done = call("diff", tmp_path / "a", tmp_path / "b", "--format", "json", code=1)
    shown = {each["machine"]: each["diff"] for each in json.loads(done.stdout)["machines"]}
    ratios = {
        name: next(row["ratio"]["value"] for row in diff["comparisons"] if row["verdict"])
        for name, diff in shown.items()
    }
    assert ratios == {"Zen 5": pytest.approx(1, abs=0.02), "AMD EPYC 9654": pytest.approx(2, 0.02)}


def test_a_kind_of_one_side_is_said_and_compared_with_nothing(tmp_path):
    write(tmp_path / "a", ("x", None, 1e-3), ("y", EPYC, 3e-3))
    write(tmp_path / "b", ("z", Cpu("M4", "arm64", 2, 2, 2**24), 1e-3))
    done = call("diff", tmp_path / "a", tmp_path / "b", code=5)
    assert {line for line in done.stderr.splitlines() if "only" in line} == {
        f"only on one side: {name}" for name in ("Zen 5", "AMD EPYC 9654", "M4")
    }


def test_the_parts_of_several_machines_of_a_kind_are_one_side(tmp_path):
    write(tmp_path / "parts", ("x", None, 1e-3), ("y", None, 1e-3))
    write(tmp_path / "one", ("x", None, 1e-3))
    write(tmp_path / "other", ("z", None, 1e-3))
    done = call("diff", tmp_path / "parts", tmp_path / "one")
    assert "machine 2 of the kind → 1 of the kind" in done.stdout
    call("diff", tmp_path / "one", tmp_path / "other", code=5)


def test_the_same_row_stands_on_a_line_for_each_kind_of_machine(tmp_path):
    write(tmp_path / "a", ("x", None, 1e-3), ("y", EPYC, 4e-3))
    done = call("show", tmp_path / "a", "--by", "machine", "--format", "markdown")
    assert "| shape | backend | machine | time | % of copy |" in done.stdout
    assert [name in done.stdout for name in ("| Zen 5 |", "| AMD EPYC 9654 |")] == [True, True]


@pytest.mark.parametrize("text", ["2", "0/3", "4/3", "a/b", "1/3/5", "-1/3"])
def test_what_is_no_share_of_the_cases_is_refused(text):
    with pytest.raises(ConfigError, match="is no share"):
        share_of_cases(text)


def test_the_shares_hold_each_case_once():
    cases = list(range(10))
    parts = [cases[share_of_cases(f"{number}/3")] for number in (1, 2, 3)]
    assert sorted(case for part in parts for case in part) == cases
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_node_is_called_with_what_was_said_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "mine.py").write_text("def forward(x, weight, bias, eps): ...\n")
    flags = ClusterRunFlags(
        suite="ci", backend=["numpy,./kernels/mine.py"], shape=["8x8", "4x4"], fast=True, seed=3
    )
    there, sent = packed(msgspec.structs.replace(flags, address="x:1", nodes=["a=b"], quiet=True))
    assert list(spelled(there, RunFlags)) == [
        *("run", "ci", "--shape=8x8", "--shape=4x4", "--backend=numpy"),
        *("--backend=./kernels/mine.py", "--seed=3", "--fast"),
    ]
    assert sent == {"kernels/mine.py": (tmp_path / "kernels" / "mine.py").read_bytes()}
    ab = ClusterAbFlags(baseline="numpy", candidate="./kernels/mine.py+10%", config=None)
    there, sent = packed(ab)
    assert list(spelled(there, AbFlags)) == ["ab", "numpy", "./kernels/mine.py+10%", "ci"]
    assert list(sent) == ["kernels/mine.py"]


def test_the_suites_of_this_folder_travel_along(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "benchmarks.yaml").write_text("suites: {}\n")
    there, sent = packed(ClusterRunFlags())
    assert "--config=benchmarks.yaml" in list(spelled(there, RunFlags))
    assert sent == {"benchmarks.yaml": b"suites: {}\n"}


def test_a_commit_is_no_side_on_nodes_that_have_no_repository():
    with pytest.raises(ConfigError, match="nodes have no repository"):
        packed(ClusterAbFlags(baseline="git:main", candidate="git:HEAD"))
