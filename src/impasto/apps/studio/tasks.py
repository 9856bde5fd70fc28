"""What the worker process can be asked for, with the limits of each task."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TASKS", "Task"]

_GB = 10**9


@dataclass(frozen=True)
class Task:
    """A function of the worker, `module:name`.

    Attributes:
        function: where it is.
        what: what it does, the subject of an error message.
        seconds: after which the worker is ended.
        memory: bytes that it may take besides those the worker has; None for no limit.
    """

    function: str
    what: str
    seconds: float
    memory: int | None = None


_WORKER = "impasto.apps.studio.worker"

TASKS = {
    "admit": Task(f"{_WORKER}:admit", "reading the picture", 60, 3 * _GB),
    "record": Task(f"{_WORKER}:record", "reading the record", 30, 1 * _GB),
    "convert": Task(f"{_WORKER}:convert", "converting the picture", 300, 6 * _GB),
    "rest": Task(f"{_WORKER}:rest", "combining the masks", 60, 2 * _GB),
    "bare": Task("impasto.apps.studio.bare:bare", "reading the picture", 60, 3 * _GB),
    "object": Task(f"{_WORKER}:select", "finding the object", 60, 2 * _GB),
    "plan": Task("impasto.apps.studio.planning:plan", "planning", 60),
    "calibrate": Task("impasto.apps.studio.planning:calibrate", "measuring this machine", 120),
    "describe": Task("impasto.apps.studio.planning:describe", "listing the settings", 60),
}
