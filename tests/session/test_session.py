"""The session: passes around cases, and a failure that ends its row and nothing else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from lnbench.plan.budget import Budget
from lnbench.plan.case import Benchmark, Case, Direction, DType
from lnbench.record.outcome import CaveatKind, Failed, Measured, Skipped, Stage, Stopped
from lnbench.session import memory, session
from lnbench.workers import launcher


def benchmarks(*backends, shape=(8, 64), directions=(Direction.FORWARD,)):
    return [
        Benchmark(Case("layernorm", direction, shape, DType.FLOAT32, "cpu"), backend)
        for direction in directions
        for backend in (*backends, "copy")
    ]


def by_backend(session):
    *_, last = session
    return {outcome.benchmark.backend: outcome for outcome in last.outcomes}


@pytest.mark.parametrize(
    ("backend", "stage", "words"),
    [
        ("wrong", Stage.VERIFY, "y is off by 0.01"),
        ("raises", Stage.PREPARE, "RuntimeError: no such kernel on this machine"),
        ("exits", Stage.PREPARE, "exited with 7"),
        ("segfaults", Stage.PREPARE, "killed by SIGSEGV"),
        ("hangs", Stage.PREPARE, "no answer within 2 s"),
        ("hungry", Stage.PREPARE, "MemoryError"),
        ("drifts", Stage.VERIFY, "y of a timed call does not follow from its inputs"),
        ("stale", Stage.VERIFY, "shares memory"),
        ("unloadable", Stage.PREPARE, "libmissing.so is missing"),
    ],
)
def test_a_faulty_backend_fails_alone_with_its_stage_and_last_words(
    setting, backend, stage, words, cases
):
    budget = Budget(passes=2, rounds=3, timeout_s=2 if backend == "hangs" else 60)
    limited = msgspec.structs.replace(setting, budget=budget, memory_bytes=3 << 30)

    found = by_backend(cases(benchmarks(backend, "plain"), limited))

    failed = found[backend]
    assert isinstance(failed, Failed), failed
    assert failed.stage is stage
    assert words in failed.error
    for name in ("plain", "copy"):
        assert isinstance(found[name], Measured)
        assert [len(times) for times in found[name].times_s] == [3, 3]


def test_what_a_backend_does_not_compute_is_skipped_with_its_words(setting, cases):
    found = by_backend(cases(benchmarks("picky", "plain"), setting))

    assert isinstance(found["picky"], Skipped)
    assert found["picky"].reason == "picky takes 16 columns"
    assert isinstance(found["plain"], Measured)


def test_the_last_words_of_a_crash_are_what_it_printed(setting, cases):
    found = by_backend(cases(benchmarks("segfaults"), setting))

    assert "Segmentation fault" in found["segfaults"].error


def test_what_a_backend_prints_is_never_taken_for_an_answer(setting, cases):
    chatty = by_backend(cases(benchmarks("chatty"), setting))["chatty"]

    assert isinstance(chatty, Measured)
    assert min(time_s for times in chatty.times_s for time_s in times) > 1e-8


def test_what_a_plug_in_does_to_its_nursery_reaches_no_other_row(setting, cases):
    found = by_backend(cases(benchmarks("crashing", "threaded", "plain"), setting))

    assert isinstance(found["crashing"], Failed)
    (caveat,) = (each for each in found["threaded"].caveats if each.kind is CaveatKind.SPAWNED)
    assert caveat.detail == "the nursery must not fork: it has more than one thread"
    for name in ("plain", "copy"):
        assert isinstance(found[name], Measured)
        assert CaveatKind.SPAWNED not in {caveat.kind for caveat in found[name].caveats}


def test_a_worker_that_dies_in_a_later_pass_loses_that_pass_only(
    setting, tmp_path, environment, cases
):
    token = tmp_path / "token"
    variables = {**environment, "LNBENCH_TEST_TOKEN": str(token)}
    limited = msgspec.structs.replace(setting, budget=Budget(passes=3, rounds=3))

    for progress in cases(benchmarks("dies-later"), limited, variables=variables):
        if progress.passes == 1:
            token.touch()
    found = {outcome.benchmark.backend: outcome for outcome in progress.outcomes}

    assert [len(times) for times in found["dies-later"].times_s] == [3, 0, 3]
    assert CaveatKind.LOST_PASSES in {caveat.kind for caveat in found["dies-later"].caveats}
    assert [len(times) for times in found["copy"].times_s] == [3, 3, 3]


def test_every_pass_takes_every_backend_once_a_round(setting, cases):
    found = by_backend(cases(benchmarks("plain", "numpy"), setting))

    for outcome in found.values():
        assert outcome.rounds == ((0, 1, 2), (0, 1, 2))
        assert outcome.stopped is Stopped.PASSES


def test_passes_are_the_outer_loop(setting, cases):
    rows = benchmarks("plain", directions=(Direction.FORWARD, Direction.BACKWARD))

    visited = [p.case.direction for p in cases(rows, setting) if p.case]

    assert len(visited) == 4
    assert set(visited[:2]) == set(visited[2:]) == {Direction.FORWARD, Direction.BACKWARD}


def test_a_precise_row_stops_and_the_others_go_on(setting, cases):
    def stop(times_s, budget):
        return min(map(min, times_s)) < 1e-4  # the smaller case

    rows = benchmarks("plain", shape=(1, 8)) + benchmarks("plain", shape=(2000, 1000))

    *_, last = cases(rows, setting, stop)

    small, small_copy, large, large_copy = last.outcomes
    assert (small.stopped, len(small.times_s)) == (Stopped.PRECISION, 1)
    assert (large.stopped, len(large.times_s)) == (Stopped.PASSES, 2)
    assert len(small_copy.times_s) == 1
    assert len(large_copy.times_s) == 2


def test_the_time_of_a_benchmark_ends_its_row(setting, cases):
    short = msgspec.structs.replace(setting, budget=Budget(passes=5, rounds=2, time_s=1e-6))

    found = by_backend(cases(benchmarks("plain"), short))

    assert found["plain"].stopped is Stopped.TIME
    assert len(found["plain"].times_s) == 1


def test_the_time_of_the_run_leaves_what_had_no_turn_for_another_one(setting, cases):
    short = msgspec.structs.replace(setting, budget=Budget(passes=2, max_time_s=1e-9))

    assert by_backend(cases(benchmarks("plain"), short)) == {}


def test_a_row_that_the_time_of_the_run_cut_short_goes_on(setting, cases):
    """Its `stopped` says that the session ended first."""
    rows = benchmarks("plain")
    for progress in cases(rows, setting):
        if progress.passes == 1:
            break
    (cut,) = (each for each in progress.outcomes if each.benchmark.backend == "plain")

    *_, last = cases(rows, setting, resume=progress.outcomes)

    (whole,) = (each for each in last.outcomes if each.benchmark.backend == "plain")
    assert cut.stopped is None
    assert whole.times_s[:1] == cut.times_s
    assert len(whole.times_s) == 2


def test_what_was_skipped_then_is_measured_where_it_can_be_now(setting, cases):
    rows = benchmarks("plain")
    earlier = [Skipped.of(row, reason="no memory that day") for row in rows]

    *_, last = cases(rows, setting, resume=earlier)

    assert {type(each) for each in last.outcomes} == {Measured}


def test_after_the_death_of_its_nursery_a_session_spawns(setting, monkeypatch, cases):
    made = []
    nursery = launcher.Nursery

    def remembered(*arguments):
        made.append(nursery(*arguments))
        return made[-1]

    once = msgspec.structs.replace(setting, budget=Budget(passes=1, rounds=2, timeout_s=60))
    rows = benchmarks("plain", directions=(Direction.FORWARD, Direction.BACKWARD))
    monkeypatch.setattr(
        session,
        "start_nurseries",
        lambda wanted, operations, stack: [
            remembered(names, operations, own) for own, names in wanted
        ],
    )

    for progress in cases(rows, once):
        if progress.case is not None:
            for each in made:
                each._process.kill()
                each._process.wait()

    assert [type(each) for each in progress.outcomes] == [Measured] * 4, progress.outcomes
    caveats = [{each.kind for each in outcome.caveats} for outcome in progress.outcomes]
    assert sorted(CaveatKind.SPAWNED in kinds for kinds in caveats) == [False, False, True, True]
    for each in made:
        each.close()


def test_a_case_beyond_the_memory_is_skipped_with_what_it_needs(setting, cases):
    rows = benchmarks("plain", shape=(1 << 22, 1 << 20))

    found = by_backend(cases(rows, setting))

    assert "TiB of memory" in found["plain"].reason


def test_backends_that_do_not_fit_together_go_one_at_a_time(setting, monkeypatch, cases):
    monkeypatch.setattr(memory, "fitting", lambda *arguments: 1)

    found = by_backend(cases(benchmarks("plain"), setting))

    for outcome in found.values():
        assert [len(times) for times in outcome.times_s] == [3, 3]
        assert CaveatKind.SEQUENTIAL in {caveat.kind for caveat in outcome.caveats}


def test_a_session_goes_on_where_another_one_ended(setting, cases):
    rows = benchmarks("plain")
    one = msgspec.structs.replace(setting, budget=Budget(passes=1, rounds=3))
    *_, first = cases(rows, one)
    open_rows = [msgspec.structs.replace(outcome, stopped=None) for outcome in first.outcomes]

    *_, second = cases(rows, setting, resume=open_rows)

    for before, after in zip(first.outcomes, second.outcomes, strict=True):
        assert after.times_s[0] == before.times_s[0]
        assert len(after.times_s) == 2


def test_finished_rows_are_not_measured_again(setting, cases):
    rows = benchmarks("plain")
    *_, first = cases(rows, setting)

    again = list(cases(rows, setting, resume=first.outcomes))

    assert len(again) == 1
    assert again[0].outcomes == first.outcomes


def test_spawned_workers_measure_the_same_rows_and_say_so(setting, cases):
    found = by_backend(cases(benchmarks("plain"), setting, spawn=True))

    assert isinstance(found["plain"], Measured)
    assert CaveatKind.SPAWNED in {caveat.kind for caveat in found["plain"].caveats}


def test_the_order_is_drawn_from_the_seed(setting, cases):
    rows = [row for n in (8, 9, 10, 11) for row in benchmarks("plain", shape=(4, n))]

    def order(seed):
        drawn = msgspec.structs.replace(setting, seed=seed, budget=Budget(passes=1, rounds=1))
        return [p.case.shape for p in cases(rows, drawn) if p.case]

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(4)}) > 1


def processes_of(session_id):
    """Return the lnbench processes whose ancestor is a given process."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = (int(fields[1]), fields[0])
    found = set()
    for pid in parents:
        at = pid
        while at in parents and at != session_id:
            at = parents[at][0]
        if at == session_id and pid != session_id and parents[pid][1] != "Z":
            found.add(pid)
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux's /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_session(environment, tmp_path, number):
    command = [sys.executable, "-P", "-m", "lnbench", "run", "-b", "hangs,plain", "--shape", "8x8"]
    child = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    workers = set()
    while len(workers) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
        workers = processes_of(child.pid)
    assert len(workers) >= 2

    child.send_signal(number)
    child.communicate(timeout=30)

    assert child.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(map(_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_alive, workers))


def _alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")
