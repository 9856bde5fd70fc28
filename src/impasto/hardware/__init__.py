"""What the machine grants: device, threads, memory, and how a run keeps within them."""

from impasto.hardware.computing import computing
from impasto.hardware.device import (
    DTYPES,
    Hardware,
    Trial,
    choose_device,
    choose_dtype,
    choose_threads,
)
from impasto.hardware.limits import Choice, free_memory
from impasto.hardware.oom import OutOfMemoryRetry, is_out_of_memory, memory_guard
from impasto.hardware.planner import Plan, plan

__all__ = [
    "DTYPES",
    "Choice",
    "Hardware",
    "OutOfMemoryRetry",
    "Plan",
    "Trial",
    "choose_device",
    "choose_dtype",
    "choose_threads",
    "computing",
    "free_memory",
    "is_out_of_memory",
    "memory_guard",
    "plan",
]
