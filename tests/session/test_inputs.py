"""The inputs of cases: made once where they fit, anew each pass where they do not, always equal."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.measure import messages, shared
from lnbench.measure.referee import Referee
from lnbench.plan.case import Benchmark, Case, Direction, DType
from lnbench.record.outcome import Measured
from lnbench.session import memory
from lnbench.session.inputs import InputStore
from lnbench.workers.pass_workers import PassWorkers, RefereeProcess


def case(rows):
    return Case("layernorm", Direction.FORWARD, (rows, 16), DType.FLOAT32, "cpu")


def write(where, size):
    (where / "inputs").mkdir(parents=True, exist_ok=True)
    (where / "inputs" / "x.bin").write_bytes(bytes(size))
    (where / "inputs" / "arrays.json").write_bytes(b"")
    (where / "results-numpy").mkdir(exist_ok=True)
    (where / "results-numpy" / "y.bin").write_bytes(bytes(8 * size))


@pytest.fixture
def asked(monkeypatch):
    """The inputs that sessions have made, and the workers that they were lent."""
    names = []
    lent, ask = PassWorkers.lent, RefereeProcess.ask

    def listened(self, home, name, case):
        names.append(name)
        return lent(self, home, name, case)

    def asked(self, request, answer, limit_s):
        names.extend(["inputs"] * isinstance(request, messages.MakeInputs))
        return ask(self, request, answer, limit_s)

    monkeypatch.setattr(PassWorkers, "lent", listened)
    monkeypatch.setattr(RefereeProcess, "ask", asked)
    return names


@pytest.mark.parametrize(("room", "made"), [(1 << 30, 1), (0, 3)])
def test_inputs_are_made_once_where_they_fit_and_for_each_pass_where_not(
    room, made, setting, cases, asked, monkeypatch
):
    monkeypatch.setattr(memory, "kept_bytes", lambda folder: room)
    three = msgspec.structs.replace(
        setting, budget=msgspec.structs.replace(setting.budget, passes=3)
    )

    *_, last = cases([Benchmark(case(8), "plain")], three)

    assert asked.count("inputs") == made
    assert asked.count("plain") == 3
    (outcome,) = last.outcomes
    assert isinstance(outcome, Measured)
    assert len(outcome.times_s) == 3


def test_no_pass_is_skipped_for_the_sake_of_kept_inputs(setting, cases, monkeypatch):
    """Where rows do not fit beside each other for what is kept, that goes, and they do."""
    kept = []
    forget = InputStore.forget

    def fit(free, backends, device_bytes):
        return memory.MemoryFit(backends if kept else 0, "" if kept else "no room")

    monkeypatch.setattr(memory, "fit", fit)
    monkeypatch.setattr(InputStore, "forget", lambda self: kept.append(forget(self)) or True)

    *_, last = cases([Benchmark(case(8), "plain")], setting)

    assert isinstance(last.outcomes[0], Measured)


@given(sizes=st.lists(st.integers(2, 50), max_size=8), room=st.integers(0, 120))
def test_what_stays_is_within_its_room_and_results_never_do(sizes, room, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    store = InputStore(folder, room)
    for _ in range(2):
        for number, size in enumerate(sizes):
            with store.lent(case(number + 1)) as where:
                had = shared.written(where / "inputs")
                write(where, size)
            assert shared.size_bytes(folder) <= room
            stays = shared.written(where / "inputs")
            assert stays or not had  # what stayed once stays
            assert not (where / "results-numpy").exists()
    assert store.forget() == bool(shared.size_bytes(folder) == 0 and _first_fits(sizes, room))
    assert shared.size_bytes(folder) == 0


def _first_fits(sizes, room):
    return any(size <= room for size in sizes)


def test_inputs_that_are_there_are_not_made_again_for_their_truth(tmp_path):
    Referee().make(messages.MakeInputs(case(8), 0, str(tmp_path), truth=False))
    before = (tmp_path / "inputs" / "x.bin").stat().st_mtime_ns

    made = Referee().make(messages.MakeInputs(case(8), 0, str(tmp_path), truth=True))

    assert (tmp_path / "inputs" / "x.bin").stat().st_mtime_ns == before
    assert made.torch_errors.keys() >= {"y"}


@pytest.mark.parametrize("operation", ["layernorm", "batchnorm"])
def test_the_truth_is_in_no_file(tmp_path, operation):
    asked = msgspec.structs.replace(case(8), operation=operation)
    Referee().make(messages.MakeInputs(asked, 0, str(tmp_path), truth=True))

    written = {path.name for path in tmp_path.rglob("*.bin")}
    assert written == {"x.bin", "weight.bin", "bias.bin"}
