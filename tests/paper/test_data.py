"""What is learned from: IDX files, whole and damaged, and the digits."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from lnbench.errors import ConfigError
from lnbench.paper import data

RNG = np.random.default_rng(0)


def idx(array):
    """Return an array of bytes as an IDX file has it."""
    return struct.pack(f">I{array.ndim}I", 0x800 | array.ndim, *array.shape) + array.tobytes()


def images(count, size=(5, 4)):
    return RNG.integers(0, 256, (count, *size), dtype=np.uint8)


def labels(count):
    return (np.arange(count) % 3).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    for name, array in {
        "train-images-idx3-ubyte": images(12),
        "train-labels-idx1-ubyte": labels(12),
        "t10k-images-idx3-ubyte": images(6),
        "t10k-labels-idx1-ubyte": labels(6),
    }.items():
        (tmp_path / name).write_bytes(idx(array))
    return tmp_path


def refused(folder):
    with pytest.raises(ConfigError) as raised:
        data.load(folder)
    return raised.value.message


def test_the_users_files_are_read(folder):
    found = data.load(folder)
    assert found.images.shape == (12, 5, 4)
    assert found.test_labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.classes == 3
    assert 0 <= found.images.min() <= found.images.max() <= 1
    assert found.images.dtype == np.float32


@pytest.mark.parametrize("dotted", [False, True])
def test_gzip_and_dots_in_names_will_do(folder, dotted):
    expected = data.load(folder)
    for path in list(folder.iterdir()):
        name = path.name.replace("-idx", ".idx") if dotted else path.name
        (folder / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    found = data.load(folder)
    np.testing.assert_array_equal(found.images, expected.images)
    np.testing.assert_array_equal(found.labels, expected.labels)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("train-images-idx3-ubyte", lambda b: b[:-1], "says 12x5x4 bytes and holds 239"),
        ("train-images-idx3-ubyte", lambda b: b + b"!", "says 12x5x4 bytes and holds 241"),
        ("train-images-idx3-ubyte", lambda b: b[:10], "is cut short"),
        ("train-images-idx3-ubyte", lambda b: b"", "begins with nothing"),
        ("train-images-idx3-ubyte", lambda b: b"PNG!" + b[4:], "begins with 0x504e4721"),
        ("train-labels-idx1-ubyte", lambda b: idx(images(12)), "an IDX file of labels"),
        ("train-labels-idx1-ubyte", lambda b: idx(labels(11)), "12 train images have 11 labels"),
        ("t10k-images-idx3-ubyte", lambda b: idx(images(6, (4, 4))), "differ in size"),
        ("t10k-labels-idx1-ubyte", lambda b: gzip.compress(b)[:20], "cannot be read"),
        ("t10k-labels-idx1-ubyte", lambda b: gzip.compress(b"hello, world"), "begins with"),
        ("t10k-labels-idx1-ubyte", lambda b: b"\x1f\x8bnonsense", "cannot be read"),
    ],
)
def test_a_damaged_file_is_one_sentence_that_names_it(folder, name, change, words):
    path = folder / name
    path.write_bytes(change(path.read_bytes()))
    message = refused(folder)
    assert words in message
    assert "\n" not in message


def test_missing_files_and_folders_are_named(folder, tmp_path):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    assert "has no t10k-labels-idx1-ubyte" in refused(folder)
    assert "is no folder" in refused(tmp_path / "nowhere")


@pytest.mark.parametrize(("count", "size"), [(0, (5, 4)), (6, (0, 4))])
def test_empty_files_are_refused(folder, count, size):
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(images(count, size)))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(labels(count)))
    assert "hold no pixel" in refused(folder)


def test_data_are_named_for_their_folder_also_from_within(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert data.load(Path()).name.startswith(f"{folder.name} (12 images of 5x4, ")


def test_other_images_of_the_same_sizes_have_another_name(folder):
    before = data.load(folder).name
    assert data.load(folder).name == before
    path = folder / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert data.load(folder).name != before


def test_the_digits_are_split_the_same_way_every_time():
    pytest.importorskip("sklearn")
    one, other = data.load(None), data.load(None)
    np.testing.assert_array_equal(one.test_images, other.test_images)
    assert len(one.images) + len(one.test_images) == 1797
    assert "stand-in" in one.name


def test_without_scikit_learn_a_sentence_says_what_to_do(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "scikit-learn" in refused(None)
