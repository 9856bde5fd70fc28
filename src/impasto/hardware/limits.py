"""What this process may use of the machine: CPU time and memory, by every limit that is set.

Affinity, control groups (version 1 and 2), `OMP_NUM_THREADS` and `ulimit -v` all count.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import psutil
import torch

__all__ = ["Choice", "cpu_limit", "free_memory"]

T = TypeVar("T")

_CPUS = Path("/sys/devices/system/cpu")  # Linux lists the threads of each core here
_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")

_UNKNOWN = 4 * 10**9  # bytes to plan with where a system does not say what it has
_SAFE = 0.9  # part of free memory that is planned with: other processes grow as well


@dataclass(frozen=True)
class Choice(Generic[T]):
    """A value, and for people the reason why it was chosen."""

    value: T
    reason: str


def cpu_limit(share: float = 1.0) -> Choice[int]:
    """CPU threads that this process can use at once, at least 1.

    One per core among the processors it may run on: two threads of one core share the units that
    multiply, and only wait for each other. Control groups lower it, and `share` in (0, 1] is this
    process's part of that, where several compute at once. `OMP_NUM_THREADS` is a limit by itself.
    """
    known = (_CPUS / "cpu0/topology").exists()
    cores = Choice(float(_cores()), "one per core" if known else "one per logical processor")
    quotas = (Choice(quota, "what this container may use") for quota in _cpu_quotas())
    granted = min([cores, *quotas], key=lambda limit: limit.value)
    limits = [Choice(max(1, round(granted.value)), granted.reason)]
    if share < 1:
        limits.append(Choice(max(1, int(share * granted.value)), "this process's share"))
    asked = _omp_threads()
    if asked is not None:
        limits.append(Choice(asked, "OMP_NUM_THREADS"))
    return min(limits, key=lambda limit: limit.value)


def _cores() -> int:
    """Cores among the logical processors that this process may run on."""
    affine = getattr(os, "sched_getaffinity", None)  # Linux and few others
    cpus = affine(0) if affine else range(os.cpu_count() or 1)
    if not (_CPUS / "cpu0/topology").exists():
        physical = psutil.cpu_count(logical=False)
        return min(len(cpus), physical or len(cpus))
    return len({_core(cpu) for cpu in cpus})


def _core(cpu: int) -> str:
    """The list of a core's threads, which tells the core of a logical processor from others."""
    with suppress(OSError):
        return (_CPUS / f"cpu{cpu}/topology/thread_siblings_list").read_text("ascii")
    return str(cpu)


def _omp_threads() -> int | None:
    """OMP_NUM_THREADS, of which the first number is for the outermost level; None if not set."""
    with suppress(ValueError):
        count = int(os.environ.get("OMP_NUM_THREADS", "").partition(",")[0])
        return count if count > 0 else None
    return None


def free_memory(device: torch.device, share: float = 1.0) -> Choice[int]:
    """Bytes that this process may use in all: those it has, and 0.9 of those that are free.

    `share` in (0, 1] is its part of what is free, where several processes plan at once. Of the
    system's free memory, control groups and `ulimit -v` the least counts. On CUDA it is the
    device's memory.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        own = torch.cuda.memory_reserved(device)
        return Choice(own + int(_SAFE * share * free), "what is free on the GPU")
    available = _system_free()
    if available is None:
        return Choice(int(share * _UNKNOWN), "this system does not say what is free")
    limits = [Choice(available, "what is free")]
    limits += [Choice(left, "what this container has left") for left in _memory_quotas()]
    limits += [Choice(left, "what ulimit -v leaves") for left in _address_space()]
    least = min(limits, key=lambda limit: limit.value)
    return Choice(_own("rss") + int(_SAFE * share * max(0, least.value)), least.reason)


def _system_free() -> int | None:
    """Bytes that the system can give without swapping; None where it does not say."""
    with suppress(psutil.Error, OSError, ValueError, KeyError):
        return int(psutil.virtual_memory().available)
    return None


def _own(kind: str) -> int:
    """Bytes of this process, resident (`rss`) or of address space (`vms`); 0 if unknown."""
    with suppress(psutil.Error, OSError, ValueError):
        return int(getattr(psutil.Process().memory_info(), kind))
    return 0


def _address_space() -> Iterator[int]:
    """Bytes of address space that `ulimit -v` leaves; nothing where it is unlimited."""
    with suppress(ImportError, OSError):
        import resource  # not on Windows

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            yield limit - _own("vms")


def _cpu_quotas() -> Iterator[float]:
    """Processors' worth of time that each control group of this process grants."""
    for folder in _groups("cpu"):
        with suppress(OSError, ValueError, ZeroDivisionError):  # "max" where there is no limit
            granted, period = (folder / "cpu.max").read_text("ascii").split()
            yield int(granted) / int(period)
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota = _number(folder / "cpu.cfs_quota_us")
            if quota > 0:  # -1 where there is no limit
                yield quota / _number(folder / "cpu.cfs_period_us")


def _memory_quotas() -> Iterator[int]:
    """Bytes that each control group of this process leaves; cached files make way."""
    kinds = (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    for folder in _groups("memory"):
        for limit, usage, cached in kinds:
            with suppress(OSError, ValueError):
                left = _number(folder / limit) - _number(folder / usage)
                yield left + _field(folder / "memory.stat", cached)


def _groups(controller: str) -> Iterator[Path]:
    """Folders of this process's control groups with a controller, all ancestors included.

    Version 1 has a tree for each set of controllers, version 2 one tree for all.
    """
    lines: Iterable[str] = ()
    with suppress(OSError):
        lines = _OWN_GROUPS.read_text("utf-8").splitlines()
    for line in lines:
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        root = _GROUPS / controller if controllers else _GROUPS
        folder = root / path.strip("/")
        # a container may see its own group as the root, under a path that is the host's
        yield from {root, *(f for f in (folder, *folder.parents) if f.is_relative_to(root))}


def _number(file: Path) -> int:
    return int(file.read_text("ascii"))


def _field(file: Path, name: str) -> int:
    """A number in a file of lines `name number`; 0 where it is missing."""
    with suppress(OSError, ValueError):
        for line in file.read_text("ascii").splitlines():
            key, _, count = line.partition(" ")
            if key == name:
                return int(count)
    return 0
