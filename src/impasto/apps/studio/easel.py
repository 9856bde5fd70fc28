"""The child's side of painting: takes jobs, paints them, tells what happens.

    pipe ── orders ──> listener ── run.cancel() ──> run
                          └── Work ──> main thread ── Segment ── Run ── paint ── Told ──> pipe

Network and style statistics stay loaded from one job to the next.
"""

from __future__ import annotations

import gc
import os
import queue
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from multiprocessing.connection import Connection

import torch
from torch import Tensor

from impasto.apps.studio.canvases import Canvas, Segment
from impasto.apps.studio.continuing import change, continued, sketch, with_more
from impasto.apps.studio.orders import Adjust, End, How, Order, Quit, Told, Watch, Work
from impasto.apps.studio.sitting import Sitting
from impasto.errors import CheckpointError, ImpastoError, OutputError
from impasto.images import Picture
from impasto.objective import StyleCache
from impasto.run import Run
from impasto.run.canvas import resized
from impasto.run.checkpoint import Checkpoint
from impasto.run.sizes import canvas_size
from impasto.settings import Settings

__all__ = ["Easel", "work"]

_LAST_GASP = 10.0  # seconds to save what is painted once the studio is gone
_HELD = 64_000_000  # bytes of the last canvas that is kept in memory
_HOW = {"pause": "paused", "stop": "stopped"}


def work(pipe: Connection, prepare: Sequence[str] = (), *, warm: bool = True) -> None:
    """Paint what comes through the pipe until it ends.

    `prepare` names functions, `module:name`, to call first; `warm` loads the usual network.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the studio's process handles Ctrl-C
    for name in prepare:
        module, _, attribute = name.partition(":")
        getattr(import_module(module), attribute)()
    Easel(pipe).work(warm=warm)


class Easel:
    """Paints one job after another."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._sending = pipe, threading.Lock()
        self._works: queue.Queue[Work | None] = queue.Queue()
        self._cache = StyleCache()
        self._lock = threading.Lock()  # of what the listener changes
        self._watch = Watch()
        self._job = ""
        self._sitting: Sitting | None = None
        self._how: How | None = None
        self._adjusted: Work | None = None
        self._held: tuple[str, int, Canvas] | None = None  # of the job painted last

    def work(self, *, warm: bool) -> None:
        """Paint until the pipe ends or Quit comes."""
        threading.Thread(target=self._listen, daemon=True, name="orders").start()
        if warm:
            with suppress(ImpastoError):
                _warm_up(self._cache)
        self.tell("ready")
        while (work := self._works.get()) is not None:
            self._paint(work)
            gc.collect()  # the traceback of an error holds the run's arrays, in a cycle

    def tell(self, told: str, /, job: str = "", **facts: object) -> None:
        """Tell the studio; without one there is nobody to tell."""
        with self._sending, suppress(OSError):
            self._pipe.send(Told(told, job, facts))

    def _listen(self) -> None:
        try:
            while True:
                self._hear(self._pipe.recv())
        except (EOFError, OSError):  # the studio is gone
            threading.Timer(_LAST_GASP, os._exit, (1,)).start()
            self._hear(Quit())

    def _hear(self, order: Order) -> None:
        match order:
            case Work():
                with self._lock:  # orders about it may follow before it is begun
                    self._job, self._how, self._adjusted = order.job, None, None
                self._works.put(order)
            case Watch():
                self._watch = order
            case Adjust(work):
                with self._lock:
                    if work.job == self._job:
                        self._adjusted = work
                        self._interrupt(at_once=True)
            case End(job, how):
                with self._lock:
                    if job == self._job:
                        self._end(how)
            case Quit():
                self._works.put(None)
                with self._lock:
                    self._end("quit")

    def _end(self, how: How) -> None:
        """End the job; of two ways the one that keeps less wins, and a studio's end over all."""
        rank: tuple[How | None, ...] = (None, "pause", "stop", "discard", "quit")
        self._how = max(self._how, how, key=rank.index)
        self._interrupt(at_once=how in ("stop", "discard"))

    def _interrupt(self, *, at_once: bool) -> None:
        if self._sitting:
            self._sitting.interrupt(at_once=at_once)

    def _paint(self, work: Work) -> None:
        """Paint a job through all changes of its settings, and tell how it ended."""
        facts: dict[str, object] = {}
        try:
            while True:
                facts = self._paint_segment(work)
                with self._lock:
                    if self._adjusted is None or self._how not in (None, "stop"):
                        if self._how and facts["how"] == "adjusted":  # the order came after it
                            facts["how"] = _HOW.get(self._how, self._how)
                        break
                    work, self._adjusted = self._adjusted, None  # with "stop" for its result alone
        except ImpastoError as error:
            facts = {"how": "failed", "error": str(error)}
        except Exception as error:
            facts = {"how": "failed", "error": f"{type(error).__name__}: {error}"}
        finally:
            with self._lock:
                self._job, self._sitting = "", None
        self.tell("ended", work.job, version=work.version, **facts)

    def _paint_segment(self, work: Work) -> dict[str, object]:
        """Paint until the end or an order; how it ended, with facts of the result."""
        segment, run = self._begun(work)
        Canvas.outdated(work.folder)
        sitting = self._sat_down(work, segment, run)
        if small := self._sketch_run(work, segment, run):
            started = time.perf_counter()
            sketched = sitting.sketch(*small)
            self._held = (work.job, segment.number, sketched)
            if self._adjusted or self._how not in (None, "stop"):  # it is sketched anew
                return {"how": _HOW.get(self._how or "", self._how or "adjusted")}
            spent = round(segment.spent + time.perf_counter() - started, 3)
            number = segment.number + 1
            after = replace(segment, number=number, spent=spent, sketched=True)
            after.begin(work.folder, sketched)
            segment, run = self._begun(work)
            sitting = self._sat_down(work, segment, run)
        if work.only_result:
            sitting.interrupt(at_once=True)
        try:
            reason = sitting.paint(lambda: self._how, lambda: self._adjusted is not None)
        except ImpastoError as error:
            return {"how": "failed", "error": str(error), **sitting.facts()}
        finally:
            with self._lock:
                self._sitting = None
            canvas = Canvas.of(run)
            kept = canvas is not None and canvas.pixels.nbytes <= _HELD
            self._held = (work.job, segment.number, canvas) if canvas and kept else None
            if canvas and self._how != "discard" and not self._adjusted:
                with suppress(ImpastoError):  # the checkpoint has it too
                    canvas.keep(work.folder)
        how = _HOW.get(self._how or "", self._how)
        if reason != "cancelled":
            how = "done"
        elif work.only_result:
            how = "stopped"
        return {"how": how or "adjusted", **sitting.facts()}

    def _sat_down(self, work: Work, segment: Segment, run: Run) -> Sitting:
        """A sitting that the listener may interrupt, and does if orders came before it.

        Where there is a canvas already, it takes one step, so that there is a picture to keep.
        """
        sitting = Sitting(self.tell, work, segment, run, lambda: self._watch)
        with self._lock:
            self._sitting = sitting
            if self._adjusted or self._how:
                kept = segment.begun is not None and self._how in ("pause", "stop")
                sitting.interrupt(at_once=self._how != "pause" and not kept)
        return sitting

    def _sketch_run(self, work: Work, segment: Segment, run: Run) -> tuple[Run, Canvas] | None:
        """The small run of a segment that is to be sketched first, and the canvas it began from."""
        start = Canvas.load(segment.start(work.folder)) if not segment.sketched else None
        if start is None or run.state.last is not None or work.only_result:
            return None
        asked = Settings.of(work.recipe, **work.settings)
        small = sketch(asked, run.inputs.size, start.begun)
        if small is None:
            return None
        assert isinstance(small.size, tuple)
        return self._run(work, small, resized(start.pixels, small.size)), start

    def _run(
        self, work: Work, settings: Settings, init: Tensor | None, resume: Checkpoint | None = None
    ) -> Run:
        """A run of the job's pictures; `init` is its first canvas, (3, h, w) sRGB."""
        return Run(
            work.content.read() if work.content else None,
            [style.read() for style in work.styles] or None,
            settings,
            init=init,
            protect=work.protect.read() if work.protect else None,
            content_masks=[mask.read() for mask in work.content_masks],
            cache=self._cache,
            resume=resume,
        )

    def _begun(self, work: Work) -> tuple[Segment, Run]:
        """The job's segment, with its run where it stands."""
        asked = Settings.of(work.recipe, **work.settings)
        size = canvas_size(asked, work.shape)
        segment = self._segment(work, asked)
        derived = continued(asked, size, segment.begun)
        settings = with_more(derived, size, work.extra - segment.extra)
        start = Canvas.load(segment.start(work.folder)) if segment.begun else None
        init = start.pixels if start else None
        try:
            resume = segment.resumed(work.folder, settings)
            return segment, self._run(work, settings, init, resume)
        except CheckpointError as error:
            self.tell("notice", work.job, kind="resume", notice=f"painted anew: {error}")
            return segment, self._run(work, settings, init)

    def _segment(self, work: Work, asked: Settings) -> Segment:
        """The run that the job is at: as saved, or a new one where what is painted has changed."""
        folder, plain = work.folder, asked.model_dump(mode="json")
        saved = Segment.load(folder)
        if saved is None:
            canvas = Canvas.kept(work.start) if work.start else None
            if work.start and canvas is None:
                raise OutputError("the job to start from has no picture yet; wait for its first")
            return Segment(0, plain).begin(folder, canvas)
        kind = change(Settings.checked(saved.asked), asked)
        if kind == "none":
            return saved
        if kind in ("longer", "shown"):
            segment = replace(saved, asked=plain)
            segment.save(folder)
            return segment
        canvas = self._canvas(work, saved)
        if canvas is None:  # nothing is painted: from where it was to start
            canvas = Canvas.load(saved.start(folder)) if saved.begun else None
        done, spent = saved.progress(folder)
        segment = Segment(saved.number + 1, plain, work.extra, None, spent, done, sketched=False)
        return segment.begin(folder, canvas)

    def _canvas(self, work: Work, saved: Segment) -> Canvas | None:
        """The newest canvas of a segment: in memory, of a job that rested, or its checkpoint's."""
        if self._held and self._held[:2] == (work.job, saved.number):
            return self._held[2]
        if canvas := Canvas.load(work.folder / "canvas.safetensors"):
            return canvas
        if not saved.checkpoint(work.folder).is_file():
            return None
        before = replace(work, recipe=str(saved.asked["recipe"]))
        settings = {n: v for n, v in saved.asked.items() if n != "recipe"}
        _, run = self._begun(replace(before, settings=settings))
        return Canvas.of(run)


def _warm_up(cache: StyleCache) -> None:
    """Paint a few pixels by the usual recipe: the network is loaded then, and all modules are."""
    generator = torch.Generator().manual_seed(0)
    content, style = (
        Picture(torch.rand(3, 64, 64, generator=generator, dtype=torch.float32)) for _ in range(2)
    )
    settings = Settings.of(size=64, supersample_below=0, iterations=2)
    for _ in Run(content, style, settings, cache=cache):
        pass
