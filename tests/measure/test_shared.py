"""Arrays handed from one process to another come out as they went in; nothing is left behind."""

import os
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

from lnbench.arrays import numpy_dtype
from lnbench.measure import shared
from lnbench.plan.case import DType


def same(one, other):
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", list(DType))
@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0), (0, 3), (2, 3), (2, 3, 5)])
def test_an_array_comes_out_as_it_went_in(tmp_path, dtype, shape):
    array = np.random.default_rng(0).standard_normal(shape)
    array = np.asarray(array).astype(numpy_dtype(dtype))

    shared.write(tmp_path / "arrays", {"x": array})

    (found,) = shared.read(tmp_path / "arrays").values()
    same(found, array)


def test_names_and_their_order_are_kept(tmp_path):
    arrays = {name: np.full(2, i, np.float32) for i, name in enumerate(("y", "dw", "a"))}

    shared.write(tmp_path, arrays)

    found = shared.read(tmp_path)
    assert list(found) == ["y", "dw", "a"]
    for name, array in arrays.items():
        same(found[name], array)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12.0)[::2],
        np.broadcast_to(np.float32(3), (2, 3)),
        np.array([np.nan, -np.inf, -0.0]),
        np.array([1, 2], ml_dtypes.bfloat16)[::-1],
    ],
)
def test_strides_and_special_values_do_not_matter(tmp_path, array):
    shared.write(tmp_path, {"x": array})

    found = shared.read(tmp_path)["x"]
    same(found, array)
    assert (
        np.signbit(found.astype(np.float64)).tolist()
        == np.signbit(array.astype(np.float64)).tolist()
    )


def test_what_is_read_is_mapped_and_cannot_be_written(tmp_path):
    shared.write(tmp_path, {"x": np.ones(3)})

    found = shared.read(tmp_path)["x"]

    with pytest.raises(ValueError, match="read-only"):
        found[0] = 2
    assert isinstance(found, np.memmap)


def test_writing_again_replaces_what_was_there(tmp_path):
    shared.write(tmp_path, {"x": np.ones(9), "z": np.ones(2)})
    shared.write(tmp_path, {"x": np.zeros(2, np.float16)})

    found = shared.read(tmp_path)

    assert list(found) == ["x"]
    same(found["x"], np.zeros(2, np.float16))


def test_clearing_what_is_not_there_is_no_error(tmp_path):
    shared.clear(tmp_path / "nix")


# Folders


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Memory and disk, each a folder of its own."""
    memory, disk = tmp_path / "memory", tmp_path / "disk"
    memory.mkdir()
    disk.mkdir()
    monkeypatch.setattr(shared, "_MEMORY", memory)
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    return memory, disk


@pytest.mark.parametrize("fails", [False, True])
def test_a_folder_goes_at_the_end_with_what_is_in_it(places, fails):
    def use():
        with shared.folder(0) as made:
            shared.write(made / "inputs", {"x": np.ones(3)})
            if fails:
                raise RuntimeError
        return made

    if fails:
        with pytest.raises(RuntimeError):
            use()
    else:
        assert not use().exists()
    assert [list(place.iterdir()) for place in places] == [[], []]


@pytest.mark.parametrize(("free", "place"), [(201, 0), (200, 1), (0, 1)])
def test_a_folder_is_in_memory_where_twice_the_bytes_fit(places, monkeypatch, free, place):
    monkeypatch.setattr(shared.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    with shared.folder(100) as made:
        assert made.parent == places[place]


def test_a_machine_without_memory_as_a_folder_takes_the_disk(places, monkeypatch, tmp_path):
    monkeypatch.setattr(shared, "_MEMORY", tmp_path / "nix")

    with shared.folder(100) as made:
        assert made.parent == places[1]


def test_a_folder_is_for_its_user_alone(places):
    with shared.folder(0) as made:
        assert made.stat().st_mode & 0o077 == 0


@pytest.fixture(scope="module")
def dead():
    """The number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


DAY = 86400


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    ("alive", "age_s", "stays"),
    [(False, 2 * DAY, False), (False, DAY / 2, True), (True, 2 * DAY, True)],
)
def test_what_a_killed_session_left_goes_when_it_is_old(places, dead, place, alive, age_s, stays):
    left = places[place] / f"lnbench-{os.getpid() if alive else dead}-abc"
    left.mkdir()
    (left / "x.bin").write_bytes(b"123")
    then = time.time() - age_s
    os.utime(left, (then, then))

    with shared.folder(0):
        assert left.exists() is stays


@pytest.mark.parametrize("name", ["lnbench-", "lnbench-report-abc", "other-{dead}-abc", "lnbench"])
def test_folders_of_others_stay(places, dead, name):
    left = places[0] / name.format(dead=dead)
    left.mkdir()
    os.utime(left, (0, 0))

    with shared.folder(0):
        assert left.exists()
