"""What is chosen of a machine, and what a run does to the process's memory."""

from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch

from impasto.encoder import describe_convolutions
from impasto.hardware import device as machine
from impasto.hardware.allocator import tuned_memory
from impasto.hardware.device import choose_threads, free_memory


@pytest.fixture
def four_cores_of_eight(tmp_path, monkeypatch):
    """A processor of four cores with two threads each, and no limit on its time."""
    for cpu in range(8):
        folder = tmp_path / f"cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 4},{cpu % 4 + 4}\n")
    monkeypatch.setattr(machine, "_CPUS", tmp_path)
    monkeypatch.setattr(machine, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return tmp_path


def test_threads_are_as_many_as_cores(four_cores_of_eight):
    assert choose_threads(0).value == 4
    assert choose_threads(7).value == 7


@pytest.mark.parametrize(
    ("limit", "threads"),
    [("max 100000", 4), ("200000 100000", 2), ("20000 100000", 1), ("900000 100000", 4), ("?", 4)],
)
def test_threads_stay_within_a_containers_limit(four_cores_of_eight, limit, threads):
    (four_cores_of_eight / "cpu.max").write_text(f"{limit}\n")
    assert choose_threads(0).value == threads


def test_threads_without_a_list_of_siblings_are_the_processors(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_CPUS", tmp_path)
    monkeypatch.setattr(machine, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {0, 5, 6}, raising=False)
    assert choose_threads(0).value == 3


def test_convolutions_are_described_for_every_device():
    cpu = torch.device("cpu")
    cuda = torch.device("cuda")
    assert "every other torch program" in describe_convolutions(cpu, torch.float32, exact=True)
    assert "cuDNN" in describe_convolutions(cuda, torch.bfloat16, exact=False)


def test_oneDNN_is_asked_only_where_it_is_known_to_answer(monkeypatch):  # noqa: N802
    cpu = torch.device("cpu")
    monkeypatch.setattr("impasto.encoder.convolution.platform.machine", lambda: "arm64")
    for dtype in (torch.bfloat16, torch.float32):
        assert "oneDNN" not in describe_convolutions(cpu, dtype, exact=False)


class Library:
    """A C library that notes how it is called."""

    def __init__(self):
        self.calls = []

    def mallopt(self, parameter, value):
        self.calls.append((parameter, value))
        return 1

    def malloc_trim(self, pad):
        self.calls.append(pad)


def test_memory_is_kept_for_the_run_and_given_back_even_after_an_error(monkeypatch):
    library = Library()
    monkeypatch.setattr("impasto.hardware.allocator.sys.platform", "linux")
    monkeypatch.setattr("impasto.hardware.allocator.ctypes.CDLL", lambda _: library)
    with suppress(ZeroDivisionError), tuned_memory(2**20):
        assert library.calls == [(-4, 0), (-1, 2**31 - 1)]
        raise ZeroDivisionError
    assert library.calls[2:] == [(-4, 65536), (-1, 2**26), (-3, 2**25), 0]


def test_of_several_runs_the_last_gives_memory_back(monkeypatch):
    library = Library()
    monkeypatch.setattr("impasto.hardware.allocator.sys.platform", "linux")
    monkeypatch.setattr("impasto.hardware.allocator.ctypes.CDLL", lambda _: library)
    first, second = tuned_memory(1), tuned_memory(1)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert len(library.calls) == 2
    second.__exit__(None, None, None)
    assert library.calls[-1] == 0


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_other_libraries_are_left_alone(monkeypatch, platform):
    monkeypatch.setattr("impasto.hardware.allocator.sys.platform", platform)
    monkeypatch.setattr("impasto.hardware.allocator.ctypes.CDLL", lambda _: object())
    with tuned_memory(1):
        pass


def test_large_canvases_return_what_they_free(monkeypatch):
    library = Library()
    monkeypatch.setattr("impasto.hardware.allocator.sys.platform", "linux")
    monkeypatch.setattr("impasto.hardware.allocator.ctypes.CDLL", lambda _: library)
    with tuned_memory(1):
        library.calls.clear()
        with tuned_memory(2**20 + 1):
            assert library.calls == [(-4, 65536), (-1, 2**26), (-3, 2**22)]
        assert library.calls[3:] == [(-4, 0), (-1, 2**31 - 1)]
    assert library.calls[5:] == [(-4, 65536), (-1, 2**26), (-3, 2**25), 0]


KB = 1024


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A Linux where this process has 1,000 kB, and 9,000 kB are free; writes files by name."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def group(folder, limit, usage, stat="", *, version=2):
        """A control group's files, sizes in kB or as they are."""
        names = ("max", "current") if version == 2 else ("limit_in_bytes", "usage_in_bytes")
        folder = tmp_path / "groups" / folder
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in zip(names, (limit, usage), strict=True):
            text = value if isinstance(value, str) else str(value * KB)
            (folder / f"memory.{name}").write_text(f"{text}\n")
        (folder / "memory.stat").write_text(stat)

    monkeypatch.setattr(machine, "_PROCESSES", tmp_path / "proc")
    monkeypatch.setattr(machine, "_GROUPS", tmp_path / "groups")
    write(proc__meminfo="MemTotal:  20000 kB\nMemAvailable:    9000 kB\n")
    write(proc__self__status="Name:\tpython\nVmRSS:\t    1000 kB\n")
    return SimpleNamespace(write=write, group=group)


def free():
    return free_memory(torch.device("cpu"))


def expected(kilobytes):
    """What this process has, and nine tenths of what is free beside it."""
    return 1000 * KB + int(0.9 * kilobytes * KB)


def test_free_memory_is_the_systems(system):
    assert free().value == expected(9000)
    assert free().reason == "what is free"


def test_free_memory_is_within_the_address_space_that_is_granted(system, monkeypatch):
    resource = pytest.importorskip("resource")
    status = "VmSize:\t  6000 kB\nVmRSS:\t  1000 kB\n"
    for limit, left in ((8000 * KB, 2000), (99_000 * KB, 9000), (resource.RLIM_INFINITY, 9000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        system.write(proc__self__status=status)
        assert free().value == expected(left)
        assert free().reason == ("what ulimit -v leaves" if left == 2000 else "what is free")


@pytest.mark.parametrize(
    ("limit", "usage", "stat", "left"),
    [
        (5000, 2000, "", 3000),
        (5000, 2000, "anon 7\ninactive_file 512000\n", 3500),  # cached files make way
        (5000, 6000, "", 0),
        (90_000, 10, "", 9000),  # more than the machine has
        ("max", 2000, "", 9000),
        ("?", 2000, "", 9000),
    ],
)
def test_free_memory_is_within_a_control_groups(system, limit, usage, stat, left):
    system.write(proc__self__cgroup="0::/box\n")
    system.group("box", limit, usage, stat)
    assert free().value == expected(left)
    assert ("container" in free().reason) == (left < 9000)


def test_free_memory_is_within_every_group_around(system):
    system.write(proc__self__cgroup="0::/outer/inner\n")
    system.group("outer", 4000, 3000)
    system.group("outer/inner", "max", 2500)
    assert free().value == expected(1000)
    system.group("outer/inner", 2600, 2500)
    assert free().value == expected(100)


def test_free_memory_of_a_container_that_sees_its_group_as_the_root(system):
    system.write(proc__self__cgroup="0::/host/box\n")
    system.group("", 3000, 1000)
    assert free().value == expected(2000)


@pytest.mark.parametrize("kinds", ["memory", "cpu,memory"])
def test_free_memory_is_within_groups_of_the_first_version(system, kinds):
    system.write(proc__self__cgroup=f"7:pids:/else\n4:{kinds}:/a/b\n0::/\n")
    system.group("memory/a", 3000, 1000, version=1)
    system.group("memory/a/b", 2**53 - 1, 1000, "total_inactive_file 1024\n", version=1)
    system.group("else", 1, 1)
    assert free().value == expected(2000)


def test_free_memory_where_the_kernel_does_not_tell(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_PROCESSES", tmp_path)
    sizes = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(machine.os, "sysconf", sizes.__getitem__, raising=False)
    assert free().value == 500 * 4096
    sizes["SC_PHYS_PAGES"] = -1
    assert free().value == 4 * 10**9
    monkeypatch.delattr(machine.os, "sysconf")
    assert free().value == 4 * 10**9
    assert "does not say" in free().reason


def test_free_memory_of_a_gpu_counts_what_torch_has(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 5000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 300)
    assert free_memory(torch.device("cuda")).value == 300 + 900


def test_free_memory_here_is_some():
    assert 10**7 < free().value < 10**14
