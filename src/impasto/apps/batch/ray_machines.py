"""What a machine of a Ray cluster must have: room for a worker, and the same software."""

from __future__ import annotations

from collections.abc import Mapping

from impasto.settings import Settings

__all__ = ["Resources", "difference", "needs"]

Resources = Mapping[str, float]


def needs(settings: Settings, has: Resources) -> tuple[dict[str, float], int]:
    """What a worker takes of a machine that `has` so much, and how many of them fit on it.

    One takes the whole machine, or a GPU and its part of the processors; as many processors as
    `threads` and as much memory as `memory` says, if they do.
    """
    cpus, gpus, memory = (int(has.get(name, 0)) for name in ("CPU", "GPU", "memory"))
    if settings.device == "cpu" or gpus == 0:
        if settings.device not in ("auto", "cpu"):
            return {}, 0
        count = cpus // settings.threads if settings.threads else min(cpus, 1)
        if asked := int(settings.memory):
            count = min(count, memory // asked)
        if count < 1:
            return {}, 0
        return {"CPU": settings.threads or cpus, "memory": asked or memory // count}, count
    count = min(gpus, cpus // settings.threads) if settings.threads else gpus
    if cpus < 1 or count < 1:
        return {}, 0
    return {"CPU": settings.threads or cpus // count or cpus / count, "GPU": 1}, count


def difference(own: Mapping[str, str], other: Mapping[str, str]) -> str:
    """What a machine has in another version, in a sentence; empty if nothing."""
    for name, value in own.items():
        if other.get(name) != value:
            there = other.get(name, "missing")
            return f"its {name} is {there[:12]} and {value[:12]} here; install the same everywhere"
    return ""
