"""Laws of strict YAML."""

import math
import os

import pytest

from lnbench.errors import ConfigError
from lnbench.plan.yaml_file import DEEPEST, LARGEST_BYTES, MOST_NODES, load_yaml


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def _load(text):
        path = tmp_path / "b.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_yaml(path)

    return _load


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1.5E+3", 1500.0),
        (".5", 0.5),
        ("12", 12),
        ("-3", -3),
        ("10_000_000", 10_000_000),
        ("012", 12),
        ("true", True),
        ("null", None),
        ("", None),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2026-11-23", "2026-11-23"),
        ("5%", "5%"),
        ("4096x1024", "4096x1024"),
        ("'12'", "12"),
        ('"true"', "true"),
    ],
)
def test_scalars_are_what_they_look_like(load, text, value):
    found = load(f"a: {text}")["a"]
    assert (found, type(found)) == (value, type(value))


def test_lists_and_mappings_nest(load):
    assert load("a: [{b: [1, [2, 3]]}, []]\nc:\n  - d: {}\n") == {
        "a": [{"b": [1, [2, 3]]}, []],
        "c": [{"d": {}}],
    }


def test_an_alias_stands_for_its_value(load):
    assert load("a: &s [1, 2]\nb: *s\nc: {d: &t x, e: *t}") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"d": "x", "e": "x"},
    }


def test_a_byte_order_mark_is_no_content(load):
    assert load(b"\xef\xbb\xbfa: 1") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "b.yaml:3: a: key twice, first in line 1"),
        ("s:\n  q:\n    - x: 1\n      x: 2", "b.yaml:4: s.q[0].x: key twice, first in line 3"),
        ("a: [1,", "b.yaml:1: not YAML"),
        ("a:\n\t- 1", "b.yaml:2: not YAML"),
        ("", "b.yaml is empty"),
        ("# nothing", "b.yaml is empty"),
        (b"a: 1\nb: \xff", "b.yaml:2: not UTF-8 text"),
        ("a: \x00", "b.yaml: not YAML"),
        ("a: 1\n---\nb: 2", "b.yaml:2: a second document"),
        ("a: !!python/object/apply:os.system [ls]", "b.yaml:1: a: tag"),
        ("a: ! x", "b.yaml:1: a: tag"),
        ("? [a]\n: 1", "b.yaml:1: a key must be plain text"),
        ("a: *b", "b.yaml:1: a: alias '*b' has no value"),
        ("a: &a [*a]", "b.yaml:1: a[0]: alias '*a' has no value"),
        ('a: "\\ud800"', "b.yaml:1: a: text with characters that cannot be shown"),
        ('"\\e[31m": 1', "b.yaml:1: text with characters that cannot be shown"),
        ("a: " + "[" * 100_000, "nested deeper"),
        ("a: " + "{a: " * 50_000, "nested deeper"),
        ("- " * 100_000, "nested deeper"),
        ("a: [" + "1," * (MOST_NODES + 1) + "]", "values, aliases included"),
        ("#" * (LARGEST_BYTES + 1), "larger than 256 KiB"),
    ],
)
def test_what_is_not_plain_yaml_is_one_sentence(load, text, message):
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 200


def test_a_bomb_of_aliases_does_not_grow(load):
    levels = "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(50))
    with pytest.raises(ConfigError, match="aliases included"):
        load(f"a0: &a0 [{', '.join('1' * 10)}]\n" + levels)


def test_the_deepest_level_allowed_is_read(load):
    depth = DEEPEST - 1
    assert load("a: " + "[" * depth + "]" * depth)
    with pytest.raises(ConfigError, match="nested deeper"):
        load("a: " + "[" * DEEPEST + "]" * DEEPEST)


def test_what_is_no_readable_file_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_yaml(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_yaml(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read: "):
        load_yaml(tmp_path / "a\0b")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_one_sentence(tmp_path):
    path = tmp_path / "b.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    with pytest.raises(ConfigError, match="Permission denied"):
        load_yaml(path)
