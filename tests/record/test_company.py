"""Laws of what else runs: whose time counts, what moves, and what a system may not say."""

import os
from types import SimpleNamespace

import pytest
from msgspec import UNSET

from lnbench.record import company
from lnbench.record.busy import Busy
from lnbench.record.company import Snapshot, snapshot


def process(pid, name="python", seconds=0.0, created=1.0):
    times = None if seconds is None else SimpleNamespace(user=seconds, system=0.0)
    info = {"pid": pid, "name": name, "create_time": created, "cpu_times": times}
    return SimpleNamespace(info=info, pid=pid)


def system(*processes, parents=(), swap=(0, 0, 0), battery=None, load=0.5):
    """Return a module that answers as psutil does."""
    used, to, back = swap
    return SimpleNamespace(
        Process=lambda: SimpleNamespace(parents=lambda: [process(pid) for pid in parents]),
        process_iter=lambda names: iter(processes),
        swap_memory=lambda: SimpleNamespace(used=used, sin=to, sout=back),
        sensors_battery=lambda: battery,
        getloadavg=lambda: (load, 0.0, 0.0),
    )


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    (tmp_path / "proc").mkdir()
    return tmp_path


def only(found):
    (look,) = found
    assert look.effect
    return look.name, look.found, look.disturbs


def snap(swap=None, **names):
    """Return a snapshot of processes by name and CPU seconds, numbered as they come."""
    keys = {(pid, 1.0): name for pid, name in enumerate(names, 1)}
    return Snapshot(dict(zip(keys, names.values(), strict=True)), keys, swap)


def test_this_process_and_those_above_it_are_no_others_nor_is_one_that_hides_its_time():
    others = [process(7, "worker", 2.5), process(8, "hidden", None)]
    own = [process(os.getpid(), "lnbench", 9.0), process(5, "bash", 9.0)]
    seen = snapshot(system(*own, *others, parents=(5,), swap=(4096, 1, 2)))
    assert seen == Snapshot({(7, 1.0): 2.5}, {(7, 1.0): "worker"}, (4096, 3))


def test_a_system_that_does_not_speak_of_swap_has_no_look_at_it():
    def silent():
        raise FileNotFoundError

    machine = system()
    machine.swap_memory = silent
    assert snapshot(machine).swap is None
    assert list(company.swap(snapshot(machine), snapshot(machine))) == []


def test_the_busiest_processes_are_named_by_what_they_took_meanwhile():
    before, after = snap(old=100.0, compiler=1.0), snap(old=100.0, compiler=2.0, late=0.5)
    busy = Busy(cpus=2, seconds=1.0, others_s=1.5)
    assert only(company.others(before, after, busy, 1.0)) == (
        "other processes",
        "75% of 2 CPUs: compiler 100%, late 50% of one",
        True,
    )


@pytest.mark.parametrize(("share", "disturbs"), [(0.04, False), (0.06, True)])
def test_others_disturb_from_the_share_on_that_a_report_names(share, disturbs):
    busy = Busy(cpus=2, seconds=1.0, others_s=2 * share)
    assert only(company.others(snap(), snap(), busy, 1.0))[-1] is disturbs


def test_where_the_kernel_counts_nothing_the_processes_are_summed(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    for busy in (None, Busy(cpus=2, seconds=1.0)):
        found = only(company.others(snap(a=1.0), snap(a=3.0), busy, 2.0))
        assert found == ("other processes", "25% of 4 CPUs: a 100% of one", True)


def test_a_worker_of_the_kernel_that_changes_its_name_took_no_more():
    before = Snapshot({(3, 1.0): 50.0}, {(3, 1.0): "kworker/0:0-mm"})
    after = Snapshot({(3, 1.0): 50.0}, {(3, 1.0): "kworker/0:0-events"})
    assert only(company.others(before, after, None, 1.0))[1].startswith("0% of")


@pytest.mark.parametrize(("running", "disturbs"), [(1, False), (2, False), (3, True)])
def test_the_load_disturbs_where_others_fill_every_cpu(root, running, disturbs):
    (root / "proc/loadavg").write_text(f"0.50 0.40 0.30 {running}/99 1234\n")
    found = f"0.50 over a minute on 2 CPUs, {running - 1} more running"
    assert only(company.load(root, system())) == ("load", found, disturbs)


def test_a_system_without_proc_still_has_a_load(root):
    assert only(company.load(root, system()))[1] == "0.50 over a minute on 2 CPUs"


def test_stolen_time_is_told_where_it_is_known():
    assert list(company.hypervisor(Busy(cpus=2, seconds=1))) == []
    for steal_s, found, disturbs in (
        (0.02, "1.0% of 2 CPUs", False),
        (0.1, "5.0% of 2 CPUs", True),
    ):
        busy = Busy(cpus=2, seconds=1, steal_s=steal_s)
        assert only(company.hypervisor(busy)) == ("steal", found, disturbs)


def test_a_limit_is_told_only_while_it_stops_somebody():
    for throttled_s in (UNSET, 0.0, 0.01):
        assert list(company.throttled(Busy(cpus=2, seconds=1, throttled_s=throttled_s))) == []
    assert only(company.throttled(Busy(cpus=2, seconds=1, throttled_s=0.5)))[-1]


@pytest.mark.parametrize(
    ("cpu", "memory", "disturbs"), [(19, 0.5, False), (21, 0, True), (0, 1.5, True)]
)
def test_memory_may_make_wait_for_less_than_the_cpu(root, cpu, memory, disturbs):
    assert list(company.pressure(root)) == []
    for name, share in (("cpu", cpu), ("memory", memory)):
        path = root / "proc/pressure" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"some avg10={share:.2f} avg60=90.00 total=5\nfull avg10=99.00 total=1\n")
    name, found, said = only(company.pressure(root))
    assert (name, said) == ("pressure", disturbs)
    assert found == f"cpu {cpu:.1f}%, memory {memory:.1f}% of the last 10 s"


def test_swap_disturbs_while_it_moves_and_not_by_being_used():
    still = snap(swap=(2**20, 5))
    assert only(company.swap(still, still)) == ("swap", "1.00 MiB used", False)
    moved = snap(swap=(2**20, 5 + 8192))
    assert only(company.swap(still, moved))[1:] == (
        "1.00 MiB used, 8.00 KiB moved in this second",
        True,
    )


def test_a_battery_disturbs_where_it_powers_the_machine():
    def powered(**fields):
        return list(company.power(system(battery=SimpleNamespace(percent=63.2, **fields))))

    assert list(company.power(system())) == []
    assert powered(power_plugged=None) == []
    assert only(powered(power_plugged=True)) == ("power", "plugged in", False)
    assert only(powered(power_plugged=False)) == ("power", "battery, 63%", True)
    assert list(company.power(SimpleNamespace())) == []  # a system that psutil cannot ask


def test_a_machine_that_says_little_is_watched_all_the_same(root):
    slept = []
    found = [look.name for look in company.watched(root, system(), slept.append)]
    assert found == ["load", "other processes", "swap"]
    assert slept == [company.WATCHED_S]


def test_this_machine_is_watched_by_psutil_itself():
    names = [look.name for look in company.watched()]
    assert {"load", "other processes"} <= set(names)
