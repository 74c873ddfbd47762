"""Laws of strict YAML."""

import math
import os

import pytest

from lnbench.errors import ConfigError
from lnbench.plan import yaml_file
from lnbench.plan.yaml_file import DEEPEST, LARGEST_BYTES, LONGEST_PATH, MOST_NODES, load_yaml


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
        (b"\xff: 1\nb: 2\n", "b.yaml:1: not UTF-8 text"),
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


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "lnbench schema suite prints what it may hold"),
        (b"a: \xff", "save the file as UTF-8"),
        ("a: 1\na: 2", "keep one of them"),
        ("a: 1\n---\nb: 2", "keep one document a file"),
        ("a: !x 1", "leave the tag out"),
        ("a: [1,", "while parsing a flow node"),
        ("a: \x00", ""),
    ],
)
def test_a_file_that_is_wrong_has_a_hint(load, text, hint):
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1,", "b.yaml:1: not YAML: did not find expected node content"),
        ("a: \x00", "b.yaml: not YAML: unacceptable character #x0000"),
    ],
)
def test_a_wrong_syntax_is_said_in_the_words_of_the_parser(load, text, problem):
    with pytest.raises(ConfigError) as caught:
        load(text)
    said = caught.value.message
    assert said.partition(": not YAML: ")[0] == problem.partition(": not YAML: ")[0]
    assert len(said.partition(": not YAML: ")[2].split()) > 2


@pytest.mark.parametrize(("anchored", "nodes"), [("1", 1), ("[1, 2]", 3), ("{a: 1}", 3)])
def test_an_alias_counts_as_many_values_as_it_stands_for(load, monkeypatch, anchored, nodes):
    aliases = 5
    # The list, what is anchored, and each alias with what it stands for.
    monkeypatch.setattr(yaml_file, "MOST_NODES", 1 + nodes + aliases * (1 + nodes))
    assert len(load(f"[&s {anchored}{', *s' * aliases}]")) == 1 + aliases
    with pytest.raises(ConfigError, match="aliases included"):
        load(f"[&s {anchored}{', *s' * aliases}, 1]")


def test_a_long_path_is_cut_to_what_a_message_shows(load):
    for length, cut in ((LONGEST_PATH, False), (LONGEST_PATH + 1, True)):
        key = "k" * length
        with pytest.raises(ConfigError) as caught:
            load(f"{key}: !x 1")
        shown = caught.value.message.split(": ")[1]
        assert len(shown) == LONGEST_PATH
        assert (shown == key, shown.endswith("…")) == (not cut, cut)


def test_a_path_that_no_system_knows_says_why(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: embedded null byte"):
        load_yaml(tmp_path / "a\0b")
