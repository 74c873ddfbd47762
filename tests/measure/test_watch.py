"""Nothing computed at another time: what is new, what is kept, and what the referee sees in it."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench import registry
from lnbench.measure import fresh, shared
from lnbench.measure.limits import compulsory, impossible
from lnbench.measure.messages import CompareRows, Fresh, MakeInputs, NewRow
from lnbench.measure.referee import Referee
from lnbench.measure.watch import Watch
from lnbench.plan.case import Benchmark, Case, Direction, DType, Work

ROWWISE = ("layernorm", "rmsnorm", "add-layernorm", "batchnorm-inference")
DTYPES = (DType.FLOAT32, DType.BFLOAT16, DType.FLOAT16, DType.FLOAT64)


def case_of(operation="layernorm", direction=Direction.FORWARD, dtype=DType.FLOAT32):
    return Case(operation, direction, (24, 40), dtype, "cpu")


class Watched:
    """A routine of torch's kernels, watched as a worker does, and the referee's word on it."""

    def __init__(self, folder, case, backend="torch-eager"):
        self.case, self.folder = case, folder
        self.operation = registry.operation(case.operation)
        Referee().make(MakeInputs(case, 3, str(folder), truth=False))
        inputs = shared.read(folder / shared.INPUTS)
        self.backend = backend
        self.routine = registry.backend(backend).routine(self.operation, case, inputs, 1)
        limit = registry.is_limit(backend)
        self.watch = Watch(self.operation, case, inputs, folder, limit=limit)
        first = self.routine.run()
        self.sums = self.watch.first(first, self.routine.host(first))
        assert self.watch.able(self.routine)

    def problem(self, call=None, whole=(True, False, True), sent=tuple):
        new = [Fresh(5 * number % 24, number, each) for number, each in enumerate(whole)]
        rows = []
        for each in new:
            last = each is new[-1]
            self.watch.renew(self.routine, each, last=last)
            results = (call or self.routine.run)()
            kept = self.watch.keep(self.routine, results, each, last=last)
            rows.append(NewRow(each, shared.packed(kept)))
        benchmark = Benchmark(self.case, self.backend)
        asked = CompareRows(benchmark, str(self.folder), sent(rows), self.sums, {})
        return Referee().compare_rows(asked).error


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("operation", ROWWISE)
def test_an_honest_routine_is_right_on_every_new_row(tmp_path, operation, direction, dtype):
    assert Watched(tmp_path, case_of(operation, direction, dtype)).problem() == ""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("operation", ROWWISE)
def test_results_of_an_earlier_call_are_seen(tmp_path, operation, direction, dtype):
    watched = Watched(tmp_path, case_of(operation, direction, dtype))
    results = watched.routine.run()

    assert "does not follow from its inputs in 3 of 3" in watched.problem(lambda: results)


@pytest.mark.parametrize("direction", Direction)
def test_the_speed_limit_is_watched_as_well(tmp_path, direction):
    watched = Watched(tmp_path, case_of(direction=direction), "copy")
    results = tuple(result.clone() for result in watched.routine.run())

    assert watched.problem() == ""
    assert "moved0 of a timed call" in watched.problem(lambda: results)


@pytest.mark.parametrize("name", ["dw", "db"])
def test_sums_of_an_earlier_call_beside_a_right_dx_are_seen(tmp_path, name):
    watched = Watched(tmp_path, case_of(direction=Direction.BACKWARD))
    place = ("dx", "dw", "db").index(name)
    old = watched.routine.run()[place]

    def stale():
        results = list(watched.routine.run())
        results[place] = old
        return tuple(results)

    assert f"{name} of a timed call" in watched.problem(stale)


def without(name, places):
    """Return what leaves an output out of some of the rows that are sent."""

    def sent(rows):
        rows = list(rows)
        for place in places:
            outputs = {n: array for n, array in rows[place].outputs.items() if n != name}
            rows[place] = NewRow(rows[place].fresh, outputs)
        return tuple(rows)

    return sent


@pytest.mark.parametrize(
    ("name", "places", "words"),
    [
        ("dx", [0, 1, 2], "not kept"),
        ("dx", [1], "not kept"),
        ("dw", [2], "the sums of its last timed call were not kept"),
    ],
)
def test_what_is_not_sent_is_not_taken_for_right(tmp_path, name, places, words):
    watched = Watched(tmp_path, case_of(direction=Direction.BACKWARD))

    assert watched.problem() == ""
    assert words in watched.problem(sent=without(name, places))


def test_sums_are_those_of_the_sample_that_had_them(tmp_path):
    """Looks at the clock come after a process's last sample, and ask for rows alone."""
    watched = Watched(tmp_path, case_of(direction=Direction.BACKWARD))

    assert watched.problem(sent=lambda rows: (*rows, rows[0])) == ""


def test_afterwards_the_inputs_are_as_they_were(tmp_path):
    watched = Watched(tmp_path, case_of(direction=Direction.STEP), "numpy")
    watched.problem()

    before = shared.read(tmp_path / shared.INPUTS)
    for name, array in watched.routine.arrays.items():
        np.testing.assert_array_equal(array, before[name])


@given(
    rows=st.integers(1, 9),
    columns=st.integers(2, 30),
    seed=st.integers(0, 2**32 - 1),
    row=st.integers(0, 8),
    whole=st.booleans(),
    dtype=st.sampled_from(["float32", "float64", "float16"]),
)
def test_new_values_are_the_same_everywhere_and_differ_from_the_old(
    rows, columns, seed, row, whole, dtype
):
    x = np.random.default_rng(0).standard_normal((rows, columns)).astype(dtype)
    new = Fresh(row % rows, seed, whole)
    (values,) = (fresh.new_rows({"x": x}, ["x"], new)["x"] for _ in range(1))
    again = fresh.new_rows({"x": x}, ["x"], new)["x"]

    assert values.shape == (1, columns)
    assert values.dtype == x.dtype
    np.testing.assert_array_equal(values, again)
    changed = np.count_nonzero(values[0] != x[new.row])
    assert changed == 1 if not whole else changed > 0
    assert np.isfinite(values).all()


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(1, 1 << 40))
def test_a_time_is_possible_where_the_bytes_can_be_moved_in_it_and_nowhere_else(time_s, moved):
    said = impossible(time_s, Work(moved, 0), case_of())
    slow = msgspec.structs.replace(case_of(), device="cuda:0")
    if not 0 < time_s < float("inf"):
        assert said.startswith("impossible: its clock says")
        assert impossible(time_s, Work(moved, 0), slow).startswith("impossible: its clock says")
    elif time_s > moved / 1e9:  # a gigabyte a second
        assert said == ""
    elif time_s < moved / 1e15:  # a petabyte
        assert "cannot move the" in said


def test_only_the_speed_limit_has_work_of_its_own():
    case = case_of()
    assert compulsory(case, "numpy") == registry.operation("layernorm").work(case)
    assert compulsory(case, "copy").bytes_moved == 2 * 24 * 40 * 4
