"""What this machine is good at: device, arithmetic, threads, each with the reason for it."""

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch

from impasto.errors import SettingsError

__all__ = ["DTYPES", "Choice", "choose_device", "choose_dtype", "choose_threads", "describe_cpu"]

T = TypeVar("T")

_CPUS = Path("/sys/devices/system/cpu")  # Linux tells of its cores here
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # and of its containers' limits here

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
