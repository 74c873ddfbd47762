"""Laws of notes: one line a kind, nobody left out, and nothing larger than was said."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.render.notes import Note, note_lines, rows_text, said_once

ROWS = st.lists(
    st.tuples(st.integers(1, 999), st.sampled_from(["numba", "numpy"]), st.integers(1, 9)),
    min_size=1,
)


def names_all(line, rows):
    """Whether a line has each backend, and each of its shapes or their number."""
    for name in {name for _, name, _ in rows}:
        sizes = {size for _, other, size in rows if other == name}
        own = next(part for part in line.split("; ") if name in part)
        counted = f"at {len(sizes)} shapes" in own
        assert counted if len(sizes) > 4 else all(f"{size}x8" in own for size in sizes)


@given(ROWS)
def test_notes_that_differ_in_numbers_alone_are_one_line_with_the_largest(rough):
    notes = [(f"rough: {ulp} ulp, numpy 4.6", name, f"{size}x8") for ulp, name, size in rough]

    (line,) = said_once(notes)

    assert f"rough: {max(ulp for ulp, _, _ in rough)} ulp, numpy 4.6" in line
    names_all(line, rough)


def test_notes_of_different_words_stay_apart():
    notes = [("skipped: no triton", "triton", "8x8"), ("skipped: no numba", "numba", "8x8")]
    assert said_once(notes) == ("triton 8x8: skipped: no triton", "numba 8x8: skipped: no numba")


@given(ROWS)
def test_a_caveat_is_one_line_whatever_it_is_held_against(rough):
    notes = [
        (Note("rough", f"{ulp} ulp, where {other} is off by 4.6", folds=True), name, f"{size}x8")
        for place, (ulp, name, size) in enumerate(rough)
        for other in [("triton", "naive")[place % 2]]
    ]

    (line,) = note_lines(notes)

    assert line.startswith("rough: ")
    most = max(ulp for ulp, _, _ in rough)
    assert f" {most} ulp, where " in line
    assert ("up to" in line) == (len({note.detail for note, _, _ in notes}) > 1)
    names_all(line, rough)


@pytest.mark.parametrize("first", ["numba took 61.0 µs, not 2 s", "3 ms", "107%"])
def test_what_does_not_measure_the_same_is_never_called_the_largest(first):
    details = (first, "numba took 37.0 ms, not 2 s", "4 µs")
    notes = [(Note("odd", detail, folds=True), "numpy", "8x8") for detail in details]

    (line,) = note_lines(notes)

    assert line == f"odd: numpy 8x8, for example {first}"


@given(st.lists(st.floats(1e-12, 1e12), min_size=2, unique_by="{:.2g}".format))
def test_the_largest_is_found_whatever_its_exponent(errors):
    texts = [f"{error:.2g}" for error in errors]
    largest = max(texts, key=float)
    (line,) = note_lines((Note("off", f"{text} ulp", folds=True), "a", "8x8") for text in texts)
    assert line == f"off: a 8x8, up to {largest} ulp"

    lines = said_once((f"y is off by {text}", "a", "8x8") for text in texts)

    for kind in {re.sub(r"[\d.]+", "#", text) for text in texts}:
        assert sum(re.sub(r"[\d.]+", "#", line.split()[5]) == kind for line in lines) <= 1
    assert any(f"by {largest}" in line for line in lines)


def test_caveats_without_particulars_and_of_one_wording_say_it_once():
    spawned = [(Note("spawned", "", folds=True), name, "8x8") for name in ("a", "b")]
    assert note_lines(spawned) == ("spawned: a and b 8x8",)
    alike = [(Note("rough", "y off by 0.2", folds=True), "a", shape) for shape in ("8x8", "9x9")]
    assert note_lines(alike) == ("rough: a 8x8, 9x9: y off by 0.2",)


def test_backends_of_the_same_shapes_share_them():
    rows = [(name, f"{size}x8") for name in ("numba", "numpy") for size in range(6)]
    assert rows_text([*rows, ("triton", "1x8")]) == "numba and numpy at 6 shapes; triton 1x8"
