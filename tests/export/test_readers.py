"""The proof of an export is the tool that it is for."""

import io
import subprocess
import sys

import pytest
from exported import CASE, COLD, HOSTILE, exported, made

from lnbench.export.entry import entries
from lnbench.export.formats import FORMATS
from lnbench.units import one_line


def run(*command, folder):
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout + done.stderr


@pytest.fixture
def two(tmp_path):
    """Write two reports in a format, the second 1.3 times as slow; return the folder."""

    def write(name):
        for file, factor in (("before", 1.0), ("after", 1.3)):
            (tmp_path / f"{file}.json").write_text(exported(name, made(factor)))
        return tmp_path

    return write


def test_pyperf_reads_every_sample_and_sees_what_became_slower(two):
    pytest.importorskip("pyperf")
    folder = two("pyperf")
    stats = run("pyperf", "stats", "before.json", folder=folder)
    assert f"\n{CASE}/numpy\n" in stats
    assert "Total number of values: 120" in stats
    assert "Number of run with values: 12" in stats
    compared = run("pyperf", "compare_to", "before.json", "after.json", folder=folder)
    assert f"{CASE}/numpy: Mean" in compared
    assert "1.30x slower" in compared
    assert "Zen 5" in run("pyperf", "metadata", "before.json", folder=folder)


def test_pytest_benchmark_compares_two_runs(two):
    pytest.importorskip("pytest_benchmark")
    code = "import sys; from pytest_benchmark.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "compare", "./before.json", "./after.json"],
        cwd=two("pytest-benchmark"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"benchmark '{CASE}': 2 tests" in done.stdout
    assert f"{CASE}/numpy (afte" in done.stdout
    assert "(1.30)" in done.stdout


def test_pandas_reads_numbers_as_numbers():
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(io.StringIO(exported("csv")))
    assert frame.time_s.dtype == frame.passes.dtype == "float64"
    assert list(frame.kind) == ["measured", "measured", "failed", "failed", "skipped"]
    assert frame.time_s.notna().sum() == 2


def test_parquet_keeps_every_time_and_the_type_of_a_column_without_a_value():
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    read = pq.read_table(io.BytesIO(FORMATS["parquet"].export(entries(made()))))
    first, *_, last = read.to_pylist()
    assert [tuple(own) for own in first["times_s"]] == list(made().outcomes[0].times_s)
    assert (last["kind"], last["time_s"], last["times_s"]) == ("skipped", None, None)
    assert str(read.schema.field("page_faults").type) == "double"
    assert str(read.schema.field("passes").type) == "int64"


def test_junit_counts_wrong_results_as_failures_and_crashes_as_errors():
    junit = pytest.importorskip("junitparser")
    (suite,) = junit.JUnitXml.fromstring(exported("junit").encode())
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (5, 1, 1, 1)
    tests = {test.name: test for test in suite}
    assert tests[f"{CASE}/numpy"].time == pytest.approx(2e-3, rel=0.05)
    assert tests[COLD].classname == "lnbench.layernorm.forward"
    (wrong,) = tests[f"{CASE}/torch-compile"].result
    assert (type(wrong), wrong.message) == (junit.Failure, one_line(HOSTILE))
    kinds = [type(tests[f"{CASE}/{name}"].result[0]) for name in ("liger", "quack")]
    assert kinds == [junit.Error, junit.Skipped]


def test_a_suite_of_junit_has_no_time():
    """Jenkins' schema allows three decimals there, of which an iteration fills none."""
    junit = pytest.importorskip("junitparser")
    (suite,) = junit.JUnitXml.fromstring(exported("junit").encode())
    assert suite._elem.get("time") is None


def test_prometheus_reads_labels_and_reasons_as_they_are():
    pytest.importorskip("prometheus_client")
    from prometheus_client.openmetrics import parser
    from prometheus_client.parser import text_string_to_metric_families as plain

    text = exported("openmetrics")
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    times = families["lnbench_time_seconds"]
    assert (times.unit, len(times.samples)) == ("seconds", 2)
    assert times.samples[1].labels["options"] == "cache=cold"
    outcomes = {sample.labels["backend"]: sample for sample in families["lnbench_outcome"].samples}
    assert outcomes["torch-compile"].labels["reason"] == one_line(HOSTILE)
    assert outcomes["quack"].labels["kind"] == "skipped"
    assert {family.name for family in plain(text)} == set(families)  # node_exporter's text files
