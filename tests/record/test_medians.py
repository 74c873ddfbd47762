"""Laws of reading large reports: bounded, a row at a time, and to the same end."""

import os
import statistics

import msgspec
import pytest
from factories import benchmark, failed, measured, report, skipped
from hypothesis import given, settings
from hypothesis import strategies as st

from lnbench.errors import ReportError
from lnbench.judge.diff import compare
from lnbench.record import files, medians
from lnbench.record.medians import read_medians
from lnbench.record.report import read, write

TIMES = st.lists(st.lists(st.floats(0, 1e3), max_size=6), min_size=1, max_size=5).filter(any)


@settings(max_examples=50)
@given(TIMES)
def test_what_is_read_lazily_is_what_is_read_eagerly_with_the_median_of_each_pass(
    tmp_path_factory, times_s
):
    path = tmp_path_factory.mktemp("r") / "r.json"
    write(report(measured("triton", times_s=times_s), failed("numba"), skipped("numpy")), path)
    eager, lazy = read(path), read_medians(path)
    row = lazy.outcomes[0]
    means = tuple((statistics.median(times),) if times else () for times in times_s)
    assert row.times_s == means
    same = {"times_s": row.times_s, "rounds": row.rounds}
    assert msgspec.structs.replace(eager.outcomes[0], **same) == row
    assert (eager.outcomes[1:], type(eager)) == (lazy.outcomes[1:], type(lazy))
    assert compare([eager], [eager]) == compare([lazy], [lazy])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"samples"', b'"samples'),
        (b'"rounds": [', b'"rounds": [[0],'),
        (b'"dtype": "float32"', b'"dtype": "float31"'),
        (b'"schema": 1', b'"schema": 9'),
        (b'"kind": "benchmarks"', b'"kind": "training"'),
        (b'"device": "cpu"', b'"device": "tpu"'),
        (b'"backend": "numba"', b'"backend": "triton"'),
        (b'"suite": "quick"', b'"suite": 1'),
        (b"}\n", b""),
    ],
)
def test_what_is_wrong_is_said_in_the_same_words(tmp_path, old, new):
    path = tmp_path / "r.json"
    write(report(measured("triton", samples=3, passes=2), measured("numba")), path)
    path.write_bytes(path.read_bytes().replace(old, new))
    said = []
    for reader in (read, read_medians):
        try:
            reader(path)
        except ReportError as error:
            said.append((str(error), error.hint))
    assert len(said) in (0, 2)
    assert said[:1] == said[1:]


def test_the_samples_of_one_row_are_in_memory_at_a_time(tmp_path, monkeypatch):
    path, seen = tmp_path / "r.json", []
    shapes = [benchmark(f"layernorm/forward/{n}x8/float32/cpu/numpy").id for n in range(1, 9)]
    write(report(*(measured(name) for name in shapes)), path)
    condensed = medians._condensed

    def watched(raw):
        row = condensed(raw)
        seen.append(sum(map(len, row.times_s)))
        return row

    monkeypatch.setattr(medians, "_condensed", watched)
    read_medians(path)
    assert seen == [12] * 8  # each row once, and a sample a pass of it is kept


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path):
    path = tmp_path / "r.json"
    path.touch()
    os.truncate(path, files.LARGEST_BYTES + 1)
    for reader in (read, read_medians):
        with pytest.raises(ReportError, match="too large: 512 MiB, and at most 512 MiB"):
            reader(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
def test_a_pipe_is_refused_and_nobody_waits_for_its_writer(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(ReportError, match="is not a regular file"):
        read(path)
