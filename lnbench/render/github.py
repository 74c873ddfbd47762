"""A diff as GitHub's workflow commands: an annotation for each row that someone must look at."""

from collections.abc import Iterator

from lnbench.judge.comparison import Comparison
from lnbench.judge.diff import Diff
from lnbench.judge.verdict import Verdict
from lnbench.render import diff_text as words


def annotations(diff: Diff) -> Iterator[str]:
    """Yield one line for each failure, regression and improvement, and one with the counts.

    The form is GitHub's: https://docs.github.com/actions/reference/workflow-commands.
    """
    for change in diff.newly_failing:
        yield _line("error", f"newly failing: {change.benchmark.id}", change.detail)
    for row in diff.comparisons:
        if row.verdict is Verdict.REGRESSED:
            yield _line("error", f"regressed: {row.benchmark.id}", _ratio(row))
        elif row.verdict is Verdict.IMPROVED:
            yield _line("notice", f"improved: {row.benchmark.id}", _ratio(row))
    if refusal := words.refusal(diff):
        yield _line("warning", "lnbench", refusal)
    yield _line("notice", "lnbench", words.summary(diff))


def _ratio(row: Comparison) -> str:
    return f"candidate ÷ baseline is {words.ratio(row.ratio)}"


def _line(level: str, title: str, text: str) -> str:
    return f"::{level} title={_escaped(title, ':,')}::{_escaped(text)}"


def _escaped(text: str, marks: str = "") -> str:
    """Return a text as a workflow command takes it."""
    for mark in f"%\r\n{marks}":
        text = text.replace(mark, f"%{ord(mark):02X}")
    return text
