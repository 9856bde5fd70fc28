"""A job: one picture that is asked for, from the queue to its result; plain data and its states.

    queued ──> painting ──> done
                  │  └────> failed, interrupted
                  └───────> paused, stopped        each of these goes back to the queue

A command changes the state at once. The painter follows: `settling` is true while it still writes
the files of a job that is not painting any more.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timezone
from typing import Any

__all__ = ["COMMANDS", "STATES", "Job", "allowed", "new_id", "now"]

STATES = ("queued", "painting", "paused", "stopped", "done", "failed", "interrupted")

_RESTING = ("paused", "stopped", "failed", "interrupted")

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "pause": ("queued", "painting"),
    "resume": _RESTING,
    "stop": ("queued", "painting", "paused", "interrupted"),
    "discard": STATES,
    "move": ("queued",),
    "more": ("done", "stopped"),
    "adjust": STATES,
}
"""The states in which a command changes something."""

_SAME = {
    "pause": ("paused",),
    "resume": ("queued", "painting"),
    "stop": ("stopped", "done"),
}
"""The states in which a command has nothing to change, since it holds already."""

_FIELDS_OF_RUN: Mapping[str, Any] = {
    "stage": 0, "stages": 0, "scale": None, "iteration": 0, "done": 0, "total": 0,
    "loss": None, "remaining": None,
}  # fmt: skip

MAX_NOTICES = 20  # the last ones


def allowed(state: str, command: str) -> bool | None:
    """Whether the command changes something in that state; None where it holds already."""
    if state in COMMANDS[command]:
        return True
    return None if state in _SAME.get(command, ()) else False


def new_id() -> str:
    """Sixteen hexadecimal digits, in the order of time, the last six random."""
    return f"{time.time_ns() // 1_000_000:010x}"[-10:] + secrets.token_hex(3)


def now() -> str:
    """The time as ISO 8601, UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


@dataclass(frozen=True)
class Job:
    """What is known of a job; what its folder's job.json holds.

    Attributes:
        id: name of its folder.
        state: one of STATES.
        created, updated: ISO 8601, UTC.
        title: one line.
        request: as it was asked for, with the settings of every change since.
        extra: iterations that were added at the last scale.
        rank: its place in the queue, among the ranks of others.
        size: (width, height) of the result, pixels; None before it is known.
        stage, stages: which scale of how many, from 0.
        scale: the canvas's longest side, pixels.
        iteration: at this scale.
        done, total: iterations, since the last change of settings.
        loss: the objective.
        seconds, remaining: painted so far, and until the end.
        preview: number of the newest preview; 0 for none.
        canvas: (width, height) of the canvas, pixels.
        result: width, height and bytes of the result's file.
        outputs: which files there are besides.
        notices: lines for people.
        error: why it failed.
        changes: how often its settings were changed.
        version: number of what is asked for: settings and iterations.
        owed: whether it was painted on since its result was written.
        parent: the job from whose canvas it starts.
        settling: whether the painter still writes its files.
    """

    id: str
    request: Mapping[str, Any]
    title: str = ""
    state: str = "queued"
    created: str = field(default_factory=now)
    updated: str = field(default_factory=now)
    parent: str | None = None
    extra: int = 0
    rank: float = 0.0
    size: tuple[int, int] | None = None
    stage: int = 0
    stages: int = 0
    scale: int | None = None
    iteration: int = 0
    done: int = 0
    total: int = 0
    loss: float | None = None
    seconds: float = 0.0
    remaining: float | None = None
    preview: int = 0
    canvas: tuple[int, int] | None = None
    result: Mapping[str, int] | None = None
    outputs: Mapping[str, bool] = field(
        default_factory=lambda: {"report": False, "timelapse": False}
    )
    notices: tuple[str, ...] = ()
    error: str | None = None
    changes: int = 0
    version: int = 0
    owed: bool = False
    settling: bool = False

    def changed(self, **fields: Any) -> Job:  # noqa: ANN401 (of this class)
        """The job with some fields replaced, updated now; never before the last time."""
        return replace(self, **{"updated": max(now(), self.updated), **fields})

    def noticed(self, text: str) -> Job:
        """With one more line for people; the same line is not repeated."""
        if text in self.notices:
            return self
        return self.changed(notices=(*self.notices, text)[-MAX_NOTICES:])

    def anew(self, **fields: Any) -> Job:  # noqa: ANN401 (of this class)
        """With other settings: what was known of the run under way is not known any more."""
        counts = {"changes": self.changes + 1, "version": self.version + 1}
        return self.changed(**{**_FIELDS_OF_RUN, **counts, **fields})

    def line(self, position: int | None = None) -> dict[str, Any]:
        """Plain values by name for the page; `position` in the queue, from 0."""
        return {**asdict(self), "position": position}

    def step(self) -> dict[str, Any]:
        """What changes with each step."""
        names = ("id", "done", "total", "stage", "stages", "scale", "iteration", "loss")
        more = ("seconds", "remaining", "preview", "canvas")
        return {name: getattr(self, name) for name in (*names, *more)}

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Job:
        """The job that a job.json holds; ValueError where it is none of this version."""
        try:
            return cls._of(line)
        except (AttributeError, TypeError) as error:
            raise ValueError(f"not a job: {error}") from error

    @classmethod
    def _of(cls, line: Mapping[str, Any]) -> Job:
        known = {each.name for each in fields(cls)}
        job = cls(**{name: value for name, value in line.items() if name in known})
        texts = (job.id, job.title, job.state, job.created, job.updated)
        if not all(isinstance(text, str) for text in texts) or job.state not in STATES:
            raise ValueError("not a job")
        if not isinstance(job.request, Mapping):
            raise ValueError("not a job")
        size, canvas = (_pair(pair) for pair in (job.size, job.canvas))
        notices = tuple(map(str, job.notices))
        return replace(job, size=size, canvas=canvas, notices=notices, settling=False)


def _pair(value: Any) -> tuple[int, int] | None:  # noqa: ANN401 (of a file)
    """(width, height) from a list of two numbers."""
    if value is None:
        return None
    width, height = value
    return int(width), int(height)
