"""Laws of what is read from the operating system, on trees made for the purpose."""

import os
import platform
import uuid

import psutil
import pytest

from lnbench.record import machine


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Return a function that fills a root; the process may use CPUs 0 to 3."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)

    def _tree(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return _tree


def siblings(*lists):
    return {
        f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": f"{text}\n"
        for cpu, text in enumerate(lists)
    }


def test_one_cpu_of_each_core_comes_first(tree):
    root = tree(siblings("0-1", "0-1", "2-3", "2-3"))
    assert machine.usable_cpus(root) == (0, 2, 1, 3)
    assert machine.physical_cores(root) == 2


def test_a_system_without_affinity_counts_its_cpus(tree, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert machine.usable_cpus(tree({})) == (0, 1, 2)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.usable_cpus(tree({})) == (0,)


def test_only_cores_that_affinity_allows_count(tree, monkeypatch):
    root = tree(siblings("0,2", "1,3", "0,2", "1,3"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2}, raising=False)
    assert machine.usable_cpus(root) == (0, 2)
    assert machine.physical_cores(root) == 1
    assert machine.logical_cores() == 2


def test_without_topology_every_cpu_is_a_core(tree):
    assert machine.usable_cpus(tree({})) == (0, 1, 2, 3)
    assert machine.physical_cores(tree({})) == 4


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/cpu.max": "300000 100000",
                "sys/fs/cgroup/a/cpu.max": "200000 100000",
                "sys/fs/cgroup/cpu.max": "max 100000",
            },
            2.0,
        ),
        ({"proc/self/cgroup": "0::/../x\n", "sys/fs/cgroup/cpu.max": "100000 100000"}, 1.0),
        (
            {
                "proc/self/cgroup": "9:memory:/m\n3:cpu,cpuacct:/jobs\n0::/\n",
                "sys/fs/cgroup/cpu/m/cpu.cfs_quota_us": "100000",
                "sys/fs/cgroup/cpu/m/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/cpu/jobs/cpu.cfs_quota_us": "250000",
                "sys/fs/cgroup/cpu/jobs/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            2.5,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 0"}, None),
        ({"proc/self/cgroup": "nonsense\n\n", "sys/fs/cgroup/cpu.max": "a b c"}, None),
    ],
)
def test_the_tightest_quota_on_the_way_up_counts(tree, files, cpus):
    assert machine.cgroup_cpus(tree(files)) == cpus


@pytest.mark.parametrize(("quota", "cores"), [(10, 1), (100, 1), (250, 2), (399, 3), (900, 4)])
def test_a_quota_allows_whole_cores_and_at_least_one(tree, quota, cores):
    root = tree({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": f"{quota} 100"})
    assert machine.physical_cores(root) == cores


def cache(cpu, index, level, size, shared):
    folder = f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
    return {f"{folder}/level": level, f"{folder}/size": size, f"{folder}/shared_cpu_list": shared}


def test_the_last_level_is_summed_over_its_caches_and_not_over_cpus(tree):
    files = {}
    for cpu, shared in enumerate(["0-1", "0-1", "2-3", "2-3"]):
        files |= cache(cpu, 0, "1", "48K", str(cpu)) | cache(cpu, 3, "3", "16M", shared)
    assert machine.last_level_cache_bytes(tree(files)) == 2 * 16 * 2**20


@pytest.mark.parametrize(
    ("size", "found"),
    [("512", 512), ("48K", 48 * 2**10), ("32M", 32 * 2**20), ("1G", 2**30)],
)
def test_the_size_of_a_cache_has_its_unit(tree, size, found):
    root = tree(cache(0, 0, "2", size, "0") | cache(0, 1, "3", "many", "0"))
    assert machine.last_level_cache_bytes(root) == found


def test_an_unreadable_cache_is_taken_to_be_large(tree):
    assert machine.last_level_cache_bytes(tree({})) == machine.FALLBACK_CACHE_BYTES
    root = tree(cache(0, 0, "", "16M", "0"))
    assert machine.last_level_cache_bytes(root) == machine.FALLBACK_CACHE_BYTES


def test_a_hypervisor_shows_in_the_flags(tree):
    assert machine.virtual(tree({})) is None
    assert machine.virtual(tree({"proc/cpuinfo": "flags\t: fpu sse\n"})) is False
    assert machine.virtual(tree({"proc/cpuinfo": "flags\t: fpu hypervisor\n"})) is True


def test_settings_of_the_kernel_are_read_or_unknown(tree):
    assert machine.transparent_hugepages(tree({})) is None
    assert machine.governor(tree({})) is None
    root = tree(
        {
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
            "proc/cpuinfo": "processor\t: 0\nmodel name\t: Zen 5: Turbo\n",
        }
    )
    assert machine.transparent_hugepages(root) == "madvise"
    assert machine.governor(root) == "performance"
    assert machine.cpu_model(root) == "Zen 5: Turbo"


def test_the_machine_id_tells_machines_apart_and_keeps_their_number_secret(tree):
    number = "3d1219c7c4c5404aaa1f6d2a48adfda4"
    one = machine.machine_id(tree({"etc/machine-id": number}))
    assert one == machine.machine_id(tree({"etc/machine-id": number + "\n"}))
    assert one != machine.machine_id(tree({"etc/machine-id": number[::-1]}))
    assert one != machine.machine_id(
        tree({"etc/machine-id": number, "proc/cpuinfo": "model name: another"})
    )
    assert one not in number
    assert len(one) == 16


def test_this_machine_can_be_read():
    assert 1 <= machine.physical_cores() <= len(machine.usable_cpus()) == machine.logical_cores()
    assert machine.last_level_cache_bytes() > 2**16
    assert machine.cpu_model()
    assert machine.operating_system()


def test_the_number_of_the_machine_may_stand_in_either_file(tmp_path):
    ids = []
    for name in ("etc/machine-id", "var/lib/dbus/machine-id", "elsewhere"):
        root = tmp_path / name.replace("/", "-")
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("3d1219c7c4c5404aaa1f6d2a48adfda4")
        ids.append(machine.machine_id(root))
    assert ids[0] == ids[1] != ids[2]


def test_the_memory_is_all_pages_or_unknown(monkeypatch):
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    assert machine.memory_bytes() == 4096 * 1000

    def unknown(name):
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", unknown)
    assert machine.memory_bytes() is None


def test_the_system_is_named_with_what_is_known_of_it(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "release", lambda: "6.12")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"PRETTY_NAME": "Debian 13"})
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.41"))
    assert machine.operating_system() == "Linux 6.12, Debian 13, glibc 2.41"
    monkeypatch.setattr(platform, "freedesktop_os_release", dict)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert machine.operating_system() == "Linux 6.12"


# macOS


@pytest.fixture
def macos(monkeypatch, tmp_path):
    """A Mac with 8 cores of an Apple M2, as far as it is asked; the tree of nothing."""
    command = tmp_path / "sysctl"
    command.write_text('#!/bin/sh\n[ "$*" = "-n machdep.cpu.brand_string" ] && echo "Apple M2"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    machine._brand.cache_clear()
    yield tmp_path / "root"
    machine._brand.cache_clear()


def test_macos_names_its_processor_and_counts_its_cores(macos, monkeypatch):
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 4)
    assert machine.cpu_model(macos) == "Apple M2"
    assert machine.physical_cores(macos) == 4
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: None)
    assert machine.physical_cores(macos) == machine.logical_cores()


def test_a_system_without_sysctl_names_the_architecture(macos, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert machine.cpu_model(macos) == platform.machine()


def test_two_macs_of_one_kind_are_two_machines(macos, monkeypatch):
    ids = set()
    for address in (0x001122334455, 0x001122334466):
        monkeypatch.setattr(uuid, "getnode", lambda address=address: address)
        ids.add(machine.machine_id(macos))
    assert len(ids) == 2


def test_an_address_that_python_drew_tells_no_machine_apart(macos, monkeypatch):
    drawn = iter([1 << 40 | 1, 1 << 40 | 2])
    monkeypatch.setattr(uuid, "getnode", lambda: next(drawn))
    assert machine.machine_id(macos) == machine.machine_id(macos)
