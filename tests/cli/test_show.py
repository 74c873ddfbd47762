"""`lnbench show`: tables of an invented report; LNBENCH_WRITE_GOLDEN=1 writes tests/golden anew."""

import json
import os
from pathlib import Path

import msgspec
import pytest
from factories import failed, measured, report, skipped
from typer.testing import CliRunner

from lnbench.cli import completion
from lnbench.cli.app import app
from lnbench.record import report as reports
from lnbench.record.busy import Busy
from lnbench.record.outcome import (
    Agreement,
    Caveat,
    CaveatKind,
    Measured,
    OutputAgreement,
    Stopped,
)

GOLDEN = Path(__file__).parent.parent / "golden"
NO_DEVICE = "triton needs a CUDA device; TRITON_INTERPRET=1 interprets it on the CPU, slowly"
METRICS = ("time", "speedup", "bandwidth", "copy", "error", "memory")


def rows(direction, shape, dtype, time_s):
    """Return the outcomes of one case: numpy takes twice the time of the copy, eager 1.1 times."""
    case = f"layernorm/{direction}/{shape}/{dtype}/cpu"

    def one(name, factor, ulp, **fields):
        found = OutputAgreement(1e-6, 1e-7, ulp, 4e-6)
        fields = {"noise": 0.004, "agreement": Agreement({"y": found})} | fields
        return measured(f"{case}/{name}", factor * time_s, **fields)

    rough = (Caveat(CaveatKind.PEER_INACCURATE, "y off by 0.2"),)
    return (
        one("numpy", 2.0, 2.2, peak_extra_bytes=8 << 20),
        one("torch-eager", 1.1, 3.5, peak_extra_bytes=4 << 20, caveats=rough),
        skipped(f"{case}/triton", NO_DEVICE),
        one("copy", 1.0, 0.5, peak_extra_bytes=0),
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the invented report r.json."""
    monkeypatch.chdir(tmp_path)
    error = "y is off by 0.01 (0.024 of its scale, 4.4e-06 allowed)"
    made = report(
        *rows("forward", "128x768", "float32", 1e-5),
        *rows("forward", "4096x1024", "float32", 1e-3),
        *rows("forward", "4096x1024", "bfloat16", 6e-4),
        *rows("backward", "4096x1024", "float32", 1.5e-3),
        failed("layernorm/backward/4096x1024/float32/cpu/torch-compile", error),
    )
    reports.write(made, Path("r.json"))
    return tmp_path


def show(*arguments, code=0, columns=100):
    found = CliRunner().invoke(app, ["show", *map(str, arguments)], env={"COLUMNS": str(columns)})
    assert found.exit_code == code, (found.stdout, found.stderr, found.exception)
    return found


def check(name, text):
    path = GOLDEN / name
    text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    if os.environ.get("LNBENCH_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def cells(*arguments):
    """Return the texts of the Markdown tables: one list of lines, each a list of cells, a table."""
    tables = []
    for line in show("r.json", *arguments, "--format", "markdown").stdout.splitlines():
        if line.startswith("#"):
            tables.append([])
        elif line.startswith("|"):
            tables[-1].append([cell.strip() for cell in line.strip("|").split("|")])
    return tables


@pytest.mark.parametrize("columns", [80, 140])
def test_tables_on_a_terminal(folder, columns):
    text = show("r.json", columns=columns).stdout

    check(f"show-{columns}.txt", text)
    assert max(map(len, text.splitlines())) <= columns


def test_tables_in_markdown(folder):
    check("show-markdown.txt", show("r.json", "--format", "markdown").stdout)


@pytest.mark.parametrize("by", ["shape", "dtype", "backend"])
def test_a_pivot_on_a_terminal(folder, by):
    check(f"show-by-{by}.txt", show("r.json", "--by", by, columns=80).stdout)


def test_only_failures_still_show_with_their_words(folder):
    made = report(failed("triton"), failed("numpy", "killed by SIGSEGV"), skipped("torch-eager"))
    reports.write(made, Path("failures.json"))

    check("show-failures.txt", show("failures.json", columns=80).stdout)
    kinds = [row["kind"] for row in json.loads(show("failures.json", "--format=json").stdout)]
    assert kinds == ["failed", "failed", "skipped"]


@pytest.fixture
def on_cuda(folder):
    """A row of a GPU, whose clock and profiler have said what the host does for a call."""
    seen = {"clock": "cuda events", "launch_s": 7.25e-6, "kernels": 2}
    name = "layernorm/backward/4096x1024/float32/cuda/triton"
    made = report(measured(name, 1e-5, page_faults=None, details=seen))
    reports.write(made, Path("cuda.json"))


def test_the_time_of_a_launch_stands_beside_the_time_of_the_kernels(on_cuda):
    head, line = [text.split() for text in _table(show("cuda.json", columns=140).stdout)]

    assert line[head.index("shape")] == "4096x1024"
    assert "launch kernels" in " ".join(head)
    assert "7.25 µs 2" in " ".join(line)


def test_a_table_has_no_column_of_what_its_device_does_not_have(on_cuda):
    wide = show("cuda.json", columns=140).stdout

    assert "faults" not in wide
    assert "launch" not in show("r.json", columns=140).stdout
    assert "launch" not in _table(show("cuda.json", columns=80).stdout)[0]


def _table(text):
    """Return the head and the lines of the one table in a text, its rule left out."""
    lines = text.split("\n\n")[1].splitlines()[1:]
    return [line for line in lines if "─" not in line and not line.startswith(" " * 2)][:2]


# What stands in the columns and in the cells


def test_the_axis_stands_in_the_columns_and_the_others_in_front(folder):
    forward, backward = cells("--by", "shape")
    assert forward[0] == ["backend", "dtype", "128x768", "4096x1024"]
    assert backward[0] == ["backend", "dtype", "4096x1024"]

    forward, _ = cells("--by", "dtype")
    assert forward[0] == ["backend", "shape", "float32", "bfloat16"]
    lines = {(line[0], line[1]): line[2:] for line in forward[2:]}
    assert lines["numpy", "128x768"][1] == "–"
    assert lines["numpy", "4096x1024"] == ["2.00 ms", "1.20 ms"]

    forward, backward = cells("--by", "backend")
    assert forward[0] == ["shape", "dtype", "numpy", "torch-eager", "triton", "copy"]
    assert backward[0][-1] == "torch-compile"


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("by", ["backend", "shape", "dtype"])
def test_every_metric_stands_in_every_pivot_with_its_unit(folder, by, metric):
    unit = {
        "time": ("µs", "ms"),
        "speedup": ("×",),
        "bandwidth": ("GB/s",),
        "copy": ("%",),
        "error": ("ulp",),
        "memory": ("MiB", "0 B"),
    }[metric]

    tables = cells("--by", by, "--metric", metric)

    values = [cell for table in tables for line in table[2:] for cell in line[2:]]
    assert {"skipped", "failed"} <= set(values)
    numbers = [value.removesuffix(" ★") for value in values if value[0].isdigit()]
    assert len(numbers) >= 8
    assert all(number.endswith(unit) for number in numbers)


def test_a_metric_alone_stands_in_a_pivot_by_backend(folder):
    assert cells("--metric", "error") == cells("--metric", "error", "--by", "backend")


def test_the_best_has_a_star_and_the_limit_never(folder):
    for table in cells():
        assert {line[1] for line in table if "★" in line[1]} == {"**torch-eager ★**"}


def test_speedups_are_against_torch_eager_where_nobody_says(folder):
    speedups = {row["backend"]: row["speedup"] for row in rows_of()}

    assert speedups["torch-eager"]["value"] == 1
    assert speedups["numpy"]["value"] == pytest.approx(1.1 / 2, rel=0.03)
    assert speedups["copy"] is None


def test_speedups_are_against_the_backend_that_is_named(folder):
    speedups = {row["backend"]: row["speedup"] for row in rows_of("--relative-to", "numpy")}

    assert speedups["numpy"]["value"] == 1
    assert speedups["torch-eager"]["value"] == pytest.approx(2 / 1.1, rel=0.03)


def rows_of(*arguments):
    found = json.loads(show("r.json", "--format", "json", *arguments).stdout)
    return [row for row in found if "/forward/4096x1024/float32/" in row["id"]]


def test_json_has_a_row_an_outcome_with_its_notes(folder):
    found = json.loads(show("r.json", "--format", "json").stdout)

    assert [row["id"] for row in found] == [
        each.benchmark.id for each in reports.read(Path("r.json")).outcomes
    ]
    notes = {row["backend"]: row["notes"] for row in found}
    assert notes["triton"] == [f"skipped: {NO_DEVICE}"]
    assert notes["torch-eager"] == ["peer-inaccurate: y off by 0.2"]
    assert notes["torch-compile"][0].startswith("failed (verify): y is off by 0.01")
    assert notes["copy"] == []


def test_json_of_a_report_without_outcomes_is_an_empty_list(folder):
    reports.write(report(), Path("none.json"))

    assert json.loads(show("none.json", "--format", "json").stdout) == []


def test_a_report_without_outcomes_says_so(folder):
    reports.write(report(), Path("none.json"))

    assert "no results" in show("none.json").stderr


@pytest.mark.parametrize("by", ["backend", "shape", "dtype"])
def test_caveats_travel_with_the_numbers_of_a_pivot(folder, by):
    text = " ".join(show("r.json", "--by", by).stdout.split())

    assert "triton needs a CUDA device" in text
    assert "peer-inaccurate" in text
    assert "y is off by 0.01" in text


def test_a_title_is_one_line(folder):
    reports.write(report(measured("numpy")), Path("narrow.json"))

    for metric in METRICS:
        text = show("narrow.json", "--by", "shape", "--metric", metric).stdout
        assert f"layernorm · forward · cpu · {metric}" in text


def test_speedups_against_a_backend_that_was_not_measured_say_so(folder):
    found = show("r.json", "--relative-to", "triton")

    assert "triton was not measured" in found.stdout + found.stderr


# Which columns


def head_of(*arguments, columns=80, name="r.json"):
    text = show(name, *arguments, columns=columns).stdout
    return next(line for line in text.splitlines() if line.startswith("shape")).split("   ")


def test_columns_are_chosen_by_name_and_need_no_room(folder):
    assert head_of("--columns", "time,ratio,copy") == head_of("--columns=time,speedup,% of copy")
    chosen = [name.strip() for name in head_of("--columns", "memory,time", columns=46) if name]
    assert chosen == ["shape", "backend", "memory", "time"]
    wide = "".join(head_of("--wide", columns=150))
    assert "bound by" in wide
    assert "bound by" in show("r.json", "--wide", columns=60).stdout
    assert cells("--columns", "copy")[0][0] == ["shape", "backend", "% of copy"]


def test_a_column_that_is_none_is_answered_with_the_nearest_before_anything_is_read(folder):
    for command in (["show", "r.json"], ["run", "quick"]):
        arguments = [*command, "--columns", "time,coppy"]
        found = CliRunner().invoke(app, arguments)
        assert found.exit_code == 2
        assert found.stderr.splitlines()[-2:] == [
            "error: --columns: unknown column 'coppy'",
            "hint: did you mean 'copy'?",
        ]
    found = CliRunner().invoke(app, ["diff", "r.json", "r.json", "--columns", "ration"])
    assert "did you mean 'ratio'?" in found.stderr


@pytest.mark.parametrize("flags", [("--by", "shape"), ("--metric", "copy"), ("--explain",)])
def test_a_table_with_columns_of_its_own_takes_no_others(folder, flags):
    found = show("r.json", *flags, "--columns", "time", code=2)
    assert "has its own columns" in found.stderr


def test_columns_are_completed_behind_a_comma():
    assert completion.columns("time,co") == ["time,copy"]
    assert completion.judged_columns("ra") == ["ratio"]


@pytest.mark.parametrize("columns", [20, 50, 60])
def test_names_are_whole_on_the_narrowest_screen(folder, columns):
    text = show("r.json", columns=columns).stdout
    for name in ("4096x1024", "torch-eager ★", "torch-compile", "triton"):
        assert any(f" {name}" in f" {line}" for line in text.splitlines())
    several = show("r.json", "--by", "backend", columns=columns).stdout
    assert all(name in several for name in ("4096x1024", "bfloat16", "torch-compile"))


# Who is fastest


LINES = [
    "128x768 float32 forward: torch-eager is fastest, 1.80–1.82× as fast as numpy",
    "4096x1024 float32 forward: torch-eager is fastest, 1.81–1.83× as fast as numpy",
    "4096x1024 bfloat16 forward: torch-eager is fastest, 1.81–1.83× as fast as numpy",
    "4096x1024 float32 backward: torch-eager is fastest, 1.81–1.83× as fast as numpy",
]


def test_the_summary_alone_is_the_lines_that_stand_below_the_tables(folder):
    alone = show("r.json", "--summary").stdout.splitlines()
    below = show("r.json").stdout.splitlines()

    assert [line.rstrip() for line in alone] == LINES
    assert [line.strip() for line in below if "is fastest" in line] == LINES


def test_the_summary_in_markdown_is_a_line_a_case(folder):
    text = show("r.json", "--summary", "--format", "markdown").stdout
    assert text == "  \n".join(LINES) + "\n"  # two blanks break a line


def test_the_answer_stands_between_a_table_and_its_notes(folder):
    for table in show("r.json", "--format", "markdown").stdout.split("### ")[1:]:
        kinds = ["|-*".index(line[0]) for line in table.splitlines()[1:] if line]
        assert kinds == sorted(kinds, key=[0, 2, 1].index)
        assert set(kinds) == {0, 1, 2}


def test_the_summary_in_json_is_who_is_fastest_in_each_case(folder):
    found = json.loads(show("r.json", "--summary", "--format", "json").stdout)
    assert [each["fastest"] for each in found] == ["torch-eager"] * len(LINES)


# Who stopped early


@pytest.fixture
def late(folder):
    """A report of a row of 1 pass, one of 9 and one of all 12."""
    rows = (
        measured("numpy", 3e-3, passes=1, stopped=Stopped.TIME),
        measured("numba", passes=9, stopped=Stopped.TIME),
        measured("triton", passes=9, stopped=Stopped.PRECISION),
        measured("torch-eager", 2e-3, stopped=Stopped.TIME),
    )
    reports.write(report(*rows), Path("late.json"))


def test_a_row_whose_time_ran_out_before_that_of_others_says_so(late):
    text = show("late.json", columns=140).stdout
    head = next(line for line in text.splitlines() if line.startswith("shape"))
    place = slice(head.index("out of time"), head.index("speedup"))

    said = {}
    for line in text.splitlines():
        for name in ("numpy", "numba", "triton", "torch-eager"):
            if f"  {name} " in line[: place.start]:
                said[name] = line[place].strip()

    assert said == {"numpy": "1 of 12", "numba": "9 of 12", "triton": "–", "torch-eager": "–"}
    assert "out of time" not in show("r.json", columns=140).stdout


def test_who_ran_out_of_time_is_one_note_whatever_the_screen(late):
    for columns in (50, 80, 140):
        text = " ".join(show("late.json", columns=columns).stdout.split())
        assert "out of time after 1 to 9 passes: numpy and numba 4096x1024" in text
    found = json.loads(show("late.json", "--format", "json").stdout)
    notes = {row["backend"]: row["notes"] for row in found}
    assert notes["numpy"][0] == "out of time after 1 pass"
    assert notes["numba"][0] == "out of time after 9 passes"
    assert notes["triton"] == notes["torch-eager"] == []


def test_what_a_narrow_screen_has_no_room_for_breaks_no_name(late):
    for columns in range(78, 100):
        text = show("late.json", columns=columns).stdout
        assert "torch-eager" in text
        assert max(map(len, text.splitlines())) <= columns


def test_the_head_does_not_claim_the_most_passes_for_all(late):
    assert "· 1 to 12 passes\n" in show("late.json").stdout
    assert "· 12 passes\n" in show("r.json").stdout


# What a user can get wrong


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--by", "backnd"), "did you mean 'backend'?"),
        (("--metric", "tiem"), "did you mean 'time'?"),
        (("--format", "jsn"), "did you mean 'json'?"),
        (("--relative-to", "nunpy"), "did you mean 'numpy'?"),
    ],
)
def test_an_unknown_name_exits_with_2_and_the_near_name(folder, arguments, words):
    found = show("r.json", *arguments, code=2)

    assert found.stderr.startswith("error: ")
    assert words in found.stderr
    assert found.stdout == ""


def damaged(text):
    """Yield what may have happened to a report, and a word of what must be said."""
    yield "", "is empty"
    yield text[:900], "is cut short"
    yield text[:-3], "is cut short"
    yield "PK\x03\x04", "is no JSON"
    yield "{}", "is no report of lnbench"
    yield "[1, 2]", "is no report of lnbench"
    yield text.replace('"benchmarks"', '"comparison"', 1), "required field 'sides'"
    yield '{"schema": 1, "kind": "training"}', "object missing required field"
    yield '{"schema": 2, "kind": "training"}', "needs an lnbench that reads schema 2"
    yield '{"schema": 1, "kind": "training", "runs": ' + "[" * 100_000, "nested without end"
    yield text.replace('"schema": 1', '"schema": 2'), "needs an lnbench that reads schema 2"
    yield text.replace('"iterations": 1', '"iterations": 0', 1), "outcomes[0].iterations"
    yield text.replace('"iterations": 1', '"itterations": 1', 1), "itterations"
    yield text.replace('"first_call_s": ', '"first_call_s": -', 1), "outcomes[0].first_call_s"
    yield text.replace('"dtype": "bfloat16"', '"dtype": "bf16"', 1), "bf16"
    yield "[" * 100_000, "is no report of lnbench"


@pytest.mark.parametrize("number", range(16))
def test_a_damaged_foreign_or_newer_file_is_one_sentence_and_exit_2(folder, number):
    text, words = list(damaged(Path("r.json").read_text(encoding="utf-8")))[number]
    Path("bad.json").write_text(text, encoding="utf-8")

    found = show("bad.json", code=2)

    assert found.stdout == ""
    assert found.stderr.startswith("error: bad.json")
    assert words in found.stderr
    assert len(found.stderr.splitlines()) <= 2


@pytest.mark.parametrize("path", ["nix.json", "r.json/inside.json"])
def test_what_is_not_there_is_one_sentence_and_exit_2(folder, path):
    found = show(path, code=2)

    assert found.stderr.startswith(f"error: {path} is no report: there is no such file\n")
    assert len(found.stderr.splitlines()) == 2


def test_of_a_folder_and_of_reports_the_newest_is_shown(folder):
    Path("reports").mkdir()
    for age, name in enumerate(("new", "middle", "old")):
        path = Path(f"reports/{name}.json")
        path.write_bytes(Path("r.json").read_bytes())
        os.utime(path, (1e9 - age, 1e9 - age))

    assert show("reports").stderr.startswith("the newest of reports: reports/new.json\n")
    assert show().stdout == show("r.json").stdout


def test_several_reports_are_shown_one_after_the_other(folder):
    both = show("r.json", "r.json")

    assert both.stdout == "\n".join([show("r.json").stdout] * 2)
    assert both.stderr.splitlines().count("r.json:") == 2
    assert "shows one report" in show("r.json", "r.json", "--format", "json", code=2).stderr


def test_where_nothing_was_measured_yet_there_is_nothing_to_show(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert show(code=2).stderr.splitlines() == [
        "error: reports holds no report (*.json)",
        "hint: lnbench run writes one",
    ]


def test_the_first_report_ever_written_still_shows():
    found = show(Path(__file__).parent.parent / "data" / "report-v1.json")

    assert "layernorm" in found.stdout


@pytest.mark.parametrize("columns", [80, 140])
def test_the_noise_of_every_row_is_explained_within_the_screen(folder, columns):
    found = show("r.json", "--explain", columns=columns).stdout

    assert max(map(len, found.splitlines())) <= columns
    for word in ("samples", "processes", "passes", "for ±5%", "mostly", "torch-eager", "4096x1024"):
        assert word in found
    assert ("rounds  " in found) == ("drift" in found) == (columns > 110)
    assert found.count("numpy") >= 4
    assert "triton" not in found  # it was skipped


def test_the_share_of_timed_calls_is_said_of_sessions_that_were_watched(folder):
    assert "timed calls" not in show("r.json", "--explain").stdout
    kept = reports.read(Path("r.json"))
    seconds = 4 * sum(
        each.iterations * time_s
        for each in kept.outcomes
        if isinstance(each, Measured)
        for times in each.times_s
        for time_s in times
    )
    watched = msgspec.structs.replace(kept, busy=Busy(cpus=2, seconds=seconds))
    reports.write(watched, Path("watched.json"))

    (line,) = [
        line for line in show("watched.json", "--explain").stdout.splitlines() if "timed" in line
    ]

    assert f"of {seconds:.3g} s (25%)" in line


def test_the_noise_in_json_says_what_the_table_says(folder):
    found = json.loads(show("r.json", "--explain", "--format", "json").stdout)

    assert len(found) == 12
    assert found[0]["id"] == "layernorm/forward/128x768/float32/cpu/numpy"
    assert found[0]["source"] in {"samples", "rounds", "processes", "passes"}
    assert found[0]["units"] == found[0]["units_for_precision"] == 12


def test_nothing_measured_has_nothing_to_explain(folder):
    reports.write(report(), Path("none.json"))
    assert "no row that was measured" in show("none.json", "--explain").stderr
    assert show("none.json", "--explain", "--format", "json").stdout == "[]\n"


# Pages and pictures


@pytest.fixture
def drawn(folder):
    pytest.importorskip("vl_convert")
    pytest.importorskip("altair")
    return folder


def test_a_page_goes_where_it_is_asked_to_and_the_screen_stays_empty(drawn):
    found = show("r.json", "r.json", "--format", "html", "-o", "page.html")

    assert found.stdout == ""
    assert "written: page.html" in found.stderr
    assert Path("page.html").read_text().count("<h1>") == 2


def test_a_table_in_a_file_is_that_of_a_wide_screen(folder):
    show("r.json", "-o", "r.txt")

    assert Path("r.txt").read_text().split() == show("r.json", columns=140).stdout.split()


def test_no_report_is_written_over_by_what_it_shows(drawn):
    before = Path("r.json").read_bytes()

    for flags in (["-o", "r.json"], ["-o", "./r.json", "--format", "html"]):
        assert "is a report that is read" in show("r.json", *flags, code=2).stderr
    assert Path("r.json").read_bytes() == before


def test_a_picture_is_of_the_metric_that_is_asked_for(drawn):
    show("r.json", "--plot", "time.svg")
    show("r.json", "--plot", "copy.svg", "--metric", "copy")

    assert "time against" in Path("time.svg").read_text()
    assert "% of copy against" in Path("copy.svg").read_text()
    refused = show("r.json", "--plot", "c.svg", "--metric", "memory", code=2).stderr
    assert "time, bandwidth and copy are drawn" in refused
    assert "ends in none of .svg, .png, .pdf" in show("r.json", "--plot", "c.gif", code=2).stderr
    assert "shows one report" in show("r.json", "r.json", "--plot", "c.svg", code=2).stderr


ENERGY = {"energy_j": (2e-3, 1e-3, 9e-3)}
NO_ENERGY = (Caveat(CaveatKind.NO_ENERGY, "this machine shows no energy counter (RAPL)"),)


def test_energy_is_a_column_only_where_it_was_measured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, other = measured("numpy", **ENERGY), measured("numba", caveats=NO_ENERGY)
    reports.write(report(one, other), tmp_path / "some.json")
    reports.write(report(other), tmp_path / "none.json")
    shown = show("some.json", columns=80).stdout
    assert "energy" in shown.splitlines()[4]
    assert "2.00 mJ" in shown  # the middle one
    assert shown.count("no-energy") == 1
    assert "energy" not in show("none.json", columns=80).stdout.splitlines()[4]
    told = json.loads(show("some.json", "--format", "json").stdout)
    assert [row["energy_j"] for row in told] == [2e-3, None]
    assert "2.00 mJ" in show("some.json", "--metric", "energy").stdout
