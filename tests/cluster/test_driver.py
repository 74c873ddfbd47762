"""The driver of a cluster: which node measures what, what becomes of reports, how nodes stand."""

import json

import pytest
from cluster.simulated import Simulated, done
from factories import environment, measured, report

from lnbench.cluster.connection import NodeLostError
from lnbench.cluster.driver import Driver, Errand
from lnbench.cluster.folder import Folder
from lnbench.cluster.standing import State
from lnbench.errors import ConfigError, ReportError
from lnbench.record import report as reports
from lnbench.record.environment import Cpu, Environment

EPYC = Cpu("AMD EPYC 9654", "x86_64", 2, 2, 2**25)
ERRAND = Errand(("run", "quick"), {}, {})


def machines(**cpus):
    """Return a machine of each name, each another one."""
    return {
        name: environment(machine_id=name) if cpu is None else environment(machine_id=name, cpu=cpu)
        for name, cpu in cpus.items()
    }


def encoded(words, machine: Environment | None = None) -> bytes:
    """Return what a session writes that was called with words."""
    tool = reports.Tool("lnbench", "0.1.0", tuple(words))
    made = report(measured(), tool=tool, environment=machine or environment())
    path = encoded.folder / "made.json"
    reports.write(made, path)
    return path.read_bytes()


@pytest.fixture(autouse=True)
def _scratch(tmp_path):
    encoded.folder = tmp_path


def run(connection, folder, *, resume=False, shard=False, stop_after=None):
    driver = Driver(connection, Folder(folder, resume=resume), ERRAND, shard=shard)
    for number, _ in enumerate(driver.run()):
        if number == stop_after:
            driver.stop()
    return driver.standings


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_reports_are_called_by_machine_and_number_and_no_node(tmp_path):
    nodes = machines(host1=None, host2=None, host3=EPYC)
    run(Simulated(nodes, lambda words, _: done(encoded(words))), tmp_path / "f")
    assert names(tmp_path / "f") == ["amd-epyc-9654-1.json", "zen-5-1.json", "zen-5-2.json"]


def test_a_node_that_is_lost_or_of_another_version_keeps_no_other_from_its_report(tmp_path):
    nodes = {**machines(a=None, lost=EPYC), "old": None}

    connection = Simulated(nodes, lambda words, _: done(encoded(words)))
    ask = connection.ask

    def ask_and_lose(node, method, *arguments):
        if node.id == "lost" and method == "news":
            connection._answers.append((node, NodeLostError("the node died")))
        else:
            ask(node, method, *arguments)

    connection.ask = ask_and_lose
    standings = run(connection, tmp_path / "f")
    assert [standings[name].state for name in ("a", "lost", "old")] == ["done", "failed", "failed"]
    assert standings["lost"].words == "the node died"
    assert standings["old"].words.startswith("lnbench 9.9 is there, and ")
    assert set(connection.released) == set(nodes)


def test_the_reason_of_a_session_that_fails_is_its_own(tmp_path):
    full = "error: report.json cannot be written: No space left on device"
    connection = Simulated(
        machines(a=None), lambda *_: {"words": full, "code": 2, "error": full, "report": None}
    )
    standing = run(connection, tmp_path / "f")["a"]
    assert standing.state is State.FAILED
    assert standing.words == "report.json cannot be written: No space left on device"


def test_nodes_of_one_kind_share_the_cases_and_kinds_do_not(tmp_path):
    nodes = machines(a=None, b=None, c=EPYC)
    connection = Simulated(nodes, lambda words, _: done(encoded(words)))
    run(connection, tmp_path / "f", shard=True)
    parts = {name: words[words.index("--shard") + 1] for name, words in connection.asked.items()}
    assert parts == {"a": "1/2", "b": "2/2", "c": "1/1"}


def test_ctrl_c_keeps_reports_as_unfinished_ones(tmp_path):
    def end(words, _):
        return {"words": "pass 1", "code": None, "report": done(encoded(words))["report"]}

    standings = run(Simulated(machines(a=None, b=None), end), tmp_path / "f", stop_after=3)
    assert {standing.state for standing in standings.values()} == {State.INTERRUPTED}
    assert names(tmp_path / "f") == ["zen-5-1.part.json", "zen-5-2.part.json"]


def cut(folder, part, machine_id, name):
    """Put a report of a part into a folder that a machine has begun."""
    folder.mkdir(exist_ok=True)
    words = ("run", "quick", "--shard", part)
    data = encoded(words, environment(machine_id=machine_id))
    (folder / name).write_bytes(data)


def test_a_report_is_gone_on_with_by_the_machine_that_began_it(tmp_path):
    folder = tmp_path / "f"
    cut(folder, "1/2", "b", "zen-5-1.part.json")
    cut(folder, "2/2", "a", "zen-5-2.part.json")
    connection = Simulated(
        machines(a=None, b=None), lambda words, files: done(files["report.json"])
    )
    run(connection, folder, resume=True)
    assert connection.asked["a"][-4:] == ["--shard", "2/2", "--resume", "report.json"]
    assert connection.asked["b"][-4:] == ["--shard", "1/2", "--resume", "report.json"]
    assert names(folder) == ["zen-5-1.json", "zen-5-2.json"]


def test_the_part_of_a_machine_that_is_gone_is_begun_anew_by_another_of_its_kind(tmp_path):
    folder = tmp_path / "f"
    cut(folder, "1/2", "a", "zen-5-1.json")
    cut(folder, "2/2", "gone", "zen-5-2.part.json")
    connection = Simulated(
        machines(a=None, new=None, other=EPYC),
        lambda words, files: done(files.get("report.json") or encoded(words)),
    )
    run(connection, folder, resume=True)
    assert connection.asked["new"][-4:] == ["--shard", "2/2", "--output", "report.json"]
    assert names(folder)[1:] == ["zen-5-1.json", "zen-5-2.part.json.gone", "zen-5-3.json"]
    kept = json.loads((folder / "zen-5-3.json").read_text())
    assert kept["tool"]["arguments"][-4:] == ["--shard", "2/2", "--output", "report.json"]


def test_a_folder_is_never_written_over_and_never_resumed_where_it_is_empty(tmp_path):
    cut(tmp_path / "f", "1/1", "a", "zen-5-1.json")
    with pytest.raises(ConfigError, match="holds reports already"):
        Folder(tmp_path / "f", resume=False)
    with pytest.raises(ReportError, match="holds no report"):
        Folder(tmp_path / "empty", resume=True)


def test_a_machine_that_has_its_part_takes_on_that_of_one_that_is_gone(tmp_path):
    folder = tmp_path / "f"
    cut(folder, "1/2", "a", "zen-5-1.json")
    cut(folder, "2/2", "gone", "zen-5-2.part.json")
    connection = Simulated(
        machines(a=None), lambda words, files: done(files.get("report.json") or encoded(words))
    )
    run(connection, folder, resume=True)
    assert connection.asked["a"][-4:] == ["--shard", "2/2", "--output", "report.json"]
    assert Folder(folder, resume=True).whole


def test_no_machine_takes_the_part_of_another_that_is_there(tmp_path):
    folder = tmp_path / "f"
    cut(folder, "1/2", "b", "zen-5-1.part.json")
    cut(folder, "2/2", "c", "zen-5-2.part.json")
    connection = Simulated(
        machines(a=None, b=None, c=None),
        lambda words, files: done(files.get("report.json") or encoded(words)),
    )
    standings = run(connection, folder, resume=True)
    assert "a" not in connection.asked
    assert "nothing is left" in standings["a"].words
    assert {name: connection.asked[name][-1] for name in "bc"} == dict.fromkeys("bc", "report.json")
    assert names(folder) == ["zen-5-1.json", "zen-5-2.json"]


@pytest.mark.parametrize(
    ("code", "error", "state", "words"),
    [
        (130, "interrupted", State.FAILED, "interrupted"),  # there, by nobody here
        (5, "error: no benchmark can run here: triton: needs CUDA", State.FAILED, "triton"),
        (5, "error: --shard 3/3: there are fewer cases than shares, 2", State.DONE, "more nodes"),
        (9, "", State.FAILED, "ended with 9"),
    ],
)
def test_a_session_that_ends_early_says_why(tmp_path, code, error, state, words):
    answer = {"words": "", "code": code, "error": error}
    standings = run(Simulated(machines(a=None), lambda *_: answer), tmp_path / "f", shard=True)
    assert standings["a"].state is state
    assert words in standings["a"].words
