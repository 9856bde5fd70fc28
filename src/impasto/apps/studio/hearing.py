"""What the painter tells of a job while it paints: progress, previews, notices."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from impasto.apps.studio.jobs import Job
from impasto.apps.studio.orders import Told
from impasto.apps.studio.pace import Leg, Pace
from impasto.apps.studio.register import Register

__all__ = ["Hearing"]

_KEEP = 10.0  # seconds between previews that are written to the disk
_MOST = 8  # previews in memory

Facts = Mapping[str, Any]


class Hearing:
    """Takes in what is told of one job after another; the register's lock is held."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._previews: dict[str, bytes] = {}
        self._kept_at = 0.0
        self._pace, self._step_at = Pace(()), 0.0
        self._kinds = {
            "opened": self._opened,
            "stage": self._stage,
            "step": self._step,
            "notice": self._notice,
            "preview": self._preview,
            "result": self._result,
        }

    def hear(self, told: Told) -> None:
        """Take in one event."""
        job = self._register.jobs.get(told.job)
        if job is not None:
            self._kinds[told.kind](job, told.facts)

    def preview(self, job: str) -> bytes | None:
        """The newest preview of a job, JPEG; None if there is none."""
        found = self._previews.get(job)
        if found is None and (file := self._register.folders.file(job, "preview.jpg")):
            found = file.read_bytes()
        return found

    def keep_preview(self, job: str) -> None:
        """Write the newest preview of a job to the disk, for after a restart."""
        if job in self._previews:
            self._kept_at = time.monotonic()
            self._register.folders.save_preview(job, self._previews[job])

    def forget(self, job: str) -> None:
        """The job is gone."""
        self._previews.pop(job, None)

    def _opened(self, job: Job, facts: Facts) -> None:
        legs = [Leg(tuple(size), count) for size, count in facts["stages"]]
        self._pace, self._step_at = Pace(legs, self._pace.rate), time.monotonic()
        names = ("stage", "done", "total", "iteration")
        left = self._pace.remaining(facts["stage"], facts["iteration"])
        known = {"size": tuple(facts["size"]), "stages": len(legs), "remaining": left, "owed": True}
        self._register.put(job.changed(**{name: facts[name] for name in names}, **known))

    def _stage(self, job: Job, facts: Facts) -> None:
        known = {name: facts[name] for name in ("stage", "stages", "total")}
        known |= {"scale": max(facts["size"]), "iteration": 0}
        self._register.put(job.changed(**known), save=False)

    def _step(self, job: Job, facts: Facts) -> None:
        now, stage = time.monotonic(), facts["stage"]
        if (count := max(1, facts["done"] - job.done)) and self._step_at:
            self._pace.note(stage, (now - self._step_at) / count)
        self._step_at = now
        names = ("stage", "scale", "iteration", "done", "total", "loss", "seconds")
        known = {name: facts[name] for name in names}
        left = self._pace.remaining(stage, facts["iteration"])
        known["remaining"] = left if job.state == "painting" else None
        self._register.step(job.changed(**known, canvas=tuple(facts["size"])))

    def _notice(self, job: Job, facts: Facts) -> None:
        self._register.put(job.noticed(self._register.said(facts["notice"])))
        if facts["kind"] == "output":
            self._register.tell_full()

    def _preview(self, job: Job, facts: Facts) -> None:
        self._previews.pop(job.id, None)
        self._previews[job.id] = facts["encoded"]
        while len(self._previews) > _MOST:
            self._previews.pop(next(iter(self._previews)))
        self._register.step(job.changed(preview=job.preview + 1, canvas=tuple(facts["canvas"])))
        if job.preview == 0 or time.monotonic() - self._kept_at >= _KEEP:
            self.keep_preview(job.id)

    def _result(self, job: Job, facts: Facts) -> None:
        self._register.put(job.changed(result=facts["result"], owed=False))
