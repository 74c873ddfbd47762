"""Laws of `lnbench history`."""

import json
import subprocess
from datetime import UTC, datetime, timedelta

import factories
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lnbench.cli.app import app
from lnbench.cli.history import in_order
from lnbench.errors import ExitCode
from lnbench.judge.reading import condense
from lnbench.record import report as reports
from lnbench.record.revision import Revision

START = datetime(2026, 1, 1, tzinfo=UTC)


def dated(number, commit, *outcomes):
    made = factories.report(*(outcomes or [factories.measured(seed=number)]))
    revision = Revision(commit, dirty=False) if commit else None
    created = START + timedelta(days=number)
    return msgspec.structs.replace(made, created=created, revision=revision)


def call(*arguments):
    result = CliRunner().invoke(app, ["history", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def git(*arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Twenty commits whose reports were made in the opposite order; from the tenth on 20 % more."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    git("init")
    (tmp_path / "reports").mkdir()
    commits = []
    for i in range(20):
        git("commit", "--allow-empty", "-m", str(i))
        commits.append(git("rev-parse", "HEAD"))
        outcomes = [
            factories.measured("triton", 1e-3 * (1.2 if i >= 10 else 1), seed=i),
            factories.measured("copy", 5e-4, seed=i),
        ]
        made = dated(20 - i, commits[-1], *outcomes)
        reports.write(made, tmp_path / "reports" / f"{i}.json")
    return commits


def shown(*arguments):
    result = call(*arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["lines"]


def commits_of(line):
    return [each["commit"] for each in line["reports"]]


def test_reports_stand_in_the_order_of_commits_or_of_dates(repository):
    (line,) = shown()
    assert commits_of(line) == repository
    (change,) = line["rows"][0]["changes"]
    assert change["verdict"] == "regressed"
    assert (change["from_commit"], change["to_commit"]) == (repository[9], repository[10])

    (line,) = shown("--by", "date")
    assert commits_of(line) == repository[::-1]
    assert line["rows"][0]["changes"][0]["verdict"] == "improved"


def test_since_begins_with_that_commit(repository):
    (line,) = shown("--since", repository[5])
    assert commits_of(line) == repository[5:]
    (line,) = shown("--since", repository[0])
    assert commits_of(line) == repository
    (line,) = shown("--since", "HEAD~3")
    assert commits_of(line) == repository[-4:]


@pytest.mark.parametrize("ref", ["v9", "--all", "HEAD..HEAD"])
def test_since_what_git_does_not_know_is_a_sentence(repository, ref):
    result = call(f"--since={ref}")
    assert result.exit_code == ExitCode.USAGE
    assert f"'{ref}' is no commit" in result.stderr


def test_a_filter_keeps_the_copy_that_judges(repository):
    (line,) = shown("--filter", "*/triton")
    assert [row["id"].rpartition("/")[2] for row in line["rows"]] == ["triton", "copy"]
    assert call("--filter", "*/nothing").exit_code == ExitCode.NOTHING


def test_a_filter_takes_plain_words(repository):
    (line,) = shown("--filter", "triton")
    assert [row["id"].rpartition("/")[2] for row in line["rows"]] == ["triton", "copy"]


def test_reports_of_other_kinds_are_left_out_and_counted(repository, tmp_path):
    sides = tuple(reports.ReportSide(text, "", 0.0, factories.environment()) for text in ("a", "b"))
    reports.write(factories.report(sides=sides), tmp_path / "reports" / "ab.json")
    result = call()
    assert result.exit_code == 0
    assert "left out: 1" in result.stderr


def test_a_report_that_is_damaged_is_named(repository, tmp_path):
    (tmp_path / "reports" / "torn.json").write_text('{"schema": 1, "kind": "benchmarks"')
    result = call()
    assert result.exit_code == ExitCode.USAGE
    assert "torn.json" in result.stderr


def test_a_badge_is_written_and_another_kind_of_file_refused(repository, tmp_path):
    assert call("--badge", "b.svg").exit_code == 0
    assert "1 slower" in (tmp_path / "b.svg").read_text()
    result = call("--badge", "b.png")
    assert result.exit_code == ExitCode.USAGE
    assert "neither .svg nor .json" in result.stderr


@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_output_takes_what_the_screen_would_have(repository, tmp_path, form):
    result = call("--format", form, "--output", "history.txt")
    assert (result.exit_code, result.stdout) == (0, "")
    written = (tmp_path / "history.txt").read_text()
    assert repository[10][:8] in written
    if form != "table":  # a file is wider than this screen
        assert written == call("--format", form).stdout


def test_output_over_a_report_that_is_read_is_refused(repository, tmp_path):
    report = tmp_path / "reports" / "0.json"
    before = report.read_bytes()
    result = call("--output", "reports/0.json")
    assert result.exit_code == ExitCode.USAGE
    assert "is a report that is read" in result.stderr
    assert report.read_bytes() == before


@pytest.mark.parametrize("flag", ["--badge", "--output"])
def test_nothing_is_written_where_it_would_be_read_as_a_report(repository, tmp_path, flag):
    for folder in ("reports", "reports/../reports"):
        result = call(folder, flag, "reports/speed.json")
        assert result.exit_code == ExitCode.USAGE
        assert "is read as a report" in result.stderr
    result = call("reports/0.json", "reports/1.json", flag, "reports/1.json")
    assert "is a report that is read" in result.stderr
    assert call("reports", flag, "speed.json").exit_code == 0
    assert call("reports").exit_code == 0


def test_a_page_of_a_history_has_its_charts(repository, tmp_path):
    pytest.importorskip("altair")
    assert call("--format", "html", "-o", "page.html").exit_code == 0
    text = (tmp_path / "page.html").read_text()
    assert text.count("<figure>") == 1
    assert "+20%" in text


def test_an_unknown_order_is_a_sentence(repository):
    result = call("--by", "dat")
    assert result.exit_code == ExitCode.USAGE
    assert "did you mean 'date'?" in result.stderr


READINGS = [condense(dated(i, c)) for i, c in enumerate(["b", "", "a", "x", "c", "b", ""])]


@given(st.permutations(READINGS))
def test_order_follows_commits_and_others_follow_what_was_made_before(readings):
    ordered = in_order(readings, {"a": 0, "b": 1, "c": 2})
    places = [next(i for i, one in enumerate(READINGS) if one is each) for each in ordered]
    assert places == [2, 0, 1, 3, 5, 4, 6]
    assert all(one is two for one, two in zip(in_order(readings, {}), READINGS, strict=True))
