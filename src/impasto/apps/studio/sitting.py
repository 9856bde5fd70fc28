"""One run of a job: its files, and what is told of it while it goes on."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from impasto.apps.studio.canvases import Canvas, Segment
from impasto.apps.studio.orders import How, Watch, Work
from impasto.apps.studio.planning import Stopwatch
from impasto.apps.tuned import paint_tuned
from impasto.outputs import Output, Request, available
from impasto.outputs.base import Value
from impasto.run import Done, Event, Notice, Result, Run, Stage, Step
from impasto.run.canvas import resized
from impasto.run.postprocess import Postprocess

__all__ = ["PREVIEW", "Sitting", "Tell", "pause_between"]

PREVIEW = 640  # px, the longest side of a preview that nobody asked for
_MIN_PAUSE = 0.4  # seconds between previews
_PULLS = 40  # previews a second that all viewers pull, at most
_RATIO = 50  # of the time between two previews to what one takes: 2 %
_STEPS = 0.05  # seconds between steps that are told
_QUALITY = 88  # of JPEG


def pause_between(took: float, viewers: int) -> float:
    """Seconds between two previews, of which the last took `took` and so many viewers pull each.

    Neither making them nor serving them takes more than a few hundredths of the processor.
    """
    return max(_MIN_PAUSE, _RATIO * took, viewers / _PULLS)


class Tell(Protocol):
    """Tells the studio of an event."""

    def __call__(self, told: str, /, job: str = "", **facts: object) -> None:
        """One event, with plain facts."""


class Sitting:
    """A run with the outputs of a job, which an order may interrupt at any time.

    Args:
        tell: tells the studio.
        work: the job.
        segment: which of its runs this is.
        run: the run, at its beginning or resumed.
        watch: tells who looks at previews.
    """

    def __init__(
        self, tell: Tell, work: Work, segment: Segment, run: Run, watch: Callable[[], Watch]
    ) -> None:
        self._tell, self._work, self._segment, self._run = tell, work, segment, run
        self._watch, self._active = watch, run
        self._soft, self._lock = threading.Event(), threading.Lock()
        self._timed = Stopwatch(run)
        self._reason = "cancelled"
        self._told_at = self._shown_at = 0.0
        self._took = 0.0  # seconds, of the last preview
        self._shown: tuple[int, int] | None = None  # scale and iteration of the last preview

    def interrupt(self, *, at_once: bool) -> None:
        """End the run, from any thread: within a tile if `at_once`, else after its iteration."""
        with self._lock:
            self._soft.set()
            if at_once or self._active is not self._run:
                self._active.cancel()

    def sketch(self, small: Run, start: Canvas) -> Canvas:
        """The canvas with what changes in a small run that began from it, shrunk; all is shown.

        What was interrupted is as far as it came.
        """
        self._tell("opened", self._work.job, **self._plan())
        stage = self._run.inputs.stages[0]
        at, size = self._run.inputs.at(stage), start.begun.size
        postprocess = Postprocess(self._run.settings, at.original, at.protect)
        pixels, first = start.pixels, None
        with self._lock:
            self._active = small
            if self._soft.is_set():
                small.cancel()
        for event in small.events():
            if not isinstance(event, Step) or event.canvas is None:
                continue
            canvas = event.space.to_srgb(event.canvas).float().cpu()
            if first is None:
                first = canvas
                continue
            pixels = start.pixels + resized(canvas - first, size)
            if size == stage.size and self._watch().side:
                changed = event.space.from_srgb(pixels)
                step = replace(event, canvas=changed, size=size, postprocess=postprocess)
                self._show(step, force=event.iteration == 1)
        with self._lock:
            self._active = self._run
        return Canvas(pixels.contiguous(), start.left)

    def paint(self, how: Callable[[], How | None], adjusted: Callable[[], bool]) -> str:
        """Paint and write the files; why the run ended, as Done says.

        `how` gives the order that ended it, if any, and `adjusted` whether it goes on with other
        settings: those files that would be written again are not written then.
        """
        self._tell("opened", self._work.job, **self._plan())
        if self._run.state.last is not None:
            self._show(self._run.state.last, force=True)

        def finishes(name: str) -> bool:
            if adjusted() or how() in ("discard", "quit"):
                return False
            return name == "picture" or how() != "pause"

        request = self._request(finishes)
        paint_tuned(self._run, request, self._follow, self._soft)
        if self._run.state.last is not None and how() != "discard":
            self._step(self._run.state.last)
            self._show(self._run.state.last, force=True)
        return self._reason

    def facts(self) -> dict[str, object]:
        """Facts of the ended job: its outputs and its result."""
        folder = self._work.folder
        names = {"report": "report.html", "timelapse": "timelapse.mp4"}
        outputs = {name: (folder / file).is_file() for name, file in names.items()}
        return {"outputs": outputs, "result": self._result_facts()}

    def _result_facts(self) -> dict[str, int] | None:
        file = self._work.folder / "result.png"
        if not file.is_file():
            return None
        width, height = self._run.inputs.size
        return {"width": width, "height": height, "bytes": file.stat().st_size}

    def _plan(self) -> dict[str, object]:
        """What is known of the run before it goes on."""
        run, last = self._run, self._run.state.last
        return {
            "size": run.inputs.size,
            "stages": [(stage.size, stage.iterations) for stage in run.inputs.stages],
            "stage": run.state.stage,
            "iteration": last.iteration if last else 0,
            "done": last.done if last else 0,
            "total": run.total,
            "version": self._work.version,
        }

    def _request(self, finishes: Callable[[str], bool]) -> Request:
        """The files of the job, of which those that are shown to people may be left out."""
        folder = self._work.folder
        wanted: dict[str, Value | None] = {
            "output": folder / "result.png",
            "bits": 16,
            "trace": self._segment.trace(folder),
            "report": folder / "report.html",
            "timelapse": folder / "timelapse.mp4",
            "checkpoint": self._segment.checkpoint(folder),
            "keep_checkpoint": True,
        }
        given, _ = available(wanted)
        request = Request.of(given)

        def told(name: str) -> None:
            if name == "picture":
                self._tell("result", self._work.job, result=self._result_facts())

        named = {request.path(name): name for name in ("picture", "report", "timelapse")}
        outputs = [
            _Optional(output, named[output.path], finishes, told)
            if output.path in named
            else output
            for output in request.outputs
        ]
        return Request(request.target, tuple(outputs))

    def _follow(self, event: Event) -> None:
        if (timed := self._timed(event)) is not None:
            self._tell("timed", self._work.job, **timed)
        match event:
            case Stage():
                self._tell("stage", self._work.job, **event.line())
                self._told_at = 0.0
            case Step():
                now = time.monotonic()
                if now - self._told_at >= _STEPS or event.iteration == 0:
                    self._told_at = now
                    self._step(event)
                self._show(event)
            case Notice():
                self._tell("notice", self._work.job, **event.line())
            case Done():
                self._reason = event.reason

    def _step(self, step: Step) -> None:
        line = {**step.line(), "seconds": round(self._segment.spent + step.seconds, 3)}
        self._tell("step", self._work.job, stage=self._run.state.stage, **line)

    def _show(self, step: Step, *, force: bool = False) -> None:
        """Tell the preview of a step, if somebody looks and it is time; the first one always."""
        now, at = time.monotonic(), (step.scale, step.iteration)
        first = self._shown is None or (self._shown == (at[0], 0) and self._run.done == 1)
        watch = self._watch()
        pause = pause_between(self._took, watch.viewers)
        due = watch.side > 0 and now - self._shown_at >= pause
        if at == self._shown or not (force or first or due):
            return
        picture = step.preview(watch.side or PREVIEW)
        encoded = io.BytesIO()
        picture.pil().save(encoded, "JPEG", quality=_QUALITY)
        self._shown_at, self._shown = time.monotonic(), at
        self._took = self._shown_at - now
        self._tell("preview", self._work.job, encoded=encoded.getvalue(), canvas=step.size)


class _Optional(Output):
    """An output whose file is written only if that is wanted when the run ends."""

    def __init__(
        self, inner: Output, name: str, finishes: Callable[[str], bool], told: Callable[[str], None]
    ) -> None:
        super().__init__(inner.values, inner.target)
        self._inner, self._name, self._finishes, self._told = inner, name, finishes, told
        self.options, self.endings = inner.options, inner.endings  # type: ignore[misc]  # those of the output inside
        self.resumable, self.in_batch = inner.resumable, inner.in_batch  # type: ignore[misc]  # those of the output inside

    def require(self) -> None:
        self._inner.require()

    def check(self, size: tuple[int, int] | None) -> None:
        self._inner.check(size)

    def extra_bytes(self, size: tuple[int, int]) -> int:
        return self._inner.extra_bytes(size)

    def begin(self, run: Run, *, continues: bool) -> None:
        self._inner.begin(run, continues=continues)

    def handle(self, event: Any) -> None:  # noqa: ANN401 (any event)
        self._inner.handle(event)

    def finish(self, result: Result | None) -> None:
        wanted = self._finishes(self._name)
        self._inner.finish(result if wanted else None)
        if wanted and result:
            self._told(self._name)

    def settle(self, *, complete: bool) -> None:
        self._inner.settle(complete=complete)
