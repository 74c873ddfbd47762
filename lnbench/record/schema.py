"""JSON Schemas of the files, for editors and for other programs."""

from typing import Any

import msgspec

from lnbench.plan.axes import BUDGET_KEYS
from lnbench.plan.budget import Budget
from lnbench.plan.case import DEVICE_TYPES
from lnbench.plan.grid import Grid
from lnbench.plan.shapes import names
from lnbench.record.report import Report

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_ALWAYS_THERE = (
    ("BenchmarkReport", "schema"),
    ("ComparisonReport", "schema"),
    ("Agreement", "passed"),
)
"""Fields with a default in memory that every file has."""

_SHAPE_TEXT = {"type": "string", "pattern": "^[0-9]+([x×][0-9]+)*$"}
_SIZES = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_PERCENT = {"type": "string", "pattern": "^ *[0-9]*[.]?[0-9]+([eE][-+]?[0-9]+)? *%? *$"}


def report_schema() -> dict[str, Any]:
    """Return the schema of a report, with the number that `schema` has in it."""
    schema = _plain(msgspec.json.schema(Report))
    for name, field in _ALWAYS_THERE:
        schema["$defs"][name]["required"].append(field)
    return {"$schema": DIALECT, "title": "A report of lnbench, schema 1", **schema}


def suite_schema() -> dict[str, Any]:
    """Return the schema of benchmarks.yaml, from the axes of a grid and the budget's fields."""
    _, schemas = msgspec.json.schema_components((Grid, Budget), ref_template="#/$defs/{name}")
    grid, budget = schemas.pop("Grid"), schemas.pop("Budget")
    return {
        "$schema": DIALECT,
        "title": "Suites of lnbench: benchmarks.yaml",
        "type": "object",
        "properties": {
            "budget": _budget(budget),
            "suites": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"$ref": "#/$defs/Grid"},
                },
            },
        },
        "required": ["suites"],
        "additionalProperties": False,
        "$defs": _plain({**schemas, "Grid": _grid(grid)}),
    }


def _grid(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a grid in which a scalar stands for a list of one."""
    axes = {name: axis["items"] for name, axis in schema["properties"].items()}
    texts = [_SHAPE_TEXT, {"enum": names()}]
    axes |= {"shape": {"anyOf": [_SIZES, *texts]}, "when": {"enum": list(DEVICE_TYPES)}}
    axes["eps"] = {"type": "number", "minimum": 0}
    axes["normalized_dims"] = {"type": "integer", "minimum": 1}
    properties = {
        name: {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}
        for name, item in axes.items()
    }
    # A list of numbers alone could be one shape or several: the reader wants [[128, 768]].
    properties["shape"]["anyOf"][:1] = texts
    return {**schema, "properties": properties}


def _budget(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the budget by the names that users know."""
    fields = schema["properties"]
    properties = {
        key: {**fields[field], "exclusiveMinimum": 0} for key, field in BUDGET_KEYS.items()
    }
    properties["precision"] = {"anyOf": [properties["precision"], _PERCENT]}
    return {**schema, "properties": properties}


def _plain(value: Any) -> Any:
    """Return a schema as JSON reads it, without Python's tuples and enums in its defaults."""
    return msgspec.json.decode(msgspec.json.encode(value))
