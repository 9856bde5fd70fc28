"""What this machine has to give: device, arithmetic, threads, memory, each with the reason."""

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch

from impasto.errors import SettingsError

__all__ = [
    "DTYPES",
    "Choice",
    "choose_device",
    "choose_dtype",
    "choose_threads",
    "describe_cpu",
    "free_memory",
]

T = TypeVar("T")

_CPUS = Path("/sys/devices/system/cpu")  # Linux tells of its cores here
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # and of its containers' limits here
_GROUPS = Path("/sys/fs/cgroup")
_PROCESSES = Path("/proc")

_SAFE = 0.9  # of what is free: other processes grow as well
_UNKNOWN = 4 * 10**9  # bytes, where a system does not say how much memory it has

DTYPES = {
    "bf16": torch.bfloat16,
    "fast32": torch.float32,
    "fp32": torch.float32,
    "fp64": torch.float64,
}


@dataclass(frozen=True)
class Choice(Generic[T]):
    """A value and why it was chosen, for people."""

    value: T
    reason: str


def choose_device(name: str) -> Choice[torch.device]:
    """The device asked for, or for `auto` the fastest there is; SettingsError if it is not here."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        best = next((kind for kind, here in present.items() if here), "cpu")
        return Choice(torch.device(best), "the fastest here" if best != "cpu" else "no GPU found")
    if not present.get(name, True):
        raise SettingsError(f"device is {name!r}, but torch finds none here; use auto or cpu")
    return Choice(torch.device(name), "asked for")


def choose_dtype(name: str, device: torch.device) -> Choice[torch.dtype]:
    """The arithmetic asked for; for `auto`, bfloat16 where the hardware multiplies it."""
    if name != "auto":
        if device.type == "mps" and name == "fp64":
            raise SettingsError("precision is 'fp64', but MPS has none; use --device cpu")
        return Choice(DTYPES[name], "asked for")
    native = _multiplies_bfloat16(device)
    if native:
        return Choice(torch.bfloat16, native)
    return Choice(torch.float32, "no native bfloat16 here")


def choose_threads(asked: int) -> Choice[int]:
    """CPU threads: as asked, or one for each core, within what this process may use.

    Two threads of one core share the units that multiply, and only wait for each other.
    """
    if asked:
        return Choice(asked, "asked for")
    affine = getattr(os, "sched_getaffinity", None)  # not everywhere
    cpus = affine(0) if affine else range(os.cpu_count() or 1)
    cores = len({_core(cpu) for cpu in cpus})
    quota = _cpu_quota()
    if quota is not None and quota < cores:
        return Choice(max(1, quota), "what this container may use")
    known = (_CPUS / "cpu0/topology").exists()
    return Choice(cores, "one per core" if known else "one per logical processor")


def _core(cpu: int) -> str:
    """What tells the core of a logical processor from others: the list of its threads."""
    with suppress(OSError):
        return (_CPUS / f"cpu{cpu}/topology/thread_siblings_list").read_text("ascii")
    return str(cpu)


def _cpu_quota() -> int | None:
    """Processors' worth of time that the control group grants, rounded; None without a limit."""
    with suppress(OSError, ValueError):
        granted, _, period = _QUOTA.read_text("ascii").partition(" ")
        return round(int(granted) / int(period))
    return None


def free_memory(device: torch.device) -> Choice[int]:
    """What this process may use in all, in bytes: what it has, and 0.9 of what is free.

    On Linux the kernel tells of both, and of what control groups and `ulimit -v` leave. Elsewhere
    it is half of the machine's memory, or 4 GB where nothing says how much that is.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        own = torch.cuda.memory_reserved(device)
        return Choice(own + int(_SAFE * free), "what is free on the GPU")
    available, held = _kilobytes("meminfo", "MemAvailable:"), _kilobytes("self/status", "VmRSS:")
    if available is None or held is None:
        return _half_of_memory()
    limits = [
        Choice(available, "what is free"),
        Choice(min(_left_to_groups(), default=available), "what this container has left"),
        Choice(_left_to_address(available), "what ulimit -v leaves"),
    ]
    least = min(limits, key=lambda limit: limit.value)
    return Choice(held + int(_SAFE * max(0, least.value)), least.reason)


def _left_to_address(most: int) -> int:
    """Bytes of address space that this process may still take; `most` where it is unlimited."""
    try:
        import resource  # not on Windows

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    except (ImportError, OSError):
        return most
    used = _kilobytes("self/status", "VmSize:")
    return most if used is None or limit == resource.RLIM_INFINITY else limit - used


def _kilobytes(file: str, field: str) -> int | None:
    """Bytes in a line `field N kB` of a file of the kernel's; None where there is none."""
    with suppress(OSError, ValueError, IndexError):
        for line in (_PROCESSES / file).read_text("ascii").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return None


def _left_to_groups() -> Iterator[int]:
    """Bytes that each control group of this process leaves, its ancestors' included."""
    lines: list[str] = []
    with suppress(OSError):
        lines = (_PROCESSES / "self/cgroup").read_text("utf-8").splitlines()
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        root = _GROUPS / "memory" if kinds else _GROUPS
        folder = root / path.strip("/")
        # a container may see its own group as the root, under a path that is the host's
        for group in {root, *(f for f in (folder, *folder.parents) if f.is_relative_to(root))}:
            yield from _left_to(group)


def _left_to(group: Path) -> Iterator[int]:
    """Limit less use, of cgroup v2 or v1, in bytes: cached files make way. Nothing if unlimited."""
    names = (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    for limit, usage, cached in names:
        with suppress(OSError, ValueError):
            most, used = (int((group / name).read_text("ascii")) for name in (limit, usage))
            yield most - used + _cached(group, cached)


def _cached(group: Path, field: str) -> int:
    with suppress(OSError, ValueError):
        for line in (group / "memory.stat").read_text("ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == field:
                return int(count)
    return 0


def _half_of_memory() -> Choice[int]:
    with suppress(AttributeError, ValueError, OSError):  # no sysconf, no such name, no answer
        pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        if pages > 0 and page > 0:
            return Choice(pages * page // 2, "half of this machine's memory")
    return Choice(_UNKNOWN, "this system does not say what is free")


def describe_cpu() -> str:
    """The processor's name, as the system gives it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _multiplies_bfloat16(device: torch.device) -> str:
    """Which unit does, or an empty string."""
    if device.type == "cuda":
        return "the GPU multiplies it" if torch.cuda.get_device_capability(device)[0] >= 8 else ""
    if device.type == "cpu":
        query = getattr(torch.cpu, "get_capabilities", None)  # not in older torch
        abilities = query() if query else {}
        for flag, unit in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX-512 BF16")):
            if abilities.get(flag):
                return f"{unit} multiplies it"
    return ""
