"""Laws of the looks at a host: each reads its files, says what to do, is silent without them."""

import os

import pytest

from lnbench.record import looks

CPU = "sys/devices/system/cpu"
USABLE = {0, 1}


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Write files of a host whose process may use CPUs 0 and 1; `root` is where they lie."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: USABLE, raising=False)

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    write.root = tmp_path
    return write


def only(found):
    """The one look, as name, what it is, the command, and whether it disturbs."""
    (look,) = found
    assert look.effect
    return look.name, look.found, look.command, look.disturbs


def test_a_host_without_such_files_has_the_looks_that_need_none(put):
    found = {look.name: look for look in looks.host(put.root, {})}
    assert set(found) == {"allocator", "clock"}
    assert found["clock"].found.startswith("a reading ")


def test_one_cpu_that_saves_power_is_enough_to_disturb(put):
    put(f"{CPU}/cpu0/cpufreq/scaling_governor", "performance")
    put(f"{CPU}/cpu1/cpufreq/scaling_governor", "performance")
    put(f"{CPU}/cpu2/cpufreq/scaling_governor", "powersave")  # not this process's
    fix = "sudo cpupower frequency-set --governor performance"
    assert only(looks.governor(put.root)) == ("governor", "performance", fix, False)
    put(f"{CPU}/cpu1/cpufreq/scaling_governor", "powersave")
    assert only(looks.governor(put.root)) == ("governor", "performance, powersave", fix, True)


@pytest.mark.parametrize(
    ("name", "value", "found", "fix"),
    [
        ("intel_pstate/no_turbo", "0", "on", "echo 1 | sudo tee"),
        ("intel_pstate/no_turbo", "1", "off", "echo 1 | sudo tee"),
        ("cpufreq/boost", "1", "on", "echo 0 | sudo tee"),
        ("cpufreq/boost", "0", "off", "echo 0 | sudo tee"),
    ],
)
def test_two_switches_of_turbo_mean_opposite_things(put, name, value, found, fix):
    put(f"{CPU}/{name}", value)
    assert only(looks.turbo(put.root)) == ("turbo", found, f"{fix} /{CPU}/{name}", found == "on")


def test_the_cpu_that_is_held_down_most_says_the_limit(put):
    for cpu, limit in ((0, 3_500_000), (1, 2_000_000)):
        put(f"{CPU}/cpu{cpu}/cpufreq/scaling_max_freq", limit)
        put(f"{CPU}/cpu{cpu}/cpufreq/cpuinfo_max_freq", 3_500_000)
    assert only(looks.frequency_limit(put.root)) == (
        "frequency limit",
        "2.00 of 3.50 GHz",
        "sudo cpupower frequency-set --max 3500000",
        True,
    )
    put(f"{CPU}/cpu1/cpufreq/scaling_max_freq", 3_500_000)
    assert not only(looks.frequency_limit(put.root))[-1]


@pytest.mark.parametrize(
    ("cores", "found", "command", "disturbs"),
    [
        (("0", "1"), "2 CPUs on 2 cores", "", False),
        (("0-1", "0-1"), "2 CPUs on 1 cores", f"echo off | sudo tee /{CPU}/smt/control", False),
        (
            ("0", "1,5"),
            "2 CPUs on 2 cores, 1 of them beside CPUs that this process may not use",
            "taskset --cpu-list 0 lnbench run",
            True,
        ),
    ],
)
def test_a_sibling_disturbs_where_others_may_use_it(put, cores, found, command, disturbs):
    for cpu, text in enumerate(cores):
        put(f"{CPU}/cpu{cpu}/topology/thread_siblings_list", text)
    assert only(looks.siblings(put.root)) == ("SMT siblings", found, command, disturbs)


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("user.slice/lnbench.service", "sudo systemctl set-property --runtime lnbench.service"),
        ("docker/abc", "docker run --cpuset-cpus"),
    ],
)
def test_a_quota_below_the_cpus_disturbs_and_says_how_often_it_stopped(put, folder, command):
    put("proc/self/cgroup", f"0::/{folder}")
    assert list(looks.cgroup_quota(put.root)) == []
    put(f"sys/fs/cgroup/{folder}/cpu.max", "150000 100000")
    put(f"sys/fs/cgroup/{folder}/cpu.stat", "nr_periods 9\nnr_throttled 31\nthrottled_usec 7")
    name, found, fix, disturbs = only(looks.cgroup_quota(put.root))
    assert (name, found) == ("cgroup quota", "1.5 of 2 CPUs, stopped 31 times so far")
    assert fix.startswith(command)
    assert disturbs
    put(f"sys/fs/cgroup/{folder}/cpu.max", "200000 100000")
    assert not only(looks.cgroup_quota(put.root))[-1]


def test_the_cgroup_that_limits_is_the_one_to_change(put):
    put("proc/self/cgroup", "0::/user.slice/app.scope")
    put("sys/fs/cgroup/user.slice/cpu.max", "50000 100000")
    put("sys/fs/cgroup/user.slice/app.scope/cpu.max", "max 100000")
    command = only(looks.cgroup_quota(put.root))[2]
    assert command == "sudo systemctl set-property --runtime user.slice CPUQuota="


@pytest.mark.parametrize(("text", "used"), [("0-3", True), ("1-3", False), ("4,6", False)])
def test_isolated_cpus_disturb_where_they_are_not_used(put, text, used):
    put(f"{CPU}/isolated", "")
    assert list(looks.isolated(put.root)) == []
    put(f"{CPU}/isolated", text)
    _, found, command, disturbs = only(looks.isolated(put.root))
    assert found == f"{text}, {'used' if used else 'not used'}"
    assert command == f"taskset --cpu-list {text} lnbench run"
    assert disturbs is not used


def test_huge_pages_are_told_and_do_not_disturb(put):
    put("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]")
    assert only(looks.huge_pages(put.root))[1::2] == ("never", False)


def test_the_allocator_s_variables_are_named_without_their_values():
    variables = {"MALLOC_ARENA_MAX": "1", "LD_PRELOAD": "/home/me/lib.so", "HOME": "/home/me"}
    _, found, command, disturbs = only(looks.allocator(variables))
    assert (found, command) == ("LD_PRELOAD, MALLOC_ARENA_MAX", "unset LD_PRELOAD MALLOC_ARENA_MAX")
    assert not disturbs
    assert only(looks.allocator({}))[1:3] == ("no variable is set", "")


@pytest.mark.parametrize(("value", "found"), [("0", "off"), ("1", "on"), ("2", "on")])
def test_one_address_for_all_processes_disturbs_and_random_ones_do_not(put, value, found):
    put("proc/sys/kernel/randomize_va_space", value)
    assert only(looks.address_randomization(put.root))[1::2] == (found, found == "off")


@pytest.mark.parametrize(
    ("source", "cost_ns", "disturbs"),
    [("tsc", 30, False), ("kvm-clock", 40, False), ("hpet", 40, True), ("tsc", 900, True)],
)
def test_a_clock_that_asks_the_kernel_disturbs(put, monkeypatch, source, cost_ns, disturbs):
    monkeypatch.setattr(looks, "clock_cost_and_step_ns", lambda: (cost_ns, 1))
    folder = "sys/devices/system/clocksource/clocksource0"
    put(f"{folder}/current_clocksource", source)
    put(f"{folder}/available_clocksource", "tsc hpet acpi_pm")
    _, found, command, said = only(looks.clock(put.root))
    assert found == f"{source}, a reading {cost_ns} ns, a step 1 ns"
    assert said is disturbs
    fix = "echo tsc | sudo tee /sys/devices/system/clocksource/*/current_clocksource"
    assert command == ("" if source == "tsc" else fix)


def test_the_cost_of_a_reading_is_what_lies_between_two_and_the_step_is_never_none(monkeypatch):
    times = iter(range(0, 10**6, 7))
    monkeypatch.setattr(looks.time, "perf_counter_ns", lambda: next(times))
    assert looks.clock_cost_and_step_ns() == (7, 7)
    coarse = iter(n // 4 * 1000 for n in range(10**6))
    monkeypatch.setattr(looks.time, "perf_counter_ns", lambda: next(coarse))
    assert looks.clock_cost_and_step_ns() == (0, 1000)


def test_the_room_for_shared_arrays_is_told(put):
    assert list(looks.shared_memory(put.root)) == []
    put("dev/shm/x", "")
    assert only(looks.shared_memory(put.root))[1].endswith("free")


def test_every_look_at_this_machine_says_all_it_must():
    for look in looks.host():
        assert all((look.name, look.found, look.effect))
