"""Laws of what keeps a machine busy: whose time is counted, what adds up, what may be missing."""

import os
import subprocess
import sys

import msgspec
import pytest
from factories import measured, report
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from lnbench.record import busy as module
from lnbench.record.busy import Busy, Watch, together
from lnbench.record.report import read, write

SESSION, CHILD, STRANGER = 100, 101, 200
HERTZ = os.sysconf("SC_CLK_TCK")


class Machine:
    """A tree of /proc and /sys with a clock; the session is process 100, on CPUs 0 and 2."""

    def __init__(self, root):
        self.root, self.now = root, 0.0

    def put(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def cpus(self, *lines):
        """Write seconds of user, nice, system, idle, iowait, irq, softirq, steal, guest, …"""
        texts = (f"cpu{i} {' '.join(str(s * HERTZ) for s in line)}" for i, line in enumerate(lines))
        self.put("proc/stat", "\n".join(["cpu 9 9 9 9 9 9 9 9 9 9", *texts, "intr 5 0", ""]))

    def process(self, pid, parent, *seconds, name="python"):
        """Write user, system and those of children that were waited for, in seconds."""
        ticks = " ".join(str(s * HERTZ) for s in (*seconds, 0, 0, 0, 0)[:4])
        self.put(f"proc/{pid}/stat", f"{pid} ({name}) S {parent} 1 1 0 -1 4 9 9 9 9 {ticks} 20 0 7")

    def watch(self):
        return Watch(self.root, SESSION, lambda: self.now)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2}, raising=False)
    return Machine(tmp_path)


def seen(machine, watch, after_s=10.0):
    machine.now += after_s
    return watch.look()


def test_the_time_of_the_session_and_its_descendants_is_not_that_of_others(machine):
    machine.cpus((5, 0), (0, 0), (5, 0))
    machine.process(SESSION, 1, 1, 1)
    machine.process(CHILD, SESSION, 1, name="a) S 1 (b")
    machine.process(CHILD + 1, CHILD, 1)
    machine.process(STRANGER, 1, 1)
    watch = machine.watch()
    machine.cpus((15, 0), (0, 0), (13, 0))  # 18 s more
    machine.process(SESSION, 1, 2, 2)  # 2 s more
    machine.process(CHILD, SESSION, 3, 2, name="a) S 1 (b")  # 4 s more
    machine.process(CHILD + 1, CHILD, 6)  # 5 s more
    machine.process(STRANGER, 1, 8)  # 7 s more
    assert seen(machine, watch).others_s == 7


def test_a_child_that_was_waited_for_is_still_the_session_s(machine):
    machine.cpus((0, 0), (0, 0), (0, 0))
    machine.process(SESSION, 1, 1, 1)
    machine.process(CHILD, SESSION, 3)
    watch = machine.watch()
    machine.cpus((4, 0), (0, 0), (0, 0))
    (machine.root / f"proc/{CHILD}/stat").unlink()
    machine.process(SESSION, 1, 1, 1, 4, 2)  # the child took 3 s more before it ended
    assert seen(machine, watch).others_s == 1


def test_a_child_that_nobody_waited_for_spoils_one_interval_alone(machine):
    machine.cpus((0, 0), (0, 0), (0, 0))
    machine.process(SESSION, 1, 1)
    machine.process(CHILD, SESSION, 50)
    watch = machine.watch()
    (machine.root / f"proc/{CHILD}/stat").unlink()
    assert seen(machine, watch).others_s == 0
    machine.cpus((8, 0), (0, 0), (0, 0))
    machine.process(SESSION, 1, 6)
    assert seen(machine, watch).others_s == 3


def test_each_field_of_the_cpus_counts_once_and_only_on_usable_cpus(machine):
    machine.process(SESSION, 1)
    machine.cpus(*[(0,) * 10] * 3)
    watch = machine.watch()
    #            user nice sys idle iowait irq softirq steal guest guest_nice
    machine.cpus((1, 2, 4, 900, 800, 8, 16, 3, 1, 2), (50,) * 10, (0, 0, 0, 0, 0, 0, 0, 2, 0, 0))
    found = seen(machine, watch, 20)
    assert (found.cpus, found.seconds) == (2, 20)
    assert found.others_s == 1 + 2 + 4 + 8 + 16
    assert found.steal_s == 3 + 2


def test_what_the_system_does_not_say_is_left_out(machine):
    watch = machine.watch()
    assert seen(machine, watch) == Busy(cpus=2, seconds=10)
    assert msgspec.to_builtins(seen(machine, watch)) == {"cpus": 2, "seconds": 20}


def test_a_counter_that_steps_back_takes_nothing(machine):
    machine.process(SESSION, 1)
    machine.cpus((1, 0, 0, 0, 0, 0, 0, 5), (), ())
    watch = machine.watch()
    machine.cpus((1, 0, 0, 0, 0, 0, 0, 4), (), ())
    assert seen(machine, watch).steal_s == 0


def test_limits_pressure_and_load_are_read(machine):
    machine.put("proc/self/cgroup", "0::/user/lnbench\n")
    folder = "sys/fs/cgroup/user"
    machine.put(f"{folder}/cpu.stat", "usage_usec 9\nthrottled_usec 1000000\n")
    machine.put(f"{folder}/lnbench/cpu.stat", "throttled_usec 500000\n")
    machine.put("proc/pressure/cpu", "some avg10=0.00 total=2000000\nfull avg10=0.00 total=7\n")
    machine.put("proc/loadavg", "3.50 1.00 1.00 1/9 5\n")
    watch = machine.watch()
    machine.put(f"{folder}/cpu.stat", "usage_usec 9\nthrottled_usec 3000000\n")
    machine.put(f"{folder}/lnbench/cpu.stat", "throttled_usec 750000\n")
    machine.put("proc/pressure/cpu", "some avg10=0.00 total=5000000\nfull avg10=0.00 total=9\n")
    found = seen(machine, watch)
    assert found.throttled_s == pytest.approx(2.25)
    assert found.pressure_s == pytest.approx(3)
    machine.put("proc/loadavg", "1.50 1.00 1.00 1/9 5\n")
    assert seen(machine, watch).load == 3.5


def test_the_first_version_of_cgroups_counts_in_nanoseconds(machine):
    machine.put("proc/self/cgroup", "1:cpu,cpuacct:/\n")
    machine.put("sys/fs/cgroup/cpu/cpu.stat", "throttled_time 0\n")
    watch = machine.watch()
    machine.put("sys/fs/cgroup/cpu/cpu.stat", "throttled_time 1500000000\n")
    assert seen(machine, watch).throttled_s == pytest.approx(1.5)


def test_a_watch_looks_once_a_second_at_most(machine):
    machine.process(SESSION, 1)
    machine.cpus((0, 0), (), ())
    watch = machine.watch()
    machine.cpus((4, 0), (), ())
    assert seen(machine, watch, 0.5) is UNSET
    first = seen(machine, watch, 0.75)
    assert (first.others_s, first.seconds) == (4, 1.25)
    machine.cpus((9, 0), (), ())
    assert seen(machine, watch, 0.5) is first
    assert seen(machine, watch, 0.5).others_s == 9


BURN = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"


def burning():
    return subprocess.Popen(
        [sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_on_this_machine_a_stranger_counts_and_a_child_does_not():
    now = 0.0
    with burning() as idle:
        idle.stdout.readline()
        watch = Watch(pid=idle.pid, clock=lambda: now)
        before = module._tree_s(module.machine.ROOT, os.getpid())
        with burning() as process:
            process.stdout.readline()
            now = 5.0
            assert watch.look().others_s >= 0.2  # a sibling of the watched process
            assert module._tree_s(module.machine.ROOT, os.getpid()) - before >= 0.2
            process.communicate(b"\n")
        assert module._tree_s(module.machine.ROOT, os.getpid()) - before >= 0.2  # waited for
        idle.communicate(b"\n")


known = st.integers(0, 10**6).map(float)
parts = st.builds(
    Busy,
    cpus=st.integers(1, 512),
    seconds=known,
    **dict.fromkeys(
        ("others_s", "steal_s", "throttled_s", "pressure_s", "load"), known | st.just(UNSET)
    ),
)


@given(parts, parts, parts)
def test_sums_do_not_mind_the_order(one, two, three):
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert together((one, UNSET, two)) == one + two
    assert together((UNSET, one)) == one
    assert together(()) is UNSET


@given(parts, parts)
def test_seconds_add_up_and_what_one_does_not_know_is_unknown(one, two):
    both = one + two
    assert both.seconds == one.seconds + two.seconds
    for name in ("others_s", "steal_s", "throttled_s", "pressure_s"):
        values = getattr(one, name), getattr(two, name)
        assert getattr(both, name) == (UNSET if UNSET in values else sum(values))


finite = st.floats(0, 1e12)


@given(
    st.builds(
        Busy,
        cpus=st.integers(1, 512),
        seconds=finite,
        **dict.fromkeys(("others_s", "steal_s", "throttled_s", "load"), finite | st.just(UNSET)),
    )
    | st.just(UNSET)
)
def test_a_report_keeps_it(tmp_path_factory, busy):
    path = tmp_path_factory.mktemp("busy") / "r.json"
    made = report(measured(), busy=busy)
    write(made, path)
    assert read(path) == made
    assert (b'"busy"' in path.read_bytes()) is (busy is not UNSET)
