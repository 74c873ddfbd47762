"""Laws of shapes that have names, and of the suite that is made of them."""

import re
from pathlib import Path

import pytest

from lnbench import registry
from lnbench.errors import ConfigError
from lnbench.plan.axes import axis_values
from lnbench.plan.overrides import parse_overrides
from lnbench.plan.shapes import catalogue, names, shape_of
from lnbench.plan.suite import load
from lnbench.plan.yaml_file import load_yaml
from lnbench.session import memory

SHIPPED = Path(__file__).parents[2] / "benchmarks.yaml"
MODELS = catalogue().models
LAPTOP_FREE = 8 << 30
"""What is free on a laptop of 16 GB with a browser open."""


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("bert-base", (384, 768)),
        ("bert-base:train", (512, 768)),
        ("gpt2:train", (1024, 768)),
        ("llama-3-8b:prefill", (2048, 4096)),
        (" Llama-3-8B:decode ", (64, 4096)),
        ("4096x1024", (4096, 1024)),
        ("16×128×256", (16, 128, 256)),
    ],
)
def test_a_name_is_tokens_by_hidden_size(name, shape):
    assert shape_of(name) == shape


@pytest.mark.parametrize(
    ("typed", "message", "hint"),
    [
        ("llama3-8b", "unknown shape 'llama3-8b'", "did you mean 'llama-3-8b'?"),
        ("llama3-8b:train", "unknown shape 'llama3-8b:train'", "did you mean 'llama-3-8b'?"),
        ("gpt2:trian", "gpt2: unknown phase 'trian'", "did you mean 'train'?"),
        ("bert-base:decode", "bert-base: unknown phase 'decode'", "did you mean 'encode'?"),
        ("vit-base:train", "vit-base: unknown phase 'train'", "known: encode"),
        ("y", "shape 'y' is not a shape", "lnbench list shapes"),
        ("4y2", "shape '4y2' is not a shape", "write it like 4096x1024"),
    ],
)
def test_a_near_name_is_offered_with_what_is_wrong(typed, message, hint):
    with pytest.raises(ConfigError) as caught:
        axis_values("shape", typed, "--shape")
    assert caught.value.message == f"--shape: {message}"
    assert hint in caught.value.hint


def test_names_and_sizes_may_be_mixed_in_flags():
    said = parse_overrides({"shape": ["gpt2:train,4096x1024", "vit-base"]}, {})
    assert said.shape == ((1024, 768), (4096, 1024), (197, 768))


def test_every_name_is_a_shape_however_it_is_written(tmp_path):
    """In a list with commas and in YAML, where a colon could begin a value."""
    file = tmp_path / "mine.yaml"
    file.write_text(f"suites: {{s: [{{operation: layernorm, shape: [{', '.join(names())}]}}]}}")
    (entry,) = load(file).suite("s").grids
    said = parse_overrides({"shape": [",".join(names())]}, {})
    assert entry.grid.shape == said.shape == tuple(map(shape_of, names()))
    assert all(name == name.lower() and name[0].isalpha() for name in names())


def test_a_named_shape_is_measured_under_its_sizes(tmp_path):
    """Reports of before join."""
    found = []
    for shape in ("llama-3-8b:prefill", "2048x4096"):
        file = tmp_path / "mine.yaml"
        file.write_text(f"suites: {{s: [{{operation: rmsnorm, shape: {shape}, backend: numpy}}]}}")
        found.append([row.id for row in load(file).suite("s").benchmarks("cpu")])
    assert found[0] == found[1]


@pytest.mark.parametrize("name", MODELS)
def test_every_shape_has_a_source_and_a_norm_that_is_an_operation(name):
    model = MODELS[name]
    assert re.match(r"https://[\w.]+/\S+", model.source)
    assert model.norm in registry.operation_names()
    assert model.hidden_size > 0
    assert model.tokens
    assert min(model.tokens.values()) > 0


def test_every_phase_has_its_reason_once():
    phases = catalogue().phases
    assert all(phases.values())
    assert {phase for model in MODELS.values() for phase in model.tokens} == set(phases)
    for phase in ("prefill", "decode"):  # their reason says one number for all models
        (tokens,) = {model.tokens[phase] for model in MODELS.values() if phase in model.tokens}
        assert str(tokens) in phases[phase]


def test_a_bare_name_means_the_leftmost_phase_of_the_table():
    columns = list(catalogue().phases)
    for model in MODELS.values():
        assert model.default == min(model.tokens, key=columns.index)


def test_no_two_models_have_a_shape_of_one_norm_in_common():
    owners = {}
    for name, model in MODELS.items():
        for phase in model.tokens:
            owners.setdefault((model.norm, model.shape(phase)), set()).add(name)
    assert {shape: names for shape, names in owners.items() if len(names) > 1} == {}


# The suite


def suite_names():
    """The grids of the suite as they are written, and each name in them."""
    grids = load_yaml(SHIPPED)["suites"]["models"]
    return [(grid, name) for grid in grids for name in grid["shape"]]


def test_the_suite_measures_each_model_with_its_own_norm():
    for grid, name in suite_names():
        assert MODELS[name.partition(":")[0]].norm == grid["operation"], name


def test_the_suite_goes_backward_where_a_model_is_trained_and_only_there():
    for grid, name in suite_names():
        trained = name.endswith(":train")
        assert grid["direction"] == (["forward", "backward"] if trained else "forward"), name


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_suite_says_every_shape_once(device):
    suite = load(SHIPPED).suite("models")
    cases = {row.case.id for row in suite.benchmarks(device, ("numpy",))}
    said = [case.id for entry in suite.grids for case in entry.cases(device)]
    assert sorted(said) == sorted(cases)
    norms = {row.case.operation for row in suite.benchmarks(device, ("numpy",))}
    assert norms == {"layernorm", "rmsnorm"}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_suite_fits_a_laptop(device):
    for row in load(SHIPPED).suite("models").benchmarks(device, ("numpy",)):
        size = registry.operation(row.case.operation).memory_bytes(row.case)
        assert memory.fitting(1, size, LAPTOP_FREE) == 1, row.id
        assert memory.fitting_on_device(1, size, LAPTOP_FREE) == 1, row.id
