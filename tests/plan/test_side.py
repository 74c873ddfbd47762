"""What a user may write for a side of `ab`."""

import pytest

from lnbench.errors import ConfigError
from lnbench.plan.side import SideKind, branch_of, check_sides, parse_side


@pytest.mark.parametrize(
    ("text", "kind", "value", "slowdown"),
    [
        ("backend:numpy", SideKind.BACKEND, "numpy", 0.0),
        ("backend:torch-eager+10%", SideKind.BACKEND, "torch-eager", 0.1),
        ("backend:numpy+0.05", SideKind.BACKEND, "numpy", 0.05),
        ("numpy", SideKind.BACKEND, "numpy", 0.0),
        ("torch-eager+10%", SideKind.BACKEND, "torch-eager", 0.1),
        ("./old.py", SideKind.BACKEND, "./old.py", 0.0),
        ("./a+b/old.py:fast+5%", SideKind.BACKEND, "./a+b/old.py:fast", 0.05),
        ("pkg.kernels:fast", SideKind.BACKEND, "pkg.kernels:fast", 0.0),
        ("git:main", SideKind.GIT, "main", 0.0),
        ("git:main...HEAD", SideKind.GIT, "main...HEAD", 0.0),
        ("git:feature/a+b", SideKind.GIT, "feature/a+b", 0.0),
        ("pip:numpy==2.3.0", SideKind.PIP, "numpy==2.3.0", 0.0),
        ("python:/opt/venv/bin/python", SideKind.PYTHON, "/opt/venv/bin/python", 0.0),
    ],
)
def test_a_side_is_read_as_written(text, kind, value, slowdown):
    side = parse_side(text)
    assert (side.text, side.kind, side.value) == (text, kind, value)
    assert side.slowdown == pytest.approx(slowdown)


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("gti:main", "'gti:main' is no side", "did you mean 'git'?"),
        ("git:main..HEAD", "names two commits", "git:main...HEAD"),
        ("git:a....b", "is no range of commits", "git:main...HEAD"),
        ("git:a...b...c", "is no range of commits", "git:main...HEAD"),
        ("git:a...--upload-pack=x", "is no range of commits", "git:main...HEAD"),
        ("git:", "names no commit", "git:main"),
        ("git:--upload-pack=x", "names no commit", "git:main"),
        ("pip:-r file", "names no requirement", "pip:numpy"),
        ("backend:+10%", "names no backend", "backend:numpy"),
        ("backend:numpy+ten", "'ten' is not a share", "+10%"),
        ("backend:numpy+0%", "0% is not above 0%", ""),
        ("backend:numpy+2000%", "2000% is not above 0%", ""),
    ],
)
def test_a_wrong_side_is_one_sentence(text, words, hint):
    with pytest.raises(ConfigError, match="'") as caught:
        parse_side(text)
    assert words in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "branch"),
    [
        ("git:main...topic", "git:topic"),
        ("git:main...", "git:HEAD"),
        ("git:...topic", "git:topic"),
        ("git:main", None),
        ("pip:lnbench...x", None),
        ("backend:numpy", None),
    ],
)
def test_three_dots_name_the_branch_that_is_judged_as_git_diff_does(text, branch):
    assert branch_of(text) == branch


def test_a_backend_and_an_environment_are_no_pair():
    with pytest.raises(ConfigError, match="differ in kind"):
        check_sides(parse_side("backend:numpy"), parse_side("git:main"))
    check_sides(parse_side("git:main"), parse_side("python:/usr/bin/python3"))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("gti:main", "did you mean 'git'?"),
        ("git:", "write git:main"),
        ("pip:", "write pip:numpy==2.3.0"),
        ("python:", "write python:/path/to/bin/python"),
        ("backend:", "write backend:numpy"),
        ("git:a..b", "write git:a git:b, or git:a...b for their merge base"),
        ("git:a....b", "write git:main...HEAD"),
        ("backend:numpy+ten", "write backend:NAME+10%"),
    ],
)
def test_a_wrong_side_says_what_to_write(text, hint):
    with pytest.raises(ConfigError) as caught:
        parse_side(text)
    assert caught.value.hint == hint
    assert caught.value.message.startswith(f"'{text}'")


def test_a_slowdown_reaches_tenfold_and_no_further():
    assert parse_side("backend:numpy+1000%").slowdown == pytest.approx(10)
    with pytest.raises(ConfigError, match=r"'backend:numpy\+1001%': 1001% is not above 0%"):
        parse_side("backend:numpy+1001%")


def test_sides_of_two_kinds_are_told_which_to_name():
    with pytest.raises(ConfigError) as caught:
        check_sides(parse_side("git:main"), parse_side("backend:numpy"))
    assert caught.value.hint == "name two backends, or two of git:, pip: and python:"
