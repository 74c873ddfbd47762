"""A kernel named by its file: what is said of it without running it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.errors import ConfigError
from lnbench.plan.kernel import is_kernel, kernels

FORWARD = "def forward(x, weight, bias, eps):\n    return x\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def one(word, installed=("numpy", "copy")):
    (kernel,) = kernels([word], installed).values()
    return kernel


@pytest.mark.parametrize(
    ("word", "is_one"),
    [
        ("./mine.py", True),
        ("mine.py", True),
        ("mine.py:fast", True),
        ("some/where/mine.py:fast", True),
        ("pkg.kernels:fast", True),
        ("./mine", True),
        ("numpy", False),
        ("torch-eager", False),
        ("pkg.kernels", False),
        ("a:b:c", False),
        (":fast", False),
        ("pkg:", False),
    ],
)
def test_a_word_with_a_path_or_a_colon_is_a_kernel_and_a_name_is_none(word, is_one):
    assert is_kernel(word) == is_one


@pytest.mark.parametrize(
    ("source", "framework"),
    [
        (FORWARD, "numpy"),
        ("import numpy as np\n" + FORWARD, "numpy"),
        ("import torch\n" + FORWARD, "torch"),
        ("import numpy\nimport torch.nn.functional as F\n" + FORWARD, "torch"),
        ("import triton.language as tl\n" + FORWARD, "torch"),
        ("from jax import numpy as jnp\n" + FORWARD, "jax"),
        ("import torch\nframework = 'numpy'\n" + FORWARD, "numpy"),
        ("def forward(x, w, b, e):\n    import torch\n    return x\n", "torch"),
    ],
)
def test_the_framework_is_what_a_file_imports_or_says(folder, source, framework):
    (folder / "mine.py").write_text(source)
    assert one("./mine.py").framework == framework


@pytest.mark.parametrize(
    ("source", "word", "message", "hint"),
    [
        (None, "./mine.py", "./mine.py cannot be read: No such file", "did you mean 'main.py'?"),
        ("def f(:\n", "./mine.py", "mine.py, line 1: invalid syntax", ""),
        ("x = 1\n\n  y = 2\n", "./mine.py", "mine.py, line 3: unexpected indent", ""),
        ("a\0b", "./mine.py", "mine.py", ""),
        (
            "def fast(x): ...\ndef slow(x): ...\n",
            "./mine.py",
            "mine.py has no forward, and fast and slow could each be the kernel",
            "write ./mine.py:fast, or call it forward",
        ),
        ("def fast(x): ...\n", "./mine.py:fats", "mine.py has no fats", "did you mean 'fast'?"),
        ("'nothing'\n", "./mine.py", "mine.py defines no function", "lnbench init kernel"),
        ("framework = 'tinygrad'\n" + FORWARD, "./mine.py", "unknown framework 'tinygrad'", ""),
        (FORWARD, "./numpy.py", "would be called 'numpy', as an installed backend is", "name"),
        (FORWARD, "nowhere.at.all:f", "there is no module nowhere.at.all", "package.module:NAME"),
        (FORWARD + "#" * (1 << 20), "./mine.py", "is larger than 1 MiB", ""),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(folder, source, word, message, hint):
    (folder / "main.py").write_text(FORWARD)
    if source is not None:
        (folder / "mine.py").write_text(source)
        (folder / "numpy.py").write_text(source)
    with pytest.raises(ConfigError) as caught:
        one(word)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_no_source_is_run(folder):
    (folder / "mine.py").write_text("open('it-ran', 'w')\n" + FORWARD)
    (folder / "pkg").mkdir()
    (folder / "pkg" / "__init__.py").write_text("open('it-ran', 'w')\n")
    (folder / "pkg" / "kernels.py").write_text(FORWARD)

    assert one("./mine.py").name == "mine"
    assert one("pkg.kernels:forward").folder == str(folder)
    assert not (folder / "it-ran").exists()


def test_a_kernel_is_called_by_its_stem_or_its_name(folder):
    (folder / "my kernel.py").write_text(FORWARD)
    assert one("./my kernel.py").name == "my-kernel"
    assert one("./my kernel.py:forward").name == "forward"


def test_two_files_of_one_name_have_their_folders_in_front(folder):
    for name in ("old", "new"):
        (folder / name).mkdir()
        (folder / name / "k.py").write_text(FORWARD)
    found = kernels(["old/k.py", "new/k.py", "old/k.py"], ())
    assert [kernel.name for kernel in found.values()] == ["old-k", "new-k"]


def test_names_that_are_bound_within_if_and_try_are_seen(folder):
    (folder / "mine.py").write_text(
        "try:\n    from fast import forward\nexcept ImportError:\n    forward = None\n"
    )
    assert one("./mine.py").attribute == ""


@given(st.text(max_size=40))
def test_any_text_is_a_kernel_or_none_and_a_kernel_that_is_not_there_a_sentence(text):
    if is_kernel(text) and "\0" not in text:
        with pytest.raises(ConfigError):
            kernels([text], ())
