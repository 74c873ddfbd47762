"""`lnbench list`: names, availability, and the reason why not."""

import json
import os
from pathlib import Path

import pytest

from lnbench.plan import suite
from lnbench.plan.case import Benchmark
from lnbench.plan.shapes import names

SMALL = ("--shape", "8x16", "--direction", "forward", "--fast", "--passes", "1")


def distribution(folder, name, entries, modules=None):
    """Install a distribution into a folder of PYTHONPATH: entry points by group, and modules."""
    info = folder / f"{name.replace('-', '_')}-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
    lines = [
        line
        for group, points in entries.items()
        for line in (f"[{group}]", *(f"{point} = {value}" for point, value in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for module, text in (modules or {}).items():
        (folder / f"{module}.py").write_text(text)
    return folder


def rows(done, key):
    return {row[key]: row for row in json.loads(done.stdout)}


def test_backends_have_their_device_their_origin_and_the_reason_why_not(lnbench):
    found = rows(
        lnbench("list", "backends", "--format", "json", CUDA_VISIBLE_DEVICES=""), "backend"
    )

    assert found["plain"] == {
        "backend": "plain",
        "device": "cpu",
        "available": "yes",
        "why": "",
        "from": "lnbench-faulty 1.0",
    }
    assert found["numpy"]["from"].startswith("lnbench ")
    assert found["triton"]["available"] == "no"
    assert "triton" in found["triton"]["why"]
    assert found["unloadable"]["available"] == "broken"
    assert found["unloadable"]["why"].endswith("ImportError: libmissing.so is missing")
    assert found["crashing"]["available"] == "broken"
    assert "SIGSEGV" in found["crashing"]["why"]
    assert list(found) == sorted(found)


def test_backends_on_another_device_say_why_not(lnbench):
    done = lnbench("list", "backends", "--device", "xpu", "--format", "json")

    for row in json.loads(done.stdout):
        assert row["device"] == "xpu:0"
        if row["from"].startswith("lnbench 0"):
            assert (row["available"], bool(row["why"])) == ("no", True)


def test_operations_bring_kernels_for_frameworks(lnbench):
    found = rows(lnbench("list", "operations", "--format", "json"), "operation")

    assert found["layernorm"]["kernels for"] == "numba, numpy, torch, triton"
    assert "Layer Normalization" in found["layernorm"]["what"]


def test_suites_are_those_of_the_folder(lnbench, tmp_path):
    shipped = rows(lnbench("list", "suites", "--format", "json"), "suite")
    assert {"quick", "ci", "transformer", "isovolume", "decode", "odd", "stress"} <= set(shipped)
    assert list(shipped) == list(suite.load().names())

    grid = "{operation: layernorm, shape: 8x16}"
    (tmp_path / "benchmarks.yaml").write_text(f"suites: {{mine: [{grid}, {grid}]}}\n")
    mine = rows(lnbench("list", "suites", "--format", "json"), "suite")
    assert mine == {"mine": {"suite": "mine", "grids": "2", "from": "benchmarks.yaml"}}


def test_operations_say_how_a_kernel_is_called_and_what_it_returns(lnbench):
    found = json.loads(lnbench("list", "operations", "--verbose", "--format", "json").stdout)
    said = {(row["operation"], row["function"]): row["returns"] for row in found}
    assert said["layernorm", "forward(x, weight, bias, eps)"] == "y, mean, rstd"
    assert said["rmsnorm", "backward(dy, x, rstd, weight)"] == "dx, dw"
    assert said["add-layernorm", "forward(x, residual, weight, bias, eps)"] == "y, z, mean, rstd"


def test_shapes_have_model_phase_tokens_norm_and_source(lnbench):
    found = rows(lnbench("list", "shapes", "--format", "json"), "name")

    assert set(found) == {name for name in names() if ":" in name}
    asked = found["llama-3-8b:train"]
    assert (asked["tokens"], asked["hidden_size"], asked["norm"]) == (8192, 4096, "rmsnorm")
    assert asked["source"].startswith("https://hf.co/meta-llama/")
    assert asked["shape"] == "8192x4096"
    assert "trained" in asked["tokens_reason"]
    defaults = [row["model"] for row in found.values() if row["default"]]
    assert defaults == list(dict.fromkeys(row["model"] for row in found.values()))


def test_the_table_of_shapes_has_a_line_a_model_and_sources_where_there_is_room(lnbench):
    narrow = lnbench("list", "shapes", COLUMNS="80").stdout
    wide = lnbench("list", "shapes", COLUMNS="140").stdout

    (line,) = [line for line in narrow.splitlines() if line.startswith("bert-base ")]
    assert line.split() == ["bert-base", "layernorm", "768", "384", "–", "–", "512"]
    assert all(len(line) <= 80 for line in narrow.splitlines())
    assert "google-research/bert" not in narrow
    assert "google-research/bert" in wide
    for text in (narrow, wide):
        assert "a name without a phase means the leftmost" in text


@pytest.mark.parametrize("what", ["operations", "suites"])
def test_names_stand_in_a_table_and_in_markdown(lnbench, what):
    assert lnbench("list", what).stdout.splitlines()[1].startswith(what.removesuffix("s"))
    assert f"| {what.removesuffix('s')} |" in lnbench("list", what, "--format", "markdown").stdout


def test_benchmarks_are_ids_that_parse(fake):
    found = fake.call("benchmarks", "transformer", "--cache", "cold,hot", command="list")

    ids = found.stdout.split()
    assert found.exit_code == 0
    assert len(ids) > 100
    assert len(set(ids)) == len(ids)
    assert [Benchmark.parse(each).id for each in ids] == ids
    assert sum(each.endswith(";cache=cold") for each in ids) == len(ids) / 2


def test_benchmarks_are_those_that_a_run_measures(fake):
    arguments = ("--shape", "8x16,9x16", "-b", "numpy", "--filter", "*/forward/8x*")

    listed = fake.call("benchmarks", *arguments, command="list").stdout.split()
    fake.call(*arguments)

    assert listed == [each.id for each in fake.session.benchmarks]


def test_an_unknown_format_exits_with_2(lnbench):
    done = lnbench("list", "suites", "--format", "tabel", check=2)

    assert "did you mean 'table'?" in done.stderr


# Broken plug-ins


@pytest.fixture
def twins(tmp_path, environment):
    """A PYTHONPATH with a second plug-in called `plain`, and an operation that is not there."""
    entries = {
        "lnbench.backends": {"plain": "twin:Plain"},
        "lnbench.operations": {"nixnorm": "nix:Nothing"},
    }
    text = {"twin": "from lnbench_faulty import Wrong as Plain\n"}
    site = distribution(tmp_path / "site", "lnbench-twin", entries, text)
    return os.pathsep.join([environment["PYTHONPATH"], str(site)])


def test_a_broken_plug_in_stops_only_its_own_row(lnbench):
    done = lnbench("run", *SMALL, "-b", "unloadable,plain", "--format", "json", check=3)

    found = rows(done, "backend")
    assert any("libmissing.so is missing" in note for note in found["unloadable"]["notes"])
    assert found["plain"]["kind"] == "measured"


def test_two_plug_ins_of_one_name_are_listed_with_both_distributions(lnbench, twins):
    done = lnbench("list", "backends", "--format", "json", PYTHONPATH=twins)

    found = rows(done, "backend")
    assert found["plain"]["available"] == "broken"
    assert "two plug-ins are called 'plain': " in found["plain"]["why"]
    assert "lnbench-faulty" in found["plain"]["why"]
    assert "lnbench-twin" in found["plain"]["why"]
    assert found["wrong"]["available"] == "yes"


def test_two_plug_ins_of_one_name_fail_only_a_run_that_asks_for_it(lnbench, twins):
    done = lnbench("run", *SMALL, "-b", "plain", "--format", "json", check=3, PYTHONPATH=twins)
    assert "lnbench-faulty and lnbench-twin" in done.stdout

    lnbench("run", *SMALL, "-b", "numpy", "--quiet", PYTHONPATH=twins)


def test_a_broken_operation_stops_a_run_that_asks_for_it(lnbench, twins):
    run = ("run", *SMALL, "-b", "numpy", "--operation", "nixnorm")

    done = lnbench(*run, check=2, PYTHONPATH=twins)

    assert "operation 'nixnorm' of lnbench-twin 2.0 cannot be loaded" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_operation_is_shown_with_its_error(lnbench, twins):
    done = lnbench("list", "operations", "--format", "json", check=None, PYTHONPATH=twins)

    found = rows(done, "operation")
    assert "layernorm" in found
    assert "No module named 'nix'" in json.dumps(found["nixnorm"])


def test_one_plug_in_that_is_found_twice_is_one(lnbench, tmp_path, environment):
    entries = {"lnbench.backends": {"plain": "lnbench_faulty:Plain"}}
    site = distribution(tmp_path / "site", "lnbench-faulty", entries)
    paths = os.pathsep.join([environment["PYTHONPATH"], str(site)])

    done = lnbench("list", "backends", "--format", "json", PYTHONPATH=paths)

    assert rows(done, "backend")["plain"]["available"] == "yes"


def test_the_folder_of_the_user_shadows_no_module(lnbench, tmp_path):
    for name in ("torch", "numpy", "json", "lnbench"):
        Path(tmp_path, f"{name}.py").write_text("raise SystemExit('shadowed')\n")

    lnbench("run", *SMALL, "-b", "plain", "--quiet", check=0)
