"""Laws of report files."""

import contextlib
import json
import math
import re
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from factories import measured as factories_measured
from factories import report as made
from hypothesis import given, settings
from hypothesis import strategies as st

from lnbench import __version__
from lnbench.errors import LnbenchError, ReportError
from lnbench.plan.case import Benchmark
from lnbench.record import files
from lnbench.record.files import prepare
from lnbench.record.outcome import (
    Agreement,
    Caveat,
    CaveatKind,
    Failed,
    Measured,
    OutputAgreement,
    Skipped,
    Stage,
)
from lnbench.record.report import SCHEMA, Head, ReportSide, default_path, head, read, write
from lnbench.units import one_line

FROZEN = Path(__file__).parents[1] / "data" / "report-v1.json"
BYTES = FROZEN.read_bytes()
REPORT = read(FROZEN)
MEASURED = REPORT.outcomes[0]
OPTIONS = ";cache=cold;output=ready;bias=false;weight_dtype=float32;eps=1e-06;normalized_dims=2"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "r.json"


def with_outcomes(*outcomes):
    return msgspec.structs.replace(REPORT, outcomes=outcomes)


def with_fields(**fields):
    return with_outcomes(msgspec.structs.replace(MEASURED, **fields))


def edited(change):
    """Return the frozen report's bytes after `change` of what they say."""
    data = json.loads(BYTES)
    change(data)
    return json.dumps(data).encode()


def problem(path, data):
    path.write_bytes(data)
    with pytest.raises(ReportError) as caught:
        read(path)
    assert caught.value.message.startswith(str(path))
    assert "\n" not in caught.value.message
    return caught.value.message.removeprefix(str(path))


# What is written is read


def test_the_frozen_report_of_schema_1_is_rewritten_byte_for_byte(path):
    write(REPORT, path)
    assert path.read_bytes() == BYTES


def test_the_frozen_report_says_what_it_said_when_it_was_made():
    assert REPORT.created == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert REPORT.tool.arguments == ("run", "quick", "--seed", "7")
    assert REPORT.environment.packages["torch"] == "2.13.0"
    assert [type(outcome) for outcome in REPORT.outcomes] == [Measured] * 3 + [Skipped, Failed]
    assert [outcome.benchmark.id for outcome in REPORT.outcomes] == [
        "layernorm/forward/2048x1024/float32/cpu/numpy",
        "layernorm/forward/2048x1024/float32/cpu/copy",
        "layernorm/backward/16x128x768/bfloat16/cuda/torch-eager" + OPTIONS,
        "layernorm/forward/2048x1024/float32/cpu/triton",
        "layernorm/step/0x64/float16/cpu/torch-compile",
    ]
    assert MEASURED.times_s == ((0.0011000000000000003, 0.00120317, 0.00113), (), (0.0011, 0.00109))
    assert MEASURED.rounds == ((0, 1, 2), (), (0, 1))
    assert MEASURED.caveats[0].kind is CaveatKind.LOST_PASSES
    assert (
        REPORT.outcomes[2].agreement.outputs[REPORT.outcomes[2].agreement.worst].max_error
        == math.inf
    )


@given(st.lists(st.floats(0, allow_infinity=False), min_size=1))
def test_no_digit_of_a_time_is_lost(tmp_path_factory, times):
    path = tmp_path_factory.mktemp("times") / "r.json"
    report = with_fields(times_s=(tuple(times),), rounds=(tuple(range(len(times))),))
    write(report, path)
    assert read(path) == report


figures, names = st.floats(0), st.text().map(one_line)


@given(
    st.lists(st.tuples(names, figures, figures, figures), unique_by=lambda row: row[0]),
    st.dictionaries(
        st.from_regex(r"[a-z_]+", fullmatch=True),
        st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
        | st.booleans() | st.from_regex(r"[^/\\~]*", fullmatch=True).map(one_line),
    ),
)  # fmt: skip
def test_agreement_and_details_come_back(tmp_path_factory, rows, details):
    path = tmp_path_factory.mktemp("details") / "r.json"
    outputs = {name: OutputAgreement(*row, 0.5) for name, *row in rows}
    report = with_fields(agreement=Agreement(outputs), details=details)
    write(report, path)
    assert read(path) == report
    assert read(path).outcomes[0].agreement.passed == Agreement(outputs).passed


def test_figures_that_json_cannot_say_are_infinite_after_reading(path):
    bad = Agreement({"y": OutputAgreement(math.nan, math.inf, math.nan, 1.0)})
    write(with_fields(agreement=bad), path)
    assert json.loads(path.read_bytes())["outcomes"][0]["agreement"]["passed"] is False
    assert read(path).outcomes[0].agreement == Agreement(
        {"y": OutputAgreement(math.inf, math.inf, math.inf, 1.0)}
    )


def test_a_moment_keeps_its_zone(path):
    zone = timezone(timedelta(hours=9))
    report = msgspec.structs.replace(REPORT, created=datetime(2026, 11, 23, 21, tzinfo=zone))
    write(report, path)
    assert read(path).created == REPORT.created


# What gets committed


def test_each_process_and_each_output_is_a_line_so_that_git_shows_what_changed():
    lines = BYTES.decode().splitlines()
    assert "        [0.0011000000000000003, 0.00120317, 0.00113]," in lines
    assert sum(line.strip().startswith('"y": {"max_error"') for line in lines) == 1
    assert lines.count("    {") == len(REPORT.outcomes)


def test_changing_one_process_changes_one_line(path):
    times = ((1e-3, 2e-3, 3e-3), *MEASURED.times_s[1:])
    write(
        with_outcomes(msgspec.structs.replace(MEASURED, times_s=times), *REPORT.outcomes[1:]), path
    )
    before, after = BYTES.splitlines(), path.read_bytes().splitlines()
    assert len(before) == len(after)
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


def test_texts_lose_the_folders_of_the_machine(path, monkeypatch):
    monkeypatch.setenv("HOME", "/srv/people/alice")
    error = 'File "/srv/people/alice/k.py": no /opt/alice/x/lib.so, no ~/y in /srv/people/alice'
    row = Failed.of(MEASURED.benchmark, stage=Stage.PREPARE, error=error)
    skip = Skipped.of(
        REPORT.outcomes[1].benchmark, reason="C:\\Users\\alice\\triton.dll is missing"
    )
    caveat = Caveat(CaveatKind.LOST_PASSES, "/home/alice/core was dumped")
    measured = msgspec.structs.replace(
        REPORT.outcomes[2], caveats=(caveat,), details={"cache": "/tmp/alice/inductor"}
    )
    tool = msgspec.structs.replace(REPORT.tool, arguments=("run", "--output=/home/alice/a/r.json"))
    write(msgspec.structs.replace(REPORT, tool=tool, outcomes=(row, skip, measured)), path)
    assert "alice" not in path.read_text()
    found = read(path)
    assert found.outcomes[0].error == 'File "k.py": no lib.so, no y in ~'
    assert found.outcomes[1].reason == "triton.dll is missing"
    assert found.tool.arguments == ("run", "--output=r.json")


def test_a_home_at_the_root_and_names_that_begin_like_it_stay(path, monkeypatch):
    for home, text in (("/", "see 1/2 and ~"), ("/root", "no /rooted here")):
        monkeypatch.setenv("HOME", home)
        write(with_outcomes(Skipped.of(MEASURED.benchmark, reason=text)), path)
        assert read(path).outcomes[0].reason == text


@pytest.mark.parametrize(
    "text",
    [
        "layernorm/forward/2x3/float32/cpu/numpy",
        "33 GB/s",
        "and/or",
        "https://github.com/a/b/c",
        "a / b",
    ],
)
def test_texts_without_folders_stay(path, text):
    write(with_outcomes(Skipped.of(MEASURED.benchmark, reason=text)), path)
    assert read(path).outcomes[0].reason == text


@given(st.text())
def test_what_was_read_is_written_unchanged(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("again") / "r.json"
    write(with_outcomes(Skipped.of(MEASURED.benchmark, reason=text)), path)
    first = path.read_bytes()
    write(read(path), path)
    assert path.read_bytes() == first


# What cannot be right is refused, in reading and in writing


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"times_s": ((1.0, -1e-9, 1.0), (), (1.0, 1.0))}, r"times_s\[0\] holds a time"),
        ({"times_s": ((1.0, math.nan, 1.0), (), (1.0, 1.0))}, r"times_s\[0\] holds a time"),
        ({"times_s": ((1.0, math.inf, 1.0), (), (1.0, 1.0))}, r"times_s\[0\] holds a time"),
        (
            {"times_s": ((1.0, 1.0), (), (1.0, 1.0))},
            r"times_s\[0\] has 2 values but rounds\[0\] has 3",
        ),
        ({"times_s": ((1.0, 1.0, 1.0),)}, "1 lists of times_s but 3 of rounds"),
        ({"rounds": ((0, 1, 1), (), (0, 1))}, r"rounds\[0\] names a round twice"),
        ({"times_s": ((), ()), "rounds": ((), ())}, "no time at all"),
        ({"first_call_s": -1.0}, "first_call_s is -1.0"),
        ({"first_call_s": math.nan}, "first_call_s is nan"),
        ({"page_faults": math.inf}, "page_faults is inf"),
        ({"energy_j": (0.5, math.nan)}, "energy_j holds what is no energy"),
        ({"energy_j": (-0.5,)}, "energy_j holds what is no energy"),
    ],
)
def test_times_that_contradict_themselves_are_not_written(path, fields, message):
    with pytest.raises(ReportError, match=message):
        write(with_fields(**fields), path)
    assert not path.exists()


def measured_row(**fields):
    return edited(lambda data: data["outcomes"][0].update(fields))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", " is empty"),
        (b"\n", " is empty"),
        (BYTES[:900], " is cut short"),
        (BYTES[:-3], " is cut short"),
        (BYTES + b"x", " is no JSON"),
        (b"lnbench", " is no JSON"),
        (b"\xff\xfe", " is no"),
        (BYTES.replace("“".encode(), b"\xff"), " is not UTF-8"),
        (b"[" * 100_000, " is no report of lnbench"),
        (b'{"schema": 1, "kind": "benchmarks", "x": ' + b"[" * 100_000, ": nested without end"),
        (b"[]", " is no report of lnbench"),
        (b'{"benchmarks": []}', " is no report of lnbench"),
        (b'{"schema": "1", "kind": "benchmarks"}', " is no report of lnbench"),
        (b'{"schema": 1, "kind": "benchmarks"}', ": object missing required field 'created'"),
        (edited(lambda d: d.update(schema=0)), ": schema: "),
        (edited(lambda d: d.update(kind="music")), ": kind: "),
        (edited(lambda d: d.update(extra=1)), ": object contains unknown field 'extra'"),
        (edited(lambda d: d.update(created="yesterday")), ": created: "),
        (edited(lambda d: d.update(created="2026-11-23T12:00:00")), ": created: "),
        (edited(lambda d: d["budget"].update(passes=0)), ": budget: passes must be above 0"),
        (edited(lambda d: d["outcomes"].append(d["outcomes"][0])), ": outcomes[5]: layernorm/"),
        (edited(lambda d: d["outcomes"][3].update(kind="dreamt")), ": outcomes[3].kind: "),
        (edited(lambda d: d["outcomes"][3].pop("reason")), ": outcomes[3]: object missing"),
        (measured_row(times_s=[[1, "2", 3], [], [1, 1]]), ": outcomes[0].times_s[0][1]: expected"),
        (measured_row(times_s=[[1, -2, 3], [], [1, 1]]), ": outcomes[0].times_s[0][1]: expected"),
        (measured_row(times_s=[[1, 2], [], [1, 1]]), ": outcomes[0] (layernorm/forward/"),
        (measured_row(shape=[]), ": outcomes[0].shape: expected"),
        (measured_row(shape=[-1]), ": outcomes[0].shape[0]: expected"),
        (measured_row(options={"normalized_dims": 3}), ": outcomes[0]: normalized_dims 3 exceeds"),
        (measured_row(options={"eps": -1}), ": outcomes[0].options: eps must be"),
        (measured_row(options={"epsilon": 1}), ": outcomes[0].options: object contains unknown"),
        (
            BYTES.replace(b"0.00120317", b"1e999"),
            ": outcomes[0].times_s[0][1]: number out of range",
        ),
        (BYTES.replace(b"0.00120317", b"NaN"), " is no JSON"),
    ],
)
def test_a_file_that_is_no_report_is_one_sentence_that_says_where(path, data, message):
    assert problem(path, data).startswith(message)


def test_a_newer_schema_says_which_is_needed(path):
    data = edited(lambda d: (d.clear(), d.update(schema=SCHEMA + 1, kind="benchmarks", new=[])))
    assert (
        problem(path, data)
        == f" needs an lnbench that reads schema 2; this one reads up to {SCHEMA}"
    )


@pytest.mark.parametrize(("kind", "command"), [("training", "show")])
def test_the_report_of_another_command_says_which_command_shows_it(path, kind, command):
    path.write_bytes(edited(lambda d: d.update(kind=kind)))
    with pytest.raises(ReportError, match=kind) as caught:
        read(path)
    assert f"lnbench {command}" in caught.value.hint


def test_what_is_no_readable_file_is_one_sentence(tmp_path):
    for place in (tmp_path, tmp_path / "none.json", tmp_path / "a\0b"):
        with pytest.raises(ReportError, match="cannot be read"):
            read(place)


junk = st.sampled_from(
    [None, True, -1, 0, 2**70, 1e300, "", "x", "\ud800", [], {}, [[]], [None], {"a": 1}, [-1.5]]
)


@settings(max_examples=300)
@given(st.data())
def test_a_changed_value_is_read_or_refused_and_never_a_crash(tmp_path_factory, data):
    tree = json.loads(BYTES)
    node = tree
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    if data.draw(st.booleans()):
        del node[key]
    else:
        node[key] = data.draw(junk)
    must_survive(tmp_path_factory, json.dumps(tree).encode())


@settings(max_examples=300)
@given(st.data())
def test_damaged_bytes_are_read_or_refused_and_never_a_crash(tmp_path_factory, data):
    text = bytearray(BYTES)
    for _ in range(data.draw(st.integers(0, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    must_survive(tmp_path_factory, bytes(text[: data.draw(st.integers(0, len(text)))]))
    must_survive(tmp_path_factory, bytes(text))


def must_survive(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "r.json"
    path.write_bytes(data)
    with contextlib.suppress(LnbenchError):
        report = read(path)
        write(report, path)
        again = read(path)
        write(again, path.with_name("again.json"))
        assert path.read_bytes() == path.with_name("again.json").read_bytes()


# Where and how it is written


def test_a_failed_write_leaves_the_old_report_and_nothing_beside_it(path, monkeypatch):
    write(REPORT, path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(ReportError, match="No space left on device"):
        write(with_outcomes(), path)
    assert path.read_bytes() == BYTES
    assert list(path.parent.iterdir()) == [path]


def test_a_link_stays_a_link(path):
    link = path.with_name("link.json")
    link.symlink_to(path)
    write(REPORT, link)
    assert link.is_symlink()
    assert path.read_bytes() == BYTES


def test_others_may_read_a_report_as_they_may_any_new_file(path):
    plain = path.with_name("plain")
    plain.touch()
    write(REPORT, path)
    assert path.stat().st_mode == plain.stat().st_mode


def test_preparing_a_path_makes_its_folder_and_leaves_nothing(tmp_path):
    prepare(tmp_path / "a" / "b" / "r.json", force=False)
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_an_existing_report_is_replaced_only_by_force(path):
    write(REPORT, path)
    with pytest.raises(ReportError, match="exists") as caught:
        prepare(path, force=False)
    assert "--force" in caught.value.hint
    prepare(path, force=True)
    assert path.read_bytes() == BYTES


def test_a_path_that_cannot_be_written_fails_before_anything_is_measured(tmp_path):
    (tmp_path / "file").touch()
    long = tmp_path / ("x" * 300)
    for place in (tmp_path / "file" / "r.json", long, tmp_path / "a\0b", Path("/proc/r.json")):
        with pytest.raises(ReportError, match="cannot be written"):
            prepare(place, force=False)
    for place in (tmp_path, Path("/dev/null")):
        with pytest.raises(ReportError, match="not a regular file"):
            prepare(place, force=True)


def test_a_full_disk_is_seen_before_anything_is_measured(path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(ReportError, match="No space left"):
        prepare(path, force=False)
    assert list(path.parent.iterdir()) == []


def test_the_default_path_is_the_moment_in_utc():
    moment = datetime(2026, 11, 23, 21, 0, 5, tzinfo=timezone(timedelta(hours=9)))
    assert default_path(moment) == Path("reports/2026-11-23T120005Z.json")
    assert re.fullmatch(r"[\w./-]+", str(default_path(moment)))


def test_ids_in_a_file_are_ids_that_parse():
    assert all(
        Benchmark.parse(outcome.benchmark.id).id == outcome.benchmark.id
        for outcome in REPORT.outcomes
    )


def test_a_report_that_begins_now_says_so_and_by_what_it_was_made(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lnbench", "run", "quick"])
    before = datetime.now(UTC).replace(microsecond=0)
    begun = head()
    assert set(begun) == set(Head.__struct_fields__) - {"schema", "environment"}
    assert before <= begun["created"] <= datetime.now(UTC)
    assert begun["created"].microsecond == 0
    tool = begun["tool"]
    assert (tool.name, tool.version, tool.arguments) == ("lnbench", __version__, ("run", "quick"))


def test_a_moment_is_kept_in_utc_whatever_the_zone():
    east = timezone(timedelta(hours=5))
    moved = msgspec.structs.replace(made(), created=datetime(2026, 11, 1, 3, tzinfo=east))
    assert moved.created.tzinfo is UTC
    assert moved.created == datetime(2026, 10, 31, 22, tzinfo=UTC)


def test_the_sides_of_a_comparison_lose_the_folders_of_the_machine(path):
    plain = made()
    texts = ("python:/opt/secret/bin/python", "git:main")
    sides = tuple(ReportSide(text, "", 0.0, plain.environment) for text in texts)
    write(made(sides=sides), path)
    assert [side.text for side in read(path).sides] == ["python:python", "git:main"]


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (b'{"schema": 99, "kind": "benchmarks"}', "needs an lnbench that reads", "upgrade lnbench"),
        (b'{"a": 1}', "is no report of lnbench", "lnbench run writes one"),
        (b"nonsense", "is no JSON: invalid character", ""),
    ],
)
def test_what_cannot_be_read_says_what_to_do(path, data, message, hint):
    path.write_bytes(data)
    with pytest.raises(ReportError) as caught:
        read(path)
    assert f"{path} {message}" in caught.value.message
    assert hint in caught.value.hint


def test_every_sentence_about_a_file_names_it(tmp_path):
    with pytest.raises(ReportError) as caught:
        read(tmp_path / "none.json")
    assert caught.value.message.startswith(f"{tmp_path / 'none.json'} cannot be read: ")
    (tmp_path / "file").write_text("")
    for deed in (lambda p: prepare(p, force=False), lambda p: files.replace(p, b"")):
        with pytest.raises(ReportError) as caught:
            deed(tmp_path / "file" / "a.json")
        assert caught.value.message.startswith(f"{tmp_path / 'file' / 'a.json'} cannot be written")


def test_a_path_that_is_taken_says_what_to_choose(tmp_path):
    with pytest.raises(ReportError) as caught:
        prepare(tmp_path, force=True)
    assert caught.value.hint == "choose another --output"
    (tmp_path / "a.json").write_text("")
    with pytest.raises(ReportError) as caught:
        prepare(tmp_path / "a.json", force=False)
    assert caught.value.hint == "choose another --output, or --force to replace it"


def test_a_report_that_contradicts_itself_names_its_file_and_whom_to_tell(path):
    twice = made(*[factories_measured()] * 2)
    with pytest.raises(ReportError) as caught:
        write(twice, path)
    assert caught.value.message.startswith(f"{path}: outcomes[1]: ")
    assert caught.value.hint == "a clock or a plug-in told nonsense: please report it"


@pytest.mark.parametrize("change", [{"seed": "x"}, {"outcomes": 3}])
def test_a_report_with_a_foreign_value_says_that_it_was_changed(path, change):
    write(made(), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ReportError) as caught:
        read(path)
    assert caught.value.message.startswith(f"{path}: {next(iter(change))}: ")
    assert "measure again, or mend it" in caught.value.hint
