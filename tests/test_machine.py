"""What is chosen of a machine, and what a run does to the process's memory."""

from contextlib import suppress
from types import SimpleNamespace

import psutil
import pytest
import torch

from impasto.encoder import describe_convolutions
from impasto.hardware import limits
from impasto.hardware.allocator import tuned_malloc
from impasto.hardware.device import choose_threads
from impasto.hardware.limits import Choice, free_memory
from impasto.settings.schedule import Stage


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A Linux whose control groups are files written by name, and no other limit is set."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")

    monkeypatch.setattr(limits, "_CPUS", tmp_path / "cpus")
    monkeypatch.setattr(limits, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(limits, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return write


@pytest.fixture
def four_cores_of_eight(groups, monkeypatch):
    """A processor of four cores with two threads each, in the control group `box`."""
    for cpu in range(8):
        groups(**{f"cpus__cpu{cpu}__topology__thread_siblings_list": f"{cpu % 4},{cpu % 4 + 4}"})
    monkeypatch.setattr(limits.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    groups(own="0::/box")
    return groups


def test_threads_are_as_many_as_cores(four_cores_of_eight):
    assert choose_threads(0) == Choice(4, "one per core")
    assert choose_threads(7) == Choice(7, "asked for")


def test_threads_stay_within_affinity(four_cores_of_eight, monkeypatch):
    monkeypatch.setattr(limits.os, "sched_getaffinity", lambda _: {1, 5, 6})
    assert choose_threads(0).value == 2  # 1 and 5 are one core


LIMITS = [("max 100000", 4), ("200000 100000", 2), ("20000 100000", 1), ("900000 100000", 4)]


@pytest.mark.parametrize("group", ["", "box__"])
@pytest.mark.parametrize(("limit", "threads"), [*LIMITS, ("?", 4), ("1 0", 4)])
def test_threads_stay_within_every_control_group(four_cores_of_eight, group, limit, threads):
    four_cores_of_eight(**{f"groups__{group}cpu.max": limit})
    assert choose_threads(0).value == threads
    assert ("container" in choose_threads(0).reason) == (threads < 4)


@pytest.mark.parametrize(("quota", "threads"), [("-1", 4), ("200000", 2), ("40000", 1)])
def test_threads_stay_within_groups_of_the_first_version(four_cores_of_eight, quota, threads):
    four_cores_of_eight(
        own="7:pids:/else\n4:cpu,cpuacct:/a/b\n0::/",
        **{"groups__cpu__a__cpu.cfs_quota_us": quota, "groups__cpu__a__cpu.cfs_period_us": 100000},
    )
    assert choose_threads(0).value == threads


@pytest.mark.parametrize(
    ("asked", "threads"), [("2", 2), ("1,4", 1), ("99", 4), ("0", 4), ("many", 4)]
)
def test_threads_obey_openmp(four_cores_of_eight, monkeypatch, asked, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert choose_threads(0).value == threads
    assert ("OMP" in choose_threads(0).reason) == (threads < 4)
    assert choose_threads(3).value == 3


@pytest.mark.parametrize(("share", "threads"), [(1.0, 4), (0.5, 2), (0.3, 1), (0.1, 1)])
def test_threads_are_shared_with_other_processes(four_cores_of_eight, share, threads):
    assert choose_threads(0, share).value == threads


def test_a_share_is_of_what_the_container_may_use(four_cores_of_eight, monkeypatch):
    four_cores_of_eight(**{"groups__box__cpu.max": "200000 100000"})
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # for one process already
    assert choose_threads(0, 0.5).value == 1


@pytest.mark.parametrize(("physical", "threads"), [(2, 2), (None, 3), (8, 3)])
def test_threads_where_no_file_lists_the_cores(groups, monkeypatch, physical, threads):
    monkeypatch.setattr(limits.os, "sched_getaffinity", lambda _: {0, 5, 6}, raising=False)
    monkeypatch.setattr(limits.psutil, "cpu_count", lambda logical: physical)
    assert choose_threads(0).value == threads


def test_convolutions_are_described_for_every_device():
    cpu = torch.device("cpu")
    cuda = torch.device("cuda")
    assert "every other torch program" in describe_convolutions(cpu, torch.float32, exact=True)
    assert "cuDNN" in describe_convolutions(cuda, torch.bfloat16, exact=False)


def test_oneDNN_is_asked_only_where_it_is_known_to_answer(monkeypatch):  # noqa: N802 (the library's own name)
    cpu = torch.device("cpu")
    monkeypatch.setattr("impasto.encoder.convolutions.platform.machine", lambda: "arm64")
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
    with suppress(ZeroDivisionError), tuned_malloc((1024, 1024)):
        assert library.calls == [(-4, 0), (-1, 2**31 - 1)]
        raise ZeroDivisionError
    assert library.calls[2:] == [(-4, 65536), (-1, 2**26), (-3, 2**25), 0]


def test_of_several_runs_the_last_gives_memory_back(monkeypatch):
    library = Library()
    monkeypatch.setattr("impasto.hardware.allocator.sys.platform", "linux")
    monkeypatch.setattr("impasto.hardware.allocator.ctypes.CDLL", lambda _: library)
    first, second = tuned_malloc((1, 1)), tuned_malloc((1, 1))
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
    with tuned_malloc((1, 1)):
        pass


def test_large_canvases_return_what_they_free(monkeypatch):
    library = Library()
    monkeypatch.setattr("impasto.hardware.allocator.sys.platform", "linux")
    monkeypatch.setattr("impasto.hardware.allocator.ctypes.CDLL", lambda _: library)
    with tuned_malloc((1, 1)):
        library.calls.clear()
        with tuned_malloc((1025, 1024)):
            assert library.calls == [(-4, 65536), (-1, 2**26), (-3, 2**22)]
        assert library.calls[3:] == [(-4, 0), (-1, 2**31 - 1)]
    assert library.calls[5:] == [(-4, 65536), (-1, 2**26), (-3, 2**25), 0]


def test_the_stages_of_a_run_decide(monkeypatch):
    library = Library()
    monkeypatch.setattr("impasto.hardware.allocator.sys.platform", "linux")
    monkeypatch.setattr("impasto.hardware.allocator.ctypes.CDLL", lambda _: library)
    keeping, returning = [(-4, 0), (-1, 2**31 - 1)], [(-4, 65536), (-1, 2**26), (-3, 2**22)]
    with tuned_malloc() as suit:
        suit("an event without a size")
        assert library.calls == []
        stages = [((64, 64), keeping), ((4096, 64), []), ((4096, 4096), [*returning, 0])]
        for size, calls in stages:
            library.calls.clear()
            suit(Stage(0, 1, size, 1, 0, 0, 1))
            assert library.calls == calls
        library.calls.clear()
    assert library.calls == [(-4, 65536), (-1, 2**26), (-3, 2**25), 0]


KB = 1024


@pytest.fixture
def system(groups, tmp_path, monkeypatch):
    """A Linux where this process has 1,000 kB, and 9,000 kB are free; writes files by name."""

    def group(folder, limit, usage, stat="", *, version=2):
        """A control group's files, sizes in kB or as they are."""
        names = ("max", "current") if version == 2 else ("limit_in_bytes", "usage_in_bytes")
        folder = tmp_path / "groups" / folder
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in zip(names, (limit, usage), strict=True):
            text = value if isinstance(value, str) else str(value * KB)
            (folder / f"memory.{name}").write_text(f"{text}\n")
        (folder / "memory.stat").write_text(stat)

    own = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=1000 * KB, vms=6000 * KB))
    available = SimpleNamespace(available=9000 * KB)
    monkeypatch.setattr(limits.psutil, "Process", lambda: own)
    monkeypatch.setattr(limits.psutil, "virtual_memory", lambda: available)
    return SimpleNamespace(write=groups, group=group)


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
    for limit, left in ((8000 * KB, 2000), (99_000 * KB, 9000), (resource.RLIM_INFINITY, 9000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
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
    system.write(own="0::/box")
    system.group("box", limit, usage, stat)
    assert free().value == expected(left)
    assert ("container" in free().reason) == (left < 9000)


def test_free_memory_is_within_every_group_around(system):
    system.write(own="0::/outer/inner")
    system.group("outer", 4000, 3000)
    system.group("outer/inner", "max", 2500)
    assert free().value == expected(1000)
    system.group("outer/inner", 2600, 2500)
    assert free().value == expected(100)


def test_free_memory_of_a_container_that_sees_its_group_as_the_root(system):
    system.write(own="0::/host/box")
    system.group("", 3000, 1000)
    assert free().value == expected(2000)


@pytest.mark.parametrize("kinds", ["memory", "cpu,memory"])
def test_free_memory_is_within_groups_of_the_first_version(system, kinds):
    system.write(own=f"7:pids:/else\n4:{kinds}:/a/b\n0::/")
    system.group("memory/a", 3000, 1000, version=1)
    system.group("memory/a/b", 2**53 - 1, 1000, "total_inactive_file 1024\n", version=1)
    system.group("else", 1, 1)
    assert free().value == expected(2000)


@pytest.mark.parametrize("error", [OSError(2, "no /proc"), psutil.Error(), KeyError("MemFree:")])
def test_free_memory_where_the_system_does_not_tell(system, monkeypatch, error):
    def refuse():
        raise error

    monkeypatch.setattr(limits.psutil, "virtual_memory", refuse)
    assert free().value == 4 * 10**9
    assert "does not say" in free().reason


def test_free_memory_is_shared_with_other_processes(system):
    half = free_memory(torch.device("cpu"), 0.5).value
    assert half == 1000 * KB + int(0.45 * 9000 * KB)


def test_free_memory_of_a_gpu_counts_what_torch_has(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 5000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 300)
    assert free_memory(torch.device("cuda")).value == 300 + 900


def test_free_memory_here_is_some():
    assert 10**7 < free().value < 10**14
