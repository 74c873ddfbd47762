"""What is seen of a process that something foreign ran in, and what never is."""

import functools
import gc
import sys

import numpy as np
import pytest
import torch

from lnbench.measure import fresh, inspection, verify, watch
from lnbench.measure.timing import HostTimer


@pytest.fixture(scope="module")
def clean():
    return inspection.describe()


def seen(clean, instances=None):
    return inspection.changes(inspection.describe(instances), clean)


def test_a_process_that_nothing_was_done_to_is_like_itself(clean):
    assert seen(clean, {"timer": HostTimer()}) == []


def test_code_that_comes_as_text_says_the_same_as_the_module(clean):
    names = {"__name__": "elsewhere"}
    exec(compile(inspection.SOURCE, "<text>", "exec"), names)

    assert inspection.changes(names["describe"](), clean) == []
    assert "lnbench.measure.watch:Watch.keep" in clean


def same_code_of_other_names(function):
    return functools.wraps(function)(
        type(function)(function.__code__, dict(function.__globals__), function.__name__)
    )


@pytest.mark.parametrize(
    ("owner", "name", "value", "said"),
    [
        (watch.Watch, "keep", lambda *_, **__: None, "lnbench.measure.watch.Watch.keep"),
        (watch.Watch, "_write", property(dict), "lnbench.measure.watch.Watch._write"),
        (watch, "Watch", type("Watch", (watch.Watch,), {}), "lnbench.measure.watch.Watch"),
        (watch, "np", fresh, "lnbench.measure.watch.np"),
        (fresh, "_FACTOR", -1.0, "lnbench.measure.fresh._FACTOR"),
        (fresh, "new_rows", same_code_of_other_names(fresh.new_rows), "measure.fresh.new_rows"),
        (HostTimer.__init__, "__defaults__", (1, 2, 3), "timing.HostTimer.__init__"),
        (verify.zlib, "crc32", lambda *_: 0, "zlib.crc32"),
        (np, "concatenate", lambda *_: None, "numpy.concatenate"),
        (torch.Tensor, "detach", lambda x: x, "torch.Tensor.detach"),
    ],
)
def test_each_thing_that_is_replaced_is_named(clean, monkeypatch, owner, name, value, said):
    monkeypatch.setattr(owner, name, value)

    assert any(f"replaced {said}" in each or said in each for each in seen(clean))
    monkeypatch.undo()
    assert seen(clean) == []


def test_a_method_laid_over_one_object_is_seen(clean):
    timer = HostTimer()
    timer.time = lambda *_: 1e-9

    assert seen(clean, {"timer": timer}) == ["replaced timer.time"]


def test_what_changes_every_time_is_said(clean):
    gc.disable()
    torch.set_default_dtype(torch.float64)
    sys.setprofile(lambda *_: None)
    try:
        with torch.no_grad():
            found = seen(clean)
    finally:
        sys.setprofile(None)
        torch.set_default_dtype(torch.float32)
        gc.enable()
    assert found[-4:] == [
        "switched the garbage collector off",
        "set a profiler or tracer",
        "switched autograd off",
        "changed torch's default type",
    ]


def test_another_interpreter_or_version_is_no_change_where_a_side_has_its_own(clean):
    def seen_of(apart, **words):
        found = clean | {name.replace("__", ":"): word for name, word in words.items()}
        return inspection.changes(found, clean, apart=apart)

    for words in ({"python": "4"}, {"numpy": "9.9"}):
        assert seen_of(True, numpy__concatenate="other", **words) == []
        (name,) = words
        assert seen_of(False, **words) == [f"replaced {name}"]
    assert seen_of(True, numpy__concatenate="other") == ["replaced numpy.concatenate"]


def test_a_name_that_was_added_to_the_harness_is_seen(clean, monkeypatch):
    monkeypatch.setattr(watch, "slice", lambda *_: None, raising=False)
    assert seen(clean) == ["replaced lnbench.measure.watch.slice"]
    monkeypatch.undo()
    monkeypatch.setattr(watch.Watch, "__getattribute__", lambda *_: None, raising=False)
    assert seen(clean) == ["replaced lnbench.measure.watch.Watch.__getattribute__"]


def test_long_lists_of_changes_are_cut(clean):
    others = {key: "other" if ":" in key else word for key, word in clean.items()}
    found = inspection.changes(others, clean)

    assert len(found) < 10
    assert any(each.endswith(" more") for each in found)


def test_an_object_of_another_class_is_seen(clean):
    class HostTimerOfMine(HostTimer):
        pass

    HostTimerOfMine.__module__, HostTimerOfMine.__qualname__ = HostTimer.__module__, "HostTimer"
    assert seen(clean, {"timer": HostTimerOfMine()}) == ["replaced timer"]
    assert seen(clean, {"timer": object.__new__(type("T", (), {}))}) == ["replaced timer"]


def test_only_what_is_compared_may_be_imported_for_it():
    names = ["evil", "lnbench_evil", "os", "numpy", "lnbench.measure.watch", "python", "time"]
    assert inspection.known(names) == ("lnbench.measure.watch", "numpy", "time")
