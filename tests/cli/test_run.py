"""`lnbench run`: what its flags mean, what it writes, prints and exits with.

Machine and session are invented; runs of real ones are in test_run_measures.py.
"""

import json
from pathlib import Path

import pytest
import typer
from factories import failed, invented, skipped

from lnbench.cli.app import app
from lnbench.plan.budget import PRESETS
from lnbench.record import report as reports
from lnbench.record.outcome import Measured

SMALL = ("--shape", "8x16", "--direction", "forward")


def here():
    return sorted(path.name for path in Path().iterdir())


def shapes(fake):
    return {each.case.shape for each in fake.session.benchmarks}


def cases(name):
    return lambda fake: {getattr(each.case, name) for each in fake.session.benchmarks}


def options(name):
    return lambda fake: {getattr(each.case.options, name) for each in fake.session.benchmarks}


def backends(fake):
    return {each.backend for each in fake.session.benchmarks}


def budget(name):
    return lambda fake: getattr(fake.session.setting.budget, name)


# What flags and variables mean


@pytest.mark.parametrize(
    ("variable", "text", "flag", "seen", "by_variable", "by_flag"),
    [
        ("SHAPE", "8x16,9x16", "--shape=7x7", shapes, {(8, 16), (9, 16)}, {(7, 7)}),
        ("DIRECTION", "step", "--direction=forward", cases("direction"), {"step"}, {"forward"}),
        ("DTYPE", "float16", "--dtype=float64", cases("dtype"), {"float16"}, {"float64"}),
        ("DEVICE", "cpu", "--device=xpu", cases("device"), {"cpu"}, {"xpu:0"}),
        ("BACKEND", "numpy", "-b triton", backends, {"numpy", "copy"}, {"triton", "copy"}),
        ("CACHE", "cold", "--cache=hot", options("cache"), {"cold"}, {"hot"}),
        ("OUTPUTS", "ready", "--outputs=allocated", options("output"), {"ready"}, {"allocated"}),
        ("FILTER", "*/numpy", "--filter=*/copy", backends, {"numpy", "copy"}, {"copy"}),
        ("PASSES", "3", "--passes=4", budget("passes"), 3, 4),
        ("TIME", "3", "--time=4", budget("time_s"), 3, 4),
        ("MAX_TIME", "30", "--max-time=40", budget("max_time_s"), 30, 40),
        ("TIMEOUT", "3", "--timeout=4", budget("timeout_s"), 3, 4),
        ("PRECISION", "3%", "--precision=0.04", budget("precision"), 0.03, 0.04),
        ("THREADS", "1", "--threads=2", lambda fake: fake.session.setting.threads, 1, 2),
        ("SEED", "3", "--seed=4", lambda fake: fake.session.setting.seed, 3, 4),
        ("START_METHOD", "spawn", "--start-method=fork", lambda fake: fake.session.spawn, 1, 0),
        ("SUITE", "decode", "odd", lambda fake: min(shapes(fake)), (1, 4096), (67, 123479)),
        ("OUTPUT", "a.json", "-o b.json", lambda _: here(), ["a.json"], ["b.json"]),
    ],
)
def test_a_flag_has_a_variable_and_beats_it(
    fake, variable, text, flag, seen, by_variable, by_flag, tmp_path, monkeypatch
):
    env = {f"LNBENCH_{variable}": text}
    for arguments, expected in (((), by_variable), (tuple(flag.split()), by_flag)):
        folder = tmp_path / str(len(arguments))
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert fake.call(*arguments, env=env).exit_code == 0
        assert seen(fake) == expected


def every_option(command, path="lnbench"):
    """Yield every option of a command and of those below it."""
    for parameter in command.params:
        if parameter.param_type_name == "option":
            yield path, parameter
    for name, below in getattr(command, "commands", {}).items():
        yield from every_option(below, f"{path} {name}")


def test_every_flag_of_every_command_has_a_variable_of_its_name():
    found = list(every_option(typer.main.get_command(app)))

    assert len(found) > 50
    for path, option in found:
        flag = max(option.opts, key=len).removeprefix("--")
        if flag not in ("version", "help", "install-completion", "show-completion"):
            assert option.envvar == f"LNBENCH_{flag.upper().replace('-', '_')}", f"{path} --{flag}"


def test_presets_come_by_variable_too(fake):
    fake.call(*SMALL, env={"LNBENCH_FAST": "1"})
    assert fake.session.setting.budget == PRESETS["fast"]

    fake.call(*SMALL, "-o", "other.json", env={"LNBENCH_RIGOROUS": "true", "LNBENCH_PASSES": "7"})
    assert fake.session.setting.budget.precision == PRESETS["rigorous"].precision
    assert fake.session.setting.budget.passes == 7


def test_flags_repeat_or_take_commas(fake):
    fake.call("--shape", "8x16", "--shape", "9x16,10x16", "--direction", "forward")

    assert shapes(fake) == {(8, 16), (9, 16), (10, 16)}


def test_a_filter_keeps_the_copy_of_what_it_keeps(fake):
    fake.call("--shape", "8x16,9x16", "--filter", "*/forward/8x16/*/numpy")

    found = [(each.case.shape, each.backend) for each in fake.session.benchmarks]
    assert found == [((8, 16), "numpy"), ((8, 16), "copy")]


def test_a_run_without_arguments_takes_the_suite_quick(fake):
    fake.call()

    (path,) = Path("reports").iterdir()
    assert reports.read(path).suite == "quick"
    assert {each.case.device for each in fake.session.benchmarks} == {"cpu"}
    assert {each.backend for each in fake.session.benchmarks} >= {"numpy", "torch-eager", "copy"}


def test_threads_reach_the_variables_of_the_workers(fake):
    fake.call(*SMALL, "--threads", "2")

    assert fake.session.interpreters[""].environment["OMP_NUM_THREADS"] == "2"
    assert fake.session.interpreters[""].environment["OPENBLAS_NUM_THREADS"] == "1"


# What a user can get wrong


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--precision x", "error: --precision: 'x' is not a share; write it like 5% or 0.05"),
        ("--precision 0", "--precision: precision must be above 0"),
        ("--passes 0", "error: --passes: passes must be above 0 and at most 1,000,000, not 0"),
        ("--time -1", "error: --time: time must be above 0 and at most 2,000,000, not -1"),
        ("--time nan", "error: --time: time must be above 0"),
        ("--max-time 0", "must be above 0 and at most 2,000,000, not 0"),
        ("--fast --rigorous", "error: --fast and --rigorous exclude each other"),
        ("quik", "hint: did you mean 'quick'?"),
        ("-b nunpy", "hint: did you mean 'numpy'?"),
        ("--operation layernrom", "hint: did you mean 'layernorm'?"),
        ("--direction forwad", "hint: did you mean 'forward'?"),
        ("--dtype flaot32", "hint: did you mean 'float32'?"),
        ("--device cudda", "hint: did you mean 'cuda'?"),
        ("--device cuda:x", "error: --device: unknown device 'cuda:x'"),
        ("--cache hott", "hint: did you mean 'hot'?"),
        ("--outputs redy", "hint: did you mean 'ready'?"),
        ("--format tabel", "hint: did you mean 'table'?"),
        ("--shape 8x", "error: --shape: shape '8x' is not a shape"),
        ("--shape 8x-1", "is not a shape"),
        ("-b ,", "error: --backend: a value is empty"),
        ("--start-method frok", "error: --start-method: 'frok' is neither fork nor spawn"),
        ("--config nix.yaml", "error: nix.yaml cannot be read: No such file or directory"),
        ("--resume nix.json", "error: nix.json cannot be read: No such file or directory"),
    ],
)
def test_a_mistake_is_one_sentence_with_what_to_do_and_exit_2(fake, arguments, words):
    found = fake.call(*arguments.split())

    assert found.exit_code == 2
    assert found.stdout == ""
    assert words in found.stderr
    assert found.stderr.startswith("error: ")
    assert found.stderr.count("error: ") == 1
    assert "Traceback" not in found.stderr
    assert len(found.stderr.splitlines()) <= 2  # the error and its hint
    assert fake.session is None
    assert here() == []


@pytest.mark.parametrize("arguments", ["--threads 0", "--passes many", "--seed -1", "--nix", "a b"])
def test_what_no_option_can_be_is_a_usage_error_and_exit_2(fake, arguments):
    found = fake.call(*arguments.split())

    assert found.exit_code == 2
    assert "Usage" in found.stderr
    assert fake.session is None


def test_an_unknown_backend_to_relate_to_is_found_before_measuring(fake):
    found = fake.call(*SMALL, "--relative-to", "nummpy", "--quiet")

    assert found.exit_code == 2
    assert fake.session is None


def test_a_step_into_ready_outputs_is_refused(fake):
    found = fake.call("--direction", "step", "--outputs", "ready")

    assert found.exit_code == 2
    assert "a step allocates its results" in found.stderr


# Where the report goes


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("there.json", "there.json exists"),
        ("folder", "folder is not a regular file"),
        ("there.json/inside.json", "there.json/inside.json cannot be written"),
        ("/proc/nix/r.json", "/proc/nix/r.json cannot be written"),
    ],
)
def test_a_path_that_cannot_be_written_is_found_before_measuring(fake, path, words):
    Path("there.json").write_text("mine")
    Path("folder").mkdir()

    found = fake.call(*SMALL, "-o", path)

    assert found.exit_code == 2
    assert words in found.stderr
    assert fake.session is None
    assert Path("there.json").read_text() == "mine"


def test_force_writes_over_an_existing_report(fake):
    Path("there.json").write_text("mine")

    assert fake.call(*SMALL, "-o", "there.json", "--force").exit_code == 0
    assert len(reports.read(Path("there.json")).outcomes) > 0


def test_force_replaces_no_folder(fake):
    Path("folder").mkdir()

    assert fake.call(*SMALL, "-o", "folder", "--force").exit_code == 2


def test_folders_of_the_report_are_made(fake):
    assert fake.call(*SMALL, "-o", "a/b/c.json").exit_code == 0
    assert Path("a/b/c.json").is_file()


def test_no_temporary_file_is_left(fake):
    fake.call(*SMALL, "-o", "r.json")

    assert here() == ["r.json"]


# Exit codes


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (invented, 0),
        (lambda each: skipped(each.id) if each.backend == "numpy" else invented(each), 0),
        (lambda each: failed(each.id) if each.backend == "numpy" else invented(each), 3),
        (lambda each: failed(each.id) if each.backend == "numpy" else skipped(each.id), 3),
        (lambda each: skipped(each.id), 5),
    ],
)
def test_the_exit_code_follows_from_the_outcomes_and_the_report_is_there(fake, outcome, code):
    fake.outcome = outcome

    found = fake.call(*SMALL, "-b", "numpy,torch-eager", "-o", "r.json")

    assert found.exit_code == code
    assert len(reports.read(Path("r.json")).outcomes) == 3
    assert "Traceback" not in found.stderr


def test_a_run_in_which_nothing_but_the_limit_was_measured_exits_with_5(fake):
    fake.unavailable = {"numpy": "not today"}

    assert fake.call(*SMALL, "-b", "numpy").exit_code == 5


def test_a_selection_of_nothing_exits_with_5_and_writes_nothing(fake):
    found = fake.call("--filter", "*/nix/*")

    assert found.exit_code == 5
    assert "selects no benchmark" in found.stderr
    assert fake.session is None
    assert here() == []


def test_an_interrupt_exits_with_130_and_says_how_to_go_on(fake):
    fake.error = KeyboardInterrupt()

    found = fake.call(*SMALL, "-o", "r.json")

    assert found.exit_code == 130
    assert "--resume r.json" in found.stderr
    assert "numpy" in found.stdout
    assert len(reports.read(Path("r.json")).outcomes) > 0


def test_an_interrupt_while_the_report_is_written_loses_nothing(fake, monkeypatch):
    write, calls = reports.write, []

    def interrupted(report, path):
        calls.append(report)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(report, path)

    monkeypatch.setattr(reports, "write", interrupted)

    assert fake.call(*SMALL, "-o", "r.json").exit_code == 130
    assert reports.read(Path("r.json")).outcomes == calls[1].outcomes


# Streams and formats


def test_json_on_stdout_parses_and_the_rest_is_on_stderr(fake):
    fake.unavailable = {"triton": "no device"}

    found = fake.call(*SMALL, "-b", "numpy,triton", "--format", "json", "-o", "r.json")

    rows = {row["backend"]: row for row in json.loads(found.stdout)}
    assert rows["numpy"]["kind"] == "measured"
    assert rows["numpy"]["time_s"]["value"] == pytest.approx(2e-3, rel=0.1)
    assert rows["triton"]["notes"] == ["skipped: no device"]
    assert "report: r.json" in found.stderr
    assert "pass 1" in found.stderr


def test_markdown_on_stdout_is_a_table_and_the_rest_is_on_stderr(fake):
    found = fake.call(*SMALL, "-b", "numpy", "--format", "markdown", "-o", "r.json")

    table = [line for line in found.stdout.splitlines() if line.startswith("|")]
    assert len(table) == 4
    assert len({line.count("|") for line in table}) == 1
    assert "pass 1" not in found.stdout
    assert "r.json" not in found.stdout


def test_quiet_prints_nothing_and_writes_the_report(fake):
    found = fake.call(*SMALL, "-o", "r.json", "--quiet")

    assert (found.stdout, found.stderr) == ("", "")
    assert Path("r.json").is_file()


def test_a_dry_run_says_what_would_run_measures_nothing_and_writes_nothing(fake):
    fake.unavailable = {"triton": "no device"}

    found = fake.call(*SMALL, "-b", "numpy,triton", "--dry-run")

    assert found.exit_code == 0
    assert found.stdout.split() == [
        f"layernorm/forward/8x16/float32/cpu/{name}" for name in ("numpy", "copy")
    ]
    assert "cannot run here: layernorm/forward/8x16/float32/cpu/triton: no device" in found.stderr
    assert "2 of 3 rows can run here" in found.stderr
    assert fake.session is None
    assert here() == []


# What cannot run here


def test_an_unavailable_backend_is_a_skipped_row_with_its_reason(fake):
    fake.unavailable = {"triton": "triton needs a CUDA device"}

    found = fake.call(*SMALL, "-b", "numpy,triton", "-o", "r.json")

    by_backend = {each.benchmark.backend: each for each in reports.read(Path("r.json")).outcomes}
    assert by_backend["triton"].reason == "triton needs a CUDA device"
    assert isinstance(by_backend["numpy"], Measured)
    assert "triton needs a CUDA device" in " ".join(found.stdout.split())
    assert found.exit_code == 0


def test_energy_is_asked_for_by_its_flag_or_its_variable_alone(fake):
    fake.call("--quiet")
    assert fake.session.setting.energy is False
    fake.call("--quiet", "--energy", "--force")
    assert fake.session.setting.energy is True
    fake.call("--quiet", "--force", env={"LNBENCH_ENERGY": "1"})
    assert fake.session.setting.energy is True


def test_an_id_in_place_of_a_suite_is_a_suite_of_it_alone(fake):
    name = "rmsnorm/backward/3x5/bfloat16/cpu/numpy;cache=cold;bias=false;eps=0.001"
    fake.call(name, "--quiet")
    assert [row.id for row in fake.session.benchmarks if row.backend != "copy"] == [name]
