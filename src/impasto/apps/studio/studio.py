"""The studio: library, darkroom, painter, and the jobs between them.

pictures ── Library ──┐
request ── JobRequest ┴─> Job ── Workshop ── Painter ── result ── Library
                            └── Feed ──> viewers
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from impasto.apps.studio.code import code_of
from impasto.apps.studio.continuing import merged
from impasto.apps.studio.darkroom import Darkroom
from impasto.apps.studio.feed import Feed
from impasto.apps.studio.folders import QUOTA, Folders
from impasto.apps.studio.forecast import Forecast
from impasto.apps.studio.jobs import Job, new_id
from impasto.apps.studio.orders import Told, Watch, Work
from impasto.apps.studio.painter import Painter
from impasto.apps.studio.pictures import Library
from impasto.apps.studio.refusal import Refusal, missing
from impasto.apps.studio.register import Register
from impasto.apps.studio.requests import JobRequest
from impasto.apps.studio.workshop import Workshop

__all__ = ["SIDES", "Studio"]

SIDES = (320, 640, 960, 1280)  # px, longest sides of previews
_UNASKED = 640  # px, before a viewer has asked for a size
_FORGOTTEN = 20.0  # seconds after which a size that a viewer asked for counts no more
_MAX_LOSSES = 2000

_SIMPLE = {
    *("strength", "content_weight", "style_weight", "tv_weight", "colour_strength"),
    *("finish_strength", "iterations", "seed"),
}
"""Settings that fit every network, size and picture: the planner need not look at them."""


class Studio:
    """Everything behind the page.

    Args:
        folder: of jobs and pictures.
        prepare: functions, each `module:name`, that painter and darkroom call first; a program
            that registers variants of its own registers them so in their processes.
        warm: load the usual network before the first job.
        quota: bytes of all jobs.
    """

    def __init__(
        self,
        folder: Path,
        prepare: Sequence[str] = (),
        *,
        warm: bool = True,
        quota: int = QUOTA,
    ) -> None:
        folder = folder.absolute()
        self.darkroom = Darkroom(prepare)
        self.folders = Folders(folder, quota)
        self.library = Library(folder / "pictures", self.darkroom)
        self.forecast = Forecast(folder / "rates.json", self.darkroom)
        self.feed = Feed(self._snapshot, self._watched)
        self.register = Register(self.folders, self.feed)
        self.painter = Painter(self._heard, prepare, warm=warm)
        self.workshop = Workshop(self.register, self.painter, self._work_of)
        self.library.listeners.append(lambda facts: self.feed.publish("picture", facts))
        self.library.is_used = self.uses
        self._sides: dict[int, float] = {}

    async def start(self) -> None:
        """Take in the jobs on the disk, and start painter and darkroom in the background."""
        self.workshop.open()
        self.painter.start()
        self.darkroom.start()

    def ending(self) -> None:
        """Let viewers go and begin no more jobs: the server is about to end."""
        self.workshop.close()
        self.feed.close()

    async def close(self) -> None:
        """Save the job that is painted, and end both processes."""
        self.ending()
        await asyncio.to_thread(self.painter.close)
        await asyncio.to_thread(self.darkroom.close)

    async def create(self, data: object) -> dict[str, Any]:
        """Queue what is asked for; Refusal 422 where it does not fit, 409, 507."""
        request = await JobRequest.settled(data, self.library)
        if request.start is not None:
            self.register.job(request.start)
        await self._check(request, request.settings)
        job = Job(new_id(), request.plain(), title=self._title(request), parent=request.start)
        return await asyncio.to_thread(self.workshop.create, job)

    async def adjust(self, job: str, settings: object) -> dict[str, Any]:
        """Go on with other settings over the job's own; None takes a recipe's value back."""
        if not isinstance(settings, dict):
            raise Refusal(422, "settings is not an object")
        request = JobRequest.of(merged(self.register.job(job).request, settings), self.library)
        await self._check(request, settings)
        return await asyncio.to_thread(self.workshop.adjust, job, request.plain())

    async def _check(self, request: JobRequest, settings: Mapping[str, Any]) -> None:
        """Refusal 422 where the planner sees that it cannot be painted."""
        if {*settings} <= _SIMPLE:
            return
        content = request.content and self._shape(request.content)
        styles = [self._shape(style) for style in request.styles]
        plan = await self.darkroom.call("plan", request.recipe, request.settings, content, styles)
        if plan["error"]:
            raise Refusal(422, plan["error"])

    def uses(self, picture: str) -> bool:
        """Whether a job needs a picture."""
        with self.register.lock:
            jobs = [JobRequest.model_validate(j.request) for j in self.register.jobs.values()]
        return any(picture in request.pictures() for request in jobs)

    def preview(self, job: str, size: int) -> bytes:
        """The newest preview, JPEG; later ones have the `size` asked for, rounded up. 404."""
        now = time.monotonic()
        self._sides[next((side for side in SIDES if side >= size), SIDES[-1])] = now
        self._watched(self.feed.viewers)
        found = self.workshop.hearing.preview(self.register.job(job).id)
        if found is None:
            raise missing("preview yet")
        return found

    def losses(self, job: str) -> list[list[float]]:
        """[done, scale, loss] of each step, through all changes of settings; thinned out."""
        found, before = [], 0
        for trace in self._traces(job):
            last = before
            for line in _lines(trace):
                last = before + line["done"]
                found.append([last, line["scale"], line["loss"]])
            before = last
        every = -(-len(found) // _MAX_LOSSES) or 1
        return found[:-1:every] + found[-1:]

    def code(self, job: str) -> dict[str, str]:
        """The command and the Python that paint it; with `note` where its canvas was another's."""
        found = self.register.job(job)
        request = JobRequest.model_validate(found.request)

        def named(picture: str) -> str:
            facts = self.library.facts(picture)
            return picture if facts["sample"] else str(facts["name"])

        code = code_of(request.plain(), named)
        if found.changes or found.parent or found.extra:
            code["note"] = (
                "this job went on from a canvas that was there; the command paints a new one with "
                "its settings"
            )
        return code

    async def as_picture(self, job: str) -> dict[str, Any]:
        """The result as an input; Refusal 404 without one."""
        found = self.register.job(job)
        name = f"{found.title or 'painted'}.png"
        return await self.library.add_file(self.file(job, "result.png"), name)

    def file(self, job: str, name: str) -> Path:
        """A file of a job; Refusal 404 where there is none."""
        path = self.folders.file(self.register.job(job).id, name)
        if path is None:
            raise missing("file of the job yet")
        return path

    def _work_of(self, job: Job) -> Work:
        """What the painter needs; Refusal where a picture is gone."""
        request = JobRequest.of(dict(job.request), self.library)
        return Work(
            job.id,
            self.folders.path(job.id),
            request.recipe,
            request.settings,
            self._shape(request.content or request.styles[0]),
            **request.files(self.library),
            start=self.folders.path(job.parent) if job.parent else None,
            extra=job.extra,
            version=job.version,
        )

    def _shape(self, picture: str) -> tuple[int, int]:
        facts = self.library.facts(picture)
        return facts["width"], facts["height"]

    def _title(self, request: JobRequest) -> str:
        names = [Path(self.library.facts(p)["name"]).stem for p in request.styles]
        content = request.content and Path(self.library.facts(request.content)["name"]).stem
        return " in the style of ".join(filter(None, [content, ", ".join(names)]))

    def _heard(self, told: Told) -> None:
        """The painter tells how long a stage took; the rest is about its job."""
        if told.kind == "timed":
            self.forecast.learn(**told.facts)
        else:
            self.workshop.heard(told)

    def _snapshot(self) -> dict[str, Any]:
        return {"jobs": self.register.all()}

    def _watched(self, viewers: int) -> None:
        """Previews as large as viewers want them, and none while there are none."""
        now = time.monotonic()
        self._sides = {side: at for side, at in self._sides.items() if now - at < _FORGOTTEN}
        side = max(self._sides, default=_UNASKED if viewers else 0)
        self.workshop.watch(Watch(side, viewers))

    def _traces(self, job: str) -> list[Path]:
        folder = self.folders.path(self.register.job(job).id)
        found = folder.glob("trace-*.jsonl")
        return sorted(found, key=lambda path: int(path.stem.partition("-")[2]))


def _lines(trace: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a trace, the last of which may be half written."""
    with suppress(OSError, ValueError):
        for line in trace.read_text("utf-8").splitlines():
            yield json.loads(line)
