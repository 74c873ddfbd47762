"""The documentation is executed: what it shows is what happens."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import factories
import msgspec
import pytest
import typer
import yaml

from lnbench.cli.app import app
from lnbench.errors import ExitCode
from lnbench.judge.verdict import Verdict
from lnbench.plan import suite
from lnbench.record import report as reports
from lnbench.record.outcome import CaveatKind, Stage, Stopped

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS_FOLDER = ROOT / "docs"
COMMANDS = DOCS_FOLDER / "commands.md"
COMPARING = DOCS_FOLDER / "comparing.md"
KERNELS = DOCS_FOLDER / "kernels.md"
PLUG_IN = DOCS_FOLDER / "backend-plugin.md"
DOCS = sorted(DOCS_FOLDER.rglob("*.md"))
PAGES = [README, *DOCS, ROOT / "CHANGELOG.md", ROOT / "reports" / "README.md"]
PAGES += sorted((ROOT / ".github").glob("*.md"))

COMMAND = re.compile(r"^\$ (lnbench\b.*?)(?:\s+# exit (\d+))?$", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED_FENCE = re.compile(r"^`([\w.-]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DIFF = re.compile(r"<!-- diff -->\n\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"<!-- show (\S+) -->\n\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def plain(text: str) -> str:
    """A screen without the blanks at the ends of its lines, which no editor keeps."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def variables(*paths: Path) -> dict[str, str]:
    """The environment of a terminal of 80 columns without colours, whatever runs the tests."""
    settings = ("LNBENCH_", "GITHUB_", "TYPER_", "_TYPER_", "FORCE_COLOR", "PY_COLORS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    found = [*map(str, paths), *filter(None, [os.environ.get("PYTHONPATH")])]
    screen = {"COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    return kept | screen | {"PYTHONPATH": os.pathsep.join(found)}


def lnbench(*arguments: str, folder: Path, paths: tuple[Path, ...] = ()):
    """The installed command, not `python -m`, so that it calls itself as users do."""
    command = Path(sys.executable).parent / "lnbench"
    return subprocess.run(
        [command, *arguments],
        cwd=folder,
        env=variables(*paths),
        capture_output=True,
        encoding="utf-8",
        timeout=250,
        check=False,
    )


def example(page: Path) -> dict[str, str]:
    """The files that a page tells its reader to write, by name."""
    return dict(NAMED_FENCE.findall(text_of(page)))


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Write the files of a page's example and install them with pip, once a page."""
    done: dict[Path, tuple[Path, Path]] = {}

    def install(page: Path) -> tuple[Path, Path]:
        if page not in done:
            project = tmp_path_factory.mktemp("project")
            target = tmp_path_factory.mktemp("target")
            for name, text in example(page).items():
                (project / name).write_text(text, encoding="utf-8")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            offline = ["--no-deps", "--no-index", "--no-build-isolation"]
            subprocess.run([*pip, *offline, "--target", target, project], check=True, timeout=200)
            done[page] = project, target
        return done[page]

    return install


def paths_for(page: Path, installed) -> tuple[Path, ...]:
    return (installed(page)[1],) if "pyproject.toml" in example(page) else ()


# --- commands ---


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in (README, *DOCS) if COMMAND.search(text_of(page))], ids=name_of
)
def test_every_command_of_a_page_runs_and_exits_as_the_page_says(page, installed, tmp_path):
    paths = paths_for(page, installed)
    for line, code in COMMAND.findall(text_of(page)):
        _, *arguments = shlex.split(line)
        done = lnbench(*arguments, folder=tmp_path, paths=paths)
        assert done.returncode == int(code or 0), (line, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr, (line, done.stderr)


def test_the_help_that_is_shown_is_the_help(tmp_path):
    shown = next(text for _, text in FENCE.findall(text_of(COMMANDS)) if "$ lnbench --help" in text)
    _, _, screen = shown.partition("\n")
    done = lnbench("--help", folder=tmp_path)
    assert plain(screen) == plain(done.stdout)


def test_every_command_of_the_help_is_documented():
    texts = "\n".join(map(text_of, [README, *DOCS]))
    group = typer.main.get_command(app)
    names = [
        f"lnbench {name} {inner}".rstrip()
        for name, command in group.commands.items()
        for inner in getattr(command, "commands", None) or [""]
    ]
    assert [name for name in names if not re.search(rf"\b{name}\b", texts)] == []


def test_no_command_is_documented_that_does_not_exist():
    texts = "\n".join(map(text_of, [README, *DOCS]))
    group = typer.main.get_command(app)
    named = set(re.findall(r"[`$] ?lnbench ([a-z]+)", texts))
    assert named - set(group.commands) == set()


def test_every_flag_that_the_documentation_names_exists():
    group = typer.main.get_command(app)
    commands = list(group.commands.values())
    commands += [inner for each in commands for inner in getattr(each, "commands", {}).values()]
    known = {flag for each in [group, *commands] for option in each.params for flag in option.opts}
    known.add("--help")  # the parser's own
    texts = "\n".join(map(text_of, [README, *DOCS]))
    for named in re.findall(r"`(--[a-z-]+)", texts):
        assert named in known, named


def test_the_diff_that_is_shown_is_what_diff_prints(tmp_path):
    """Its times are invented, so that all four verdicts are there."""
    for name, change, day in (("baseline", 0, 1), ("candidate", 1, 2)):
        outcomes = [
            factories.measured(backend, times[change], noise=noise, seed=change)
            for backend, noise, times in (
                ("numpy", 0.003, (2.1e-3, 1.7e-3)),
                ("torch-eager", 0.002, (1.4e-3, 1.403e-3)),
                ("torch-compile", 0.04, (1.31e-3, 1.39e-3)),
                ("triton", 0.003, (9.0e-4, 1.04e-3)),
                ("copy", 0.003, (8.0e-4, 8.03e-4)),
            )
        ]
        reports.write(factories.report(*outcomes, day=day), tmp_path / f"{name}.json")
    done = lnbench("diff", "baseline.json", "candidate.json", folder=tmp_path)
    (shown,) = DIFF.findall(text_of(COMPARING))
    assert plain(shown) == plain(done.stdout)
    assert {verdict.value for verdict in Verdict} <= set(re.findall(r"\w+", done.stdout))


def test_the_table_that_the_readme_shows_is_that_of_a_report():
    ((report, screen),) = SHOWN.findall(text_of(README))
    done = lnbench("show", report, folder=ROOT)
    assert plain(screen) == plain(done.stdout)


def test_every_suite_has_a_line():
    shown = re.findall(r"^\| `(\w+)` \|", text_of(DOCS_FOLDER / "suites.md"), re.MULTILINE)
    assert shown == list(yaml.safe_load(text_of(ROOT / "benchmarks.yaml"))["suites"])


def test_every_suite_file_that_is_shown_is_one(tmp_path):
    shown = [
        text for page in PAGES for kind, text in FENCE.findall(text_of(page)) if kind == "yaml"
    ]
    assert shown
    for text in shown:
        (tmp_path / "benchmarks.yaml").write_text(text, encoding="utf-8")
        assert suite.load(tmp_path / "benchmarks.yaml").suites


# --- the plug-ins that readers are told to write ---


def test_the_shown_backend_is_listed_with_its_distribution(installed, tmp_path):
    _, target = installed(PLUG_IN)
    done = lnbench("list", "backends", "--format", "json", folder=tmp_path, paths=(target,))
    rows = {row["backend"]: row for row in msgspec.json.decode(done.stdout)}
    assert rows["plain"]["available"] == "yes"
    assert rows["plain"]["from"] == "lnbench-plain 1.0"


def test_the_shown_backend_is_measured(installed, tmp_path):
    _, target = installed(PLUG_IN)
    flags = (
        "--fast",
        "--passes",
        "1",
        "--shape",
        "64x128",
        "--direction",
        "forward",
        "-b",
        "plain",
    )
    done = lnbench("run", *flags, "-o", "report.json", folder=tmp_path, paths=(target,))
    assert done.returncode == 0, done.stderr
    found = {
        each.benchmark.backend: each for each in reports.read(tmp_path / "report.json").outcomes
    }
    assert found["plain"].agreement.passed
    assert any(found["plain"].times_s)


@pytest.mark.slow
@pytest.mark.parametrize("page", [PLUG_IN, DOCS_FOLDER / "extending.md"], ids=name_of)
def test_the_plug_in_of_a_page_passes_its_contract(page, installed):
    project, target = installed(page)
    tests = [name for name in example(page) if name.startswith("test_")]
    assert len(tests) == 1
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=project,
        env=variables(target),
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.parametrize(
    "code", [code for kind, code in FENCE.findall(text_of(KERNELS)) if kind == "python"]
)
def test_the_examples_of_the_library_run(code):
    exec(compile(code, "docs/kernels.md", "exec"), {})


# --- tables of names ---


def exit_codes(page: Path) -> set[int]:
    return set(map(int, re.findall(r"^\| (\d+) \|", text_of(page), re.MULTILINE)))


def test_the_commands_page_has_every_exit_code_and_no_other():
    assert exit_codes(COMMANDS) == set(ExitCode)
    assert exit_codes(README) <= set(ExitCode)


def test_every_extra_has_a_line():
    _, _, section = text_of(DOCS_FOLDER / "install.md").partition("## Extras")
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    names = {name for cell in cells for name in re.findall(r"`([\w-]+)`", cell)}
    assert names == set(project["optional-dependencies"])


def test_every_caveat_stage_stop_and_verdict_is_documented():
    texts = text_of(ROOT / "docs" / "report-format.md") + text_of(ROOT / "docs" / "verdicts.md")
    words = [*CaveatKind, *Stage, *Stopped, *Verdict]
    assert [str(word) for word in words if f"`{word}`" not in texts] == []


def test_every_caveat_has_a_line_and_no_line_is_left_over():
    _, _, section = text_of(ROOT / "docs" / "report-format.md").partition("## Caveats")
    shown = re.findall(r"^\| `([\w-]+)` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert sorted(shown) == sorted(CaveatKind)


def fields(schema: object) -> set[str]:
    """The names of all fields of a JSON Schema."""
    if isinstance(schema, list | tuple):
        return set().union(*map(fields, schema))
    if not isinstance(schema, dict):
        return set()
    named = schema.get("properties", {})
    return set(named) | set().union(*map(fields, [*named.values(), *schema.values()]))


def test_every_field_of_a_report_is_documented():
    text = text_of(ROOT / "docs" / "report-format.md")
    names = fields(msgspec.json.schema(reports.Report))
    assert {"times_s", "max_ulp", "last_level_cache_bytes"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def test_every_field_of_the_printed_json_is_documented(tmp_path):
    """Of `show --format json` a row's, of `diff --format json` its own and a comparison's."""
    path = tmp_path / "one.json"
    reports.write(factories.report(factories.measured("numpy", 2.1e-3)), path)
    shown = lnbench("show", path.name, "--format", "json", folder=tmp_path)
    compared = lnbench("diff", path.name, path.name, "--format", "json", folder=tmp_path)
    diff = msgspec.json.decode(compared.stdout)
    names = [*msgspec.json.decode(shown.stdout)[0], *diff, *diff["comparisons"][0]]
    _, _, section = text_of(ROOT / "docs" / "report-format.md").partition("## Two more forms")
    assert [name for name in names if f"`{name}`" not in section] == []


def test_the_history_of_the_schema_ends_with_the_present_one():
    _, _, section = text_of(ROOT / "docs" / "report-format.md").partition("## History")
    numbers = re.findall(r"^\| (\d+) \|", section.partition("\n## ")[0], re.MULTILINE)
    assert [*map(int, numbers)] == [*range(1, reports.SCHEMA + 1)]


def test_every_dependency_has_its_reason():
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    text = text_of(ROOT / "docs" / "decisions" / "0007-dependencies.md")
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(line for extra in extras for line in extra)]
    names = [re.match(r"[\w-]+", line)[0] for line in wanted]
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


# --- form ---


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[tuple[str, Path, str]]:
    """What a page links to, but for the web: the link, the file and the anchor in it."""
    texts = (link for link in LINK.findall(FENCE.sub("", text_of(page))))
    parts = [(link, *link.split("#")[:2], "")[:3] for link in texts if "://" not in link]
    return [
        (link, (page.parent / place).resolve() if place else page, anchor)
        for link, place, anchor in parts
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    for link, target, anchor in links(page):
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", DOCS, ids=name_of)
def test_a_page_of_the_site_links_only_to_files_of_the_site(page):
    for link, target, _ in links(page):
        assert target.is_relative_to(DOCS_FOLDER), f"{link}: name the file, do not link to it"
        assert target.is_file(), f"{link}: a site does not list folders"


def test_the_index_links_to_every_page():
    linked = {target for _, target, _ in links(DOCS_FOLDER / "index.md")}
    assert set(DOCS) - linked == {DOCS_FOLDER / "index.md"}


def test_the_navigation_has_every_page_but_decisions_once():
    nav = yaml.safe_load(text_of(ROOT / ".mkdocs.yml"))["nav"]
    pages = [
        nav[0],
        *(
            page
            for part in nav[1:]
            for entry in next(iter(part.values()))
            for page in entry.values()
        ),
    ]
    wanted = [page for page in DOCS if page.parent.name != "decisions"]
    assert sorted(DOCS_FOLDER / page for page in pages) == wanted


def test_the_readme_is_short():
    assert len(text_of(README).splitlines()) <= 190


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_nothing_is_installed_from_an_index_that_does_not_have_it(page):
    """`lnbench[extra]` is fine: where lnbench is installed, pip reads that copy's extras."""
    assert re.findall(r"pip install(?: -\S+)* lnbench\b(?!\[)", text_of(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_is_named_is_there(page):
    tops = r"lnbench|tests|docs|reports|\.github"
    for place in re.findall(rf"`((?:{tops})/[\w/.-]+\.\w+)`", text_of(page)):
        assert (ROOT / place).is_file(), place


def test_decisions_are_numbered_without_a_gap_and_say_what_was_rejected():
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{i:04d}" for i in range(1, len(pages) + 1)]
    for page in pages:
        headings = re.findall(r"^## (.+)$", text_of(page), re.MULTILINE)
        assert headings == ["Context", "Choice", "Rejected", "Consequence"], page.name
        assert text_of(page).startswith(f"# {int(page.name[:4])}. "), page.name


def test_findings_have_date_machine_command_and_figure():
    lines = [
        line
        for line in text_of(ROOT / "docs" / "findings.md").splitlines()
        if line.startswith("| ")
    ]
    assert lines[0] == "| date | machine | command | figure |"
    for line in lines[1:]:
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        assert len(cells) == 4, line
        assert all(cell.strip() for cell in cells), line


def test_pages_are_not_wrapped():
    """Semantic newlines: a line ends where its sentence does."""
    for page in PAGES:
        lines = FENCE.sub("", text_of(page)).splitlines()
        prose = [line for line in lines if line[:1].isalpha()]
        loose = [line for line in prose if line[-1] not in ".:;,?!·)" and len(line) > 60]
        assert loose == [], name_of(page)


def test_the_workflow_runs_what_contributors_run():
    jobs = yaml.safe_load(text_of(ROOT / ".github" / "workflows" / "ci.yml"))["jobs"]
    for job, command in (("test", "bash .ci/run"), ("docs", "make docs")):
        assert command in [step.get("run") for step in jobs[job]["steps"]]
        assert command in text_of(ROOT / ".github" / "CONTRIBUTING.md")


def test_the_torch_of_pages_and_workflow_is_the_one_that_is_tested():
    pinned = re.search(r"^torch==(\S+)$", text_of(ROOT / ".ci" / "constraints.txt"), re.MULTILINE)
    for page in (README, DOCS_FOLDER / "install.md", ROOT / ".github" / "workflows" / "ci.yml"):
        assert set(re.findall(r"torch==(\S+)", text_of(page))) == {pinned[1]}


def test_the_ruff_of_pre_commit_is_the_one_that_is_tested():
    hooks = yaml.safe_load(text_of(ROOT / ".pre-commit-config.yaml"))["repos"]
    found = {repo["repo"].rpartition("/")[2]: repo["rev"] for repo in hooks}
    assert f"ruff=={found['ruff-pre-commit'].removeprefix('v')}\n" in text_of(
        ROOT / ".ci" / "constraints.txt"
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_two_commands_of_the_readme_are_make_targets():
    for target in re.findall(r"^make (\w+)", text_of(README), re.MULTILINE):
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)
