"""How much memory is free, and what fits in it."""

from types import SimpleNamespace

import msgspec
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench import registry
from lnbench.plan.case import Case, Direction, DType
from lnbench.session import memory

GIB = 1 << 30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with 8 GiB available, in no cgroup."""
    for name in ("_CGROUP_LIMIT", "_CGROUP_USED"):
        monkeypatch.setattr(memory, name, tmp_path / name)
    has(monkeypatch, 8 * GIB)
    return tmp_path


def has(monkeypatch, available):
    told = SimpleNamespace(available=available)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: told)


def limit(machine, limit, used):
    (machine / "_CGROUP_LIMIT").write_text(f"{limit}\n")
    (machine / "_CGROUP_USED").write_text(f"{used}\n")


def test_free_is_what_is_available(machine):
    assert memory.free_bytes() == 8 * GIB


@pytest.mark.parametrize(
    ("limited", "used", "free"),
    [
        ("max", 5 * GIB, 8 * GIB),
        (4 * GIB, 1 * GIB, 3 * GIB),
        (64 * GIB, 1 * GIB, 8 * GIB),
        (4 * GIB, 5 * GIB, 0),
        (4 * GIB, "nonsense", 8 * GIB),
    ],
)
def test_a_cgroup_may_allow_less(machine, limited, used, free):
    limit(machine, limited, used)

    assert memory.free_bytes() == free


def test_this_machine_has_some():
    assert memory.free_bytes() > 0


@given(
    backends=st.integers(1, 9),
    size=st.integers(0, 10**12),
    free=st.integers(0, 10**12),
)
def test_what_is_said_to_fit_takes_no_more_than_its_share(backends, size, free):
    found = memory.fitting(backends, size, free)

    share = memory.FREE_SHARE * free
    fixed = memory.needed_bytes(size) - size  # inputs and truth, whatever the number of backends
    assert 0 <= found <= backends
    assert found == 0 or found * size + fixed <= share
    if found < backends:
        assert (found + 1) * size + fixed > share
    assert memory.fitting(backends, size, 2 * free) >= found


def test_nothing_always_fits():
    assert memory.fitting(5, 0, 0) == 5


def case(gib, device="cpu"):
    """Return a case of which a backend needs so much."""
    made = Case("layernorm", Direction.FORWARD, (1024, 1024), DType.FLOAT32, device)
    rows = gib * GIB * 1024 // registry.operation("layernorm").memory_bytes(made)
    return msgspec.structs.replace(made, shape=(rows, 1024))


def test_the_reason_says_what_is_needed_and_what_is_there(machine):
    found = memory.fit(case(4), 1, {})

    assert found.concurrent == 0
    assert "needs about 16.0 GiB" in found.reason
    assert "half of the free 8.00 GiB" in found.reason
    assert memory.fit(case(1), 1, {}) == (1, "")


def test_memory_that_comes_a_moment_later_is_seen_before_a_case_is_skipped(machine, monkeypatch):
    free = iter((1 * GIB, 1 * GIB, 64 * GIB))
    monkeypatch.setattr(memory, "_PAUSE_S", 0)
    monkeypatch.setattr(memory, "free_bytes", lambda: next(free))

    assert memory.fit(case(4), 1, {}) == (1, "")


@pytest.mark.parametrize(
    ("device", "concurrent"), [("cuda", 2), ("cuda:1", 3), ("xpu", 4), ("cpu", 4)]
)
def test_a_device_may_have_room_for_fewer_than_the_host(machine, monkeypatch, device, concurrent):
    has(monkeypatch, 64 * GIB)

    found = memory.fit(case(3, device), 4, {"cuda:0": 10 * GIB, "cuda:1": 14 * GIB})

    assert found == (concurrent, "")


def test_a_device_without_room_for_one_says_which_and_how_much_it_has(machine):
    found = memory.fit(case(1, "cuda:1"), 4, {"cuda:0": 80 * GIB, "cuda:1": GIB})

    assert found.concurrent == 0
    assert "needs about 2.00 GiB" in found.reason
    assert "90% of the 1.00 GiB free on cuda:1" in found.reason
