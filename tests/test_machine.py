"""What is chosen of a machine, and what a run does to the process's memory."""

from contextlib import suppress

import pytest
import torch

from impasto import machine
from impasto.encoder import describe_convolutions
from impasto.machine import choose_threads
from impasto.memory import kept_memory


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
    monkeypatch.setattr("impasto.memory.sys.platform", "linux")
    monkeypatch.setattr("impasto.memory.ctypes.CDLL", lambda _: library)
    with suppress(ZeroDivisionError), kept_memory(2**20):
        assert library.calls == [(-4, 0), (-1, 2**31 - 1)]
        raise ZeroDivisionError
    assert library.calls[2:] == [(-4, 65536), (-1, 2**26), (-3, 2**25), 0]


def test_of_several_runs_the_last_gives_memory_back(monkeypatch):
    library = Library()
    monkeypatch.setattr("impasto.memory.sys.platform", "linux")
    monkeypatch.setattr("impasto.memory.ctypes.CDLL", lambda _: library)
    first, second = kept_memory(1), kept_memory(1)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert len(library.calls) == 2
    second.__exit__(None, None, None)
    assert library.calls[-1] == 0


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_other_libraries_are_left_alone(monkeypatch, platform):
    monkeypatch.setattr("impasto.memory.sys.platform", platform)
    monkeypatch.setattr("impasto.memory.ctypes.CDLL", lambda _: object())
    with kept_memory(1):
        pass


def test_large_canvases_leave_memory_alone(monkeypatch):
    library = Library()
    monkeypatch.setattr("impasto.memory.ctypes.CDLL", lambda _: library)
    with kept_memory(2**20 + 1):
        assert library.calls == []
