"""The house holds its own rules: sizes, annotations, names, floors, and what a command loads."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import factories
import pytest

import lnbench
from lnbench.record import report as reports

# The installed package, which CI builds into a wheel: not the tree beside the tests.
PACKAGE = Path(lnbench.__file__).parent
FILES = sorted(set(PACKAGE.rglob("*.py")) - set(PACKAGE.glob("templates/*_kernel.py")))
ROOT = Path(__file__).parents[1]

LINES, MOST_LINES = 250, 400
LONG_FILES = {
    "api.py": "three functions with all their arguments, and what they return",
    "kernel_calls.py": "how one user's function is called forward, backward and in a step",
    "measure/messages.py": "all that a session and its workers say to each other",
    "record/outcome.py": "what can come of a benchmark, with its fields' doc strings",
    "measure/subject.py": "a benchmark in its worker, by all that is asked of it",
    "session/block.py": "a pass, from its inputs to what is said of its outputs",
    "session/ledger.py": "all that is known of a row, and how it goes on from a report",
    "cli/options.py": "one entry an option, declared once for all commands",
    "render/diff_text.py": "all that a diff says in words, the same in each of its forms",
    "judge/groups.py": "a group, and its readings in diff and in ab",
    "operations/recurrent/equations.py": "the paper's equations of three cells, side by side",
    "operations/rowwise/numba/loops.py": "the loops that Numba keeps on disk as one file",
    "operations/rowwise/triton/backward.py": "sums, tiles and parts of one backward pass",
    "operations/rowwise/triton/forward.py": "a row in registers, in chunks, and shared out",
    "plan/case.py": "a case and its parts, each with its fields' doc strings",
    "testing.py": "a contract is one class, which plug-in authors read as a whole",
}

FUNCTION_LINES, MOST_FUNCTION_LINES = 40, 60
LONG_FUNCTIONS = {
    "api.py: check": "its signature, and a line an argument",
    "api.py: run": "its signature, and a line an argument",
    "cli/ab.py: ab_command": "its signature is the list of all options",
    "cli/run.py: run_command": "its signature is the list of all options",
    "cli/paper.py: train_command": "its signature is the list of all options",
    "judge/comparison.py: judge_sides": "one step a line, from reports to verdicts",
    "judge/diff.py: compare": "one keyword argument a line of what it returns",
    "operations/batchnorm/numpy.py: backward": "its signature and arrays' shapes are half of it",
    "operations/layernorm/numba.py: backward": "its signature and arrays' shapes are half of it",
    "operations/layernorm/numba.py: forward": "its signature and arrays' shapes are half of it",
    "operations/layernorm/numpy.py: forward": "its signature and arrays' shapes are half of it",
    "operations/layernorm/numpy.py: backward": "its signature and arrays' shapes are half of it",
    "operations/layernorm/triton.py: backward": "its signature and arrays' shapes are half of it",
    "operations/rowwise/triton/backward.py: backward_sums": "a kernel's arguments",
    "operations/rowwise/triton/backward.py: backward_tiles": "a kernel's arguments",
    "operations/rowwise/triton/two_pass.py: backward_slope": "a kernel's arguments",
    "operations/rowwise/triton/two_pass.py: backward_two_pass": "a kernel's arguments",
    "operations/rowwise/triton/forward.py: forward_looped": "a kernel's arguments",
    "operations/rowwise/triton/forward.py: forward_rows": "a kernel's arguments",
    "operations/rowwise/triton/launch.py: _launch_forward": "the arguments of four kernels",
}

SAY_NOTHING = {"core", "utils", "util", "common", "helpers", "helper", "misc", "base"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def place_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lengths() -> dict[str, int]:
    """Lines of every function, nested ones within their outer ones, decorators left out."""
    return {
        f"{place_of(path)}: {each.name}": each.end_lineno - each.lineno + 1
        for path in FILES
        for each in sorted(functions(path), key=lambda each: each.end_lineno - each.lineno)
    }


def sizes() -> dict[str, int]:
    return {place_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}


def test_a_file_holds_one_idea_that_fits_in_the_head():
    found = sizes()
    assert found
    assert {name: size for name, size in found.items() if size > MOST_LINES} == {}
    long = {name: size for name, size in found.items() if size > LINES}
    assert {name: size for name, size in long.items() if name not in LONG_FILES} == {}


def test_a_function_fits_on_a_screen():
    found = lengths()
    assert {name: size for name, size in found.items() if size > MOST_FUNCTION_LINES} == {}
    long = {name: size for name, size in found.items() if size > FUNCTION_LINES}
    assert {name: size for name, size in long.items() if name not in LONG_FUNCTIONS} == {}


def test_every_exception_to_a_budget_exists():
    assert set(LONG_FILES) <= set(sizes())
    assert set(LONG_FUNCTIONS) <= set(lengths())


@pytest.mark.parametrize("path", FILES, ids=place_of)
def test_every_function_is_annotated(path):
    bare = []
    for function in functions(path):
        given = function.args
        named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        bare += [
            f"{function.name}({each.arg})"
            for each in named
            if each is not None and each.annotation is None and each.arg not in ("self", "cls")
        ]
        if function.returns is None:
            bare.append(f"{function.name} ->")
    assert bare == []


def test_every_name_says_what_it_knows():
    parts = {part for path in FILES for part in path.relative_to(PACKAGE).with_suffix("").parts}
    assert parts & SAY_NOTHING == set()


def test_the_init_of_a_folder_is_at_most_a_sentence():
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent != PACKAGE:
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert all(isinstance(node, ast.Expr) for node in body), place_of(path)


def test_every_module_says_in_a_sentence_what_it_knows():
    for path in FILES:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), place_of(path)


def test_the_floors_are_kept():
    command = Path(sys.executable).parent / "lint-imports"
    if not command.exists() and shutil.which("lint-imports") is None:
        pytest.skip("import-linter is not installed")
    done = subprocess.run(
        [command if command.exists() else "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


# --- what a command loads ---

_LOADED = """
import sys
sys.argv = ["lnbench", *sys.argv[1:]]
from lnbench.cli.app import app
code = 0
try:
    app()
except SystemExit as end:
    code = end.code
print("loaded:", code or 0, *sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a report and another of the same benchmark."""
    made = tmp_path_factory.mktemp("reports")
    for day in (1, 2):
        outcomes = [factories.measured(name, seed=day) for name in ("numpy", "copy")]
        reports.write(factories.report(*outcomes, day=day), made / f"{day}.json")
    return made


def loaded(folder: Path, *arguments: str) -> set[str]:
    """The top-level names of all modules that a command has loaded when it ends."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _LOADED, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    head, code, *names = done.stdout.splitlines()[-1].split()
    assert (head, code) == ("loaded:", "0"), (done.stdout, done.stderr)
    assert {"lnbench", "typer"} <= set(names)
    return set(names)


FRAMEWORKS = {"torch", "triton", "scipy", "ml_dtypes", "ray"}

EXPORT = ("export", "1.json", "--format", "csv")
LIGHT = (
    ("--version",),
    ("--help",),
    ("run", "--help"),
    ("schema", "report"),
    ("list", "suites"),
    ("show", "1.json"),
    ("show", "1.json", "--format", "json"),
    ("diff", "1.json", "2.json"),
    ("diff", "1.json", "2.json", "--format", "markdown"),
    EXPORT,
    ("doctor", "--fast"),
)


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_no_framework_is_loaded_to_read_or_to_explain(folder, arguments):
    assert loaded(folder, *arguments) & FRAMEWORKS == set()


@pytest.mark.parametrize("arguments", LIGHT[:4], ids=" ".join)
def test_help_loads_neither_arrays_nor_yaml(folder, arguments):
    assert loaded(folder, *arguments) & {"numpy", "yaml"} == set()


def test_the_list_of_suites_loads_no_arrays(folder):
    assert "numpy" not in loaded(folder, "list", "suites")


@pytest.mark.parametrize("arguments", [("show", "1.json"), ("diff", "1.json", "2.json"), EXPORT])
def test_no_plug_in_is_loaded_to_read_a_report(folder, arguments):
    text = _LOADED + 'print(*[m for m in sys.modules if m.startswith("lnbench.")], sep="\\n")'
    done = subprocess.run(
        [sys.executable, "-P", "-c", text, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    names = done.stdout.partition("loaded:")[2].split()
    assert "lnbench.record.report" in names
    assert [
        name for name in names if name.startswith(("lnbench.backends.", "lnbench.operations."))
    ] == []
