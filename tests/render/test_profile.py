"""What a profile says: its closing sentence, its notes, and the same for scripts."""

import factories
import pytest

from lnbench.measure.profile_messages import Profiled, Spot
from lnbench.plan.case import Work
from lnbench.render import forms
from lnbench.render.profile import profile_view

MIB = 2**20
WORK = Work(16 * MIB, 0)
ROW = factories.benchmark("numba")
LINES = (Spot("forward (mine.py:5)", 0.7), Spot("forward (mine.py:6)", 0.3))


def view(**fields):
    usual = {"calls": 9, "time_s": 2e-3, "page_faults": 0.0, "profiler": "py-spy", "spots": LINES}
    return profile_view(ROW, WORK, Profiled(**usual | fields))


def sentence(**fields):
    return view(**fields).data["sentence"]


def notes(**fields):
    return [note for sheet in view(**fields).sheets for note in sheet.notes]


COUNTED = {"LLC misses": 1.9 * 16 * MIB / 64}
SAID = {
    "{} moves 1.9 times {}: 30.4 MiB come from memory where 16.0 MiB must be moved": {
        "counters": COUNTED
    },
    "{} moves 0 times {}: 0 B come from memory where 16.0 MiB must be moved, the rest stays in "
    "the cache": {"counters": {"LLC misses": 0.0}},
    "{} moves 1.0 times {}: 16.0 MiB are read and written": {"operator_bytes": 16 * MIB},
    "{} moves 4.0 times {}: 64.0 MiB are read and written where 16.0 MiB must be": {
        "operator_bytes": 64 * MIB
    },
    "{} moves 1.0 times {}: 16.0 MiB are read and written; and 8.00 MiB that the system clears "
    "in 2048 page faults": {"operator_bytes": 16 * MIB, "page_faults": 2048.0},
    "{} moves at least 1.5 times {}: 16.0 MiB, and 8.00 MiB that the system clears in 2048 page "
    "faults; what more, only counters could say": {"page_faults": 2048.0},
    "how many bytes {} moves is not known (no counters here); the 16.0 MiB that it must move, in "
    "its time, are 8.39 GB/s": {"uncounted": "no counters here"},
}


@pytest.mark.parametrize("said", SAID)
def test_the_last_sentence_says_how_many_bytes_and_who_counted(said):
    assert sentence(**SAID[said]) == said.format("numba", "the compulsory bytes")


def test_samples_of_one_compiled_call_are_said_to_tell_nothing():
    (note,) = notes(spots=(Spot("compute (n.py:69)", 0.97), Spot("submit (t.py:1)", 0.03)))
    assert note.startswith("97% of the samples are in one call of compiled code")
    (note,) = notes(profiler="torch", spots=(Spot("compiled graph", 0.99, 1e-3, 1.0),))
    assert note.startswith("99% of the time is in one call of compiled code")
    assert notes() == []
    assert notes(profiler="torch", spots=(Spot("aten.native_layer_norm", 0.99, 1e-3, 1.0),)) == []


def test_a_dash_has_its_reason_once():
    told = notes(spots=(), unseen="pip install 'lnbench[profile]'", uncounted="not permitted")
    assert told == ["–: pip install 'lnbench[profile]'", "–: not permitted"]


def test_scripts_get_what_the_screen_says():
    told = view(operator_bytes=64 * MIB, counters={"cycles": 5e6}).data
    assert (told["schema"], told["kind"], told["benchmark"]) == (1, "profile", ROW.id)
    assert (told["compulsory_bytes"], told["moved_bytes"]) == (16 * MIB, 64 * MIB)
    assert (told["moved_ratio"], told["moved_by"]) == (4.0, "operators")
    assert told["counters"] == {"cycles": 5e6}
    assert [spot["name"] for spot in told["spots"]] == [spot.name for spot in LINES]


@pytest.mark.parametrize("form", ["markdown", "json"])
def test_names_from_a_kernel_s_file_are_harmless(form):
    text = forms.FORMS[form](view(spots=(Spot("f (<script>|.py:1)\n::error", 1.0),)))
    assert "\n::error" not in text
    if form == "markdown":
        assert "<script>" not in text
