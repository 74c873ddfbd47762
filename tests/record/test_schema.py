"""Laws of the published schemas: they accept what lnbench writes and reads, and little else."""

import json
import re
from pathlib import Path

import pytest

from lnbench.cli.schema import What, schema_command
from lnbench.errors import LnbenchError
from lnbench.plan.suite import load
from lnbench.plan.yaml_file import load_yaml
from lnbench.record.schema import report_schema, suite_schema

ROOT = Path(__file__).parents[2]
REPORT = json.loads((ROOT / "tests/data/report-v1.json").read_bytes())
GRID = {"operation": "layernorm", "shape": "2x3"}

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}


def errors(value, schema, root, path="$"):
    """Yield where `value` breaks the schema: the part of JSON Schema that ours are made of."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        yield from errors(value, root["$defs"][name], root, path)
    if "anyOf" in schema and all(any(errors(value, one, root)) for one in schema["anyOf"]):
        yield f"{path}: none of the choices"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: not in {schema['enum']}"
    if not _is(schema.get("type"), value):
        yield f"{path}: no {schema['type']}"
    elif isinstance(value, dict):
        yield from _object_errors(value, schema, root, path)
    elif isinstance(value, list):
        yield from _array_errors(value, schema, root, path)
    elif isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{path}: no {schema['pattern']}"
    elif isinstance(value, int | float) and (
        value < schema.get("minimum", value) or value <= schema.get("exclusiveMinimum", value - 1)
    ):
        yield f"{path}: too small"


def _is(kind, value):
    if isinstance(value, bool):
        return kind in (None, "boolean")
    return kind is None or isinstance(value, _TYPES[kind])


def _array_errors(value, schema, root, path):
    if len(value) < schema.get("minItems", 0):
        yield f"{path}: too short"
    for i, item in enumerate(value):
        yield from errors(item, schema.get("items", {}), root, f"{path}[{i}]")


def _object_errors(value, schema, root, path):
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
    for key in schema.get("required", ()):
        if key not in value:
            yield f"{path}: without {key}"
    if len(value) < schema.get("minProperties", 0):
        yield f"{path}: empty"
    for key, item in value.items():
        if key not in properties and rest is False:
            yield f"{path}.{key}: unknown"
        else:
            yield from errors(item, properties.get(key, rest or {}), root, f"{path}.{key}")


def report_errors(value):
    schema = report_schema()
    return list(errors(value, schema, schema))


def suite_errors(value):
    schema = suite_schema()
    return list(errors(value, schema, schema))


def test_the_frozen_report_fits_its_schema():
    assert report_errors(REPORT) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report.pop("budget"),
        lambda report: report.pop("schema"),
        lambda report: report.update(schema=2),
        lambda report: report.update(extra=1),
        lambda report: report["outcomes"][0].pop("rounds"),
        lambda report: report["outcomes"][0].update(times_s=[[-1.0]]),
        lambda report: report["outcomes"][0].update(dtype="float31"),
        lambda report: report["outcomes"][3].update(kind="dreamt"),
        lambda report: report["environment"]["cpu"].update(model=3),
    ],
)
def test_a_report_that_lnbench_refuses_does_not_fit(change):
    report = json.loads(json.dumps(REPORT))
    change(report)
    assert report_errors(report)


def test_the_shipped_suites_fit_their_schema():
    assert suite_errors(load_yaml(ROOT / "benchmarks.yaml")) == []


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"shape": [[2, 3], "4x5"], "when": ["cpu", "mps"], "eps": [1, 1e-6]}, True),
        ({"weight_dtype": [None, "float32"], "bias": [True, False], "backend": ["numpy"]}, True),
        ({"dtpye": "float32"}, False),
        ({"dtype": "float31"}, False),
        ({"dtype": []}, False),
        ({"shape": [2, 3]}, False),
        ({"shape": [[2, -3]]}, False),
        ({"shape": ["llama-3-8b:prefill", "gpt2", [2, 3]]}, True),
        ({"shape": "bert-base"}, True),
        ({"shape": "2y3"}, False),
        ({"shape": "gpt2:trian"}, False),
        ({"shape": ["llama3-8b"]}, False),
        ({"eps": -1}, False),
        ({"normalized_dims": 0}, False),
        ({"bias": "no"}, False),
        ({"when": "auto"}, False),
    ],
)
def test_the_schema_and_the_reader_agree_about_a_grid(tmp_path, change, fits):
    data = {"suites": {"q": [GRID | change]}}
    assert (suite_errors(data) == []) is fits
    assert reads(tmp_path, data) is fits


@pytest.mark.parametrize(
    ("budget", "fits"),
    [
        ({}, True),
        ({"precision": "5%", "time": 3, "max_time": None, "rounds": 4}, True),
        ({"precision": 0.05, "timeout": 2.5, "max_time": 60}, True),
        ({"precision": "much"}, False),
        ({"time": 0}, False),
        ({"time_s": 1}, False),
        ({"passes": 2.5}, False),
    ],
)
def test_the_schema_and_the_reader_agree_about_a_budget(tmp_path, budget, fits):
    data = {"budget": budget, "suites": {"q": [GRID]}}
    assert (suite_errors(data) == []) is fits
    assert reads(tmp_path, data) is fits


def test_a_file_without_suites_does_not_fit():
    assert suite_errors({"suites": {}})
    assert suite_errors({})
    assert suite_errors({"suites": {"q": []}})


@pytest.mark.parametrize("what", What)
def test_the_command_prints_json_and_nothing_else(what, capsys):
    schema_command(what)
    printed = json.loads(capsys.readouterr().out)
    schemas = {
        What.REPORT: report_schema,
        What.COMPARISON: report_schema,
        What.SUITE: suite_schema,
    }
    assert printed == schemas[what]()
    assert "2020-12" in printed["$schema"]


def reads(folder, data):
    path = folder / "b.yaml"
    path.write_text(json.dumps(data))  # JSON is YAML
    try:
        load(path)
    except LnbenchError:
        return False
    return True


def test_a_schema_says_what_it_describes_and_in_which_dialect():
    for schema, title in (
        (report_schema(), "A report of lnbench, schema 1"),
        (suite_schema(), "Suites of lnbench: benchmarks.yaml"),
    ):
        assert schema["title"] == title
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    "value",
    [[], {"suites": []}, {"suites": {}}, {"suites": {"a": {}}}, {"suites": {"a": []}},
     {"suites": {"a": [3]}}, {"suites": {"a": [{}]}, "more": 1}],
)  # fmt: skip
def test_what_is_no_file_of_suites_does_not_fit(value):
    assert suite_errors(value)


@pytest.mark.parametrize("axis", [{"normalized_dims": "1"}, {"eps": "small"}, {"shape": {"m": 1}}])
def test_an_axis_of_another_type_does_not_fit(axis):
    fitting = {"operation": "layernorm", "shape": "2x3"}
    assert not suite_errors({"suites": {"a": [fitting]}})
    assert suite_errors({"suites": {"a": [fitting | axis]}})
