"""The hardware of a run: device, dtype, threads and memory, chosen once, each with the reason."""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from impasto.errors import SettingsError
from impasto.hardware.computing import computing
from impasto.hardware.limits import Choice, cpu_limit, free_memory
from impasto.settings import Settings

__all__ = [
    "DTYPES",
    "Hardware",
    "Trial",
    "choose_device",
    "choose_dtype",
    "choose_threads",
    "describe_cpu",
]

DTYPES = {
    "bf16": torch.bfloat16,
    "fast32": torch.float32,
    "fp32": torch.float32,
    "fp64": torch.float64,
}

Trial = Callable[[torch.device], object]
"""Uses a device as a run would; raises whatever error that ends in."""

_lock = threading.Lock()
_failures: dict[str, str] = {}  # by kind of device: the error of its trial, "" if there was none


@dataclass(frozen=True)
class Hardware:
    """What one run computes with.

    Attributes:
        device: where the network and the optimiser compute.
        dtype: of the network's features and weights.
        threads: CPU threads.
        memory: bytes that the whole process may use; on CUDA, bytes of the device.
        reasons: for each of these names why it was chosen, for people.
    """

    device: torch.device
    dtype: torch.dtype
    threads: int
    memory: int
    reasons: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def choose(
        cls,
        settings: Settings,
        *,
        trial: Trial | None = None,
        notify: Callable[[str], object] | None = None,
        share: float = 1.0,
    ) -> Hardware:
        """What the settings ask for, and what is best here where they leave it open.

        `share` in (0, 1] is this process's part of the machine, 1/n for n processes that run at
        once: of free memory, and of cores. For `trial` and `notify` see `choose_device`. Raises
        SettingsError for what this machine does not have.
        """
        if not 0 < share <= 1:
            raise SettingsError(f"share is {share!r}; expected a number above 0, and at most 1")
        device = choose_device(settings.device, trial, notify)
        dtype = choose_dtype(settings.precision, device.value)
        threads = choose_threads(settings.threads, share)
        asked = int(settings.memory)
        memory = Choice(asked, "asked for") if asked else free_memory(device.value, share)
        reasons = {
            "device": device.reason,
            "dtype": dtype.reason,
            "threads": threads.reason,
            "memory": memory.reason,
        }
        return cls(device.value, dtype.value, threads.value, memory.value, reasons)

    def computing(self) -> AbstractContextManager[None]:
        """Compute with these threads, and independently of torch's state around; see `computing`.

        Enter it around each computation, and leave it before control goes back to the caller.
        """
        return computing(self.threads)


def choose_device(
    name: str, trial: Trial | None = None, notify: Callable[[str], object] | None = None
) -> Choice[torch.device]:
    """The device asked for; for `auto`, a GPU that torch finds and that passes the `trial`.

    `cuda:N` is the card of that number. Each kind of device is tried once a process. Where it
    fails, the CPU is chosen, and `notify` is called once with the reason. Raises SettingsError for
    a device that is not here.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name != "auto":
        return Choice(_named(name, present), "asked for")
    best = next((kind for kind, here in present.items() if here), None)
    if best is None:
        return Choice(torch.device("cpu"), "no GPU found")
    failure = _failure(best, trial, notify)
    if failure:
        return Choice(torch.device("cpu"), failure)
    return Choice(torch.device(best), "the fastest here")


def _named(name: str, present: Mapping[str, bool]) -> torch.device:
    """The device `name`, such as cuda:1; SettingsError if it is none, or not here."""
    kind, colon, number = name.partition(":")
    if kind not in ("cpu", *present) or (colon and kind != "cuda"):
        raise SettingsError(f"device is {name!r}; expected auto, cpu, cuda, cuda:N or mps")
    if not present.get(kind, True):
        raise SettingsError(f"device is {name!r}, and torch finds none here; use auto or cpu")
    if number and int(number) >= (count := torch.cuda.device_count()):
        raise SettingsError(f"device is {name!r}, and torch finds {count} here, from cuda:0 on")
    return torch.device(name)


def _failure(kind: str, trial: Trial | None, notify: Callable[[str], object] | None) -> str:
    """Why a kind of device is not used: how its trial ended. Empty if it went well."""
    with _lock:
        if kind not in _failures and trial is not None:
            _failures[kind] = _tried(kind, trial)
            if _failures[kind] and notify is not None:
                notify(f"computing on the CPU: {_failures[kind]}")
        return _failures.get(kind, f"{kind} was not tried")


def _tried(kind: str, trial: Trial) -> str:
    try:
        trial(torch.device(kind))
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return f"a trial on {kind} failed with {type(error).__name__}: {lines[0]}"
    return ""


def choose_dtype(name: str, device: torch.device) -> Choice[torch.dtype]:
    """The arithmetic asked for; for `auto`, bfloat16 where the hardware multiplies it.

    Raises SettingsError for an unknown name, and for float64 on a device without it.
    """
    if name != "auto":
        if name not in DTYPES:
            raise SettingsError(f"precision is {name!r}; expected auto, {', '.join(DTYPES)}")
        if device.type == "mps" and name == "fp64":
            raise SettingsError("precision is 'fp64', and mps has no float64; set device to cpu")
        return Choice(DTYPES[name], "asked for")
    native = _multiplies_bfloat16(device)
    if native:
        return Choice(torch.bfloat16, native)
    return Choice(torch.float32, "no native bfloat16 here")


def choose_threads(asked: int, share: float = 1.0) -> Choice[int]:
    """CPU threads: as asked, or for 0 a `share` of those that this process may use."""
    if asked < 0:
        raise SettingsError(f"threads is {asked}; expected a number of threads, or 0")
    if asked:
        return Choice(asked, "asked for")
    return cpu_limit(share)


def describe_cpu() -> str:
    """The processor's name, as the system gives it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _multiplies_bfloat16(device: torch.device) -> str:
    """The unit that multiplies bfloat16, or an empty string."""
    if device.type == "cuda":
        return "the GPU multiplies it" if torch.cuda.get_device_capability(device)[0] >= 8 else ""
    if device.type == "cpu":
        query = getattr(torch.cpu, "get_capabilities", None)  # not in older torch
        abilities = query() if query else {}
        for flag, unit in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX-512 BF16")):
            if abilities.get(flag):
                return f"{unit} multiplies it"
    return ""
