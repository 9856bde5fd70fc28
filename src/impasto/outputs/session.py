"""One painting session: iterate, show, and write every file whatever happens."""

from __future__ import annotations

import json
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Protocol, TextIO

from impasto.errors import ImpastoError, OutputError
from impasto.images import AtomicFile, resize
from impasto.outputs.checkpointing import CheckpointWriter
from impasto.outputs.files import Files
from impasto.outputs.report.story import RunHistory
from impasto.outputs.report.writing import write_report
from impasto.outputs.timelapse.film import Timelapse
from impasto.run.checkpoint import Checkpoint
from impasto.run.events import Step
from impasto.run.loop import Result, Run

__all__ = ["Outcome", "paint"]

_FIRST_SHOWN = 6  # iterations of a scale: before, strokes are but faint

Show = Callable[[Step], object]


@dataclass(frozen=True, eq=False)
class Outcome:
    """A session's result, None before a first step, and whether it was broken off."""

    result: Result | None
    interrupted: bool = False


def paint(run: Run, files: Files, show: Show = lambda _: None) -> Outcome:
    """Iterate, show each step, and write the files; Ctrl-C ends it early.

    Ctrl-C and errors on the way leave the best picture so far, and what the other files have to
    tell until then; errors are raised after that. A file that cannot be written on the way is a
    warning: a full disk may have room again at the end.
    """
    files.check(size=run.inputs.size)
    for path in (files.output, files.checkpoint):
        if path:
            AtomicFile.sweep(path)
    recorders = _recorders(run, files)
    keeper = (
        CheckpointWriter(files.checkpoint, files.checkpoint_every) if files.checkpoint else None
    )
    failure: ImpastoError | KeyboardInterrupt | None = None
    try:
        with _patient() if keeper else nullcontext(_never) as asked_to_end:
            for step in run:
                for recorder in recorders:
                    _noted(recorder, step)
                show(step)
                if keeper:
                    keeper.offer(partial(run.checkpoint, copy=False))
                if asked_to_end():
                    raise KeyboardInterrupt  # noqa: TRY301 (between two steps)
    except (ImpastoError, KeyboardInterrupt) as error:
        failure = error
    except BaseException:  # a bug: leave nothing half-written
        for recorder in recorders:
            _finished(recorder, None)
        raise
    result = run.result("best" if failure else None) if run.done is not None else None
    problems = [_finished(recorder, result) for recorder in recorders]
    if keeper and files.checkpoint:
        unfinished = failure or any(problems)
        keeper.close(run.checkpoint if unfinished and run.between_steps else None)
        if not unfinished:
            Checkpoint.remove(files.checkpoint)
    for problem in (failure, *problems):
        if isinstance(problem, ImpastoError):
            raise problem
    return Outcome(result, interrupted=failure is not None)


def _never() -> bool:
    return False


@contextmanager
def _patient() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C wait for the end of a step, so that a checkpoint can be taken; but only once.

    Yields a function that tells whether somebody asked. SIGTERM waits alike where it is handled.
    Signals are the main thread's alone: elsewhere nothing changes.
    """
    handled = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if threading.current_thread() is not threading.main_thread():
        handled = {}
    asked: list[int] = []

    def restore() -> None:
        for number, handler in handled.items():
            if callable(handler):  # neither ignored nor the system's own business
                signal.signal(number, handler)

    def wait(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        restore()  # the next time at once

    for number, handler in handled.items():
        if callable(handler):
            signal.signal(number, wait)
    try:
        yield lambda: bool(asked)
    finally:
        restore()


def _noted(recorder: Recorder, step: Step) -> None:
    """Let a recorder see a step; a file that cannot be written now is no reason to end a run."""
    try:
        recorder.note(step)
    except OutputError as error:
        warnings.warn(f"{error}; the run goes on", stacklevel=2)


class Recorder(Protocol):
    """Whatever keeps a file of the run's steps."""

    def note(self, step: Step) -> None:
        """See a step, while it has its canvas."""

    def finish(self, result: Result | None) -> None:
        """Write what there is to write; `result` is None if there was no step."""


def _recorders(run: Run, files: Files) -> list[Recorder]:
    kept: list[Recorder] = [_Preview(run, files) if files.preview else _Picture(files)]
    if files.trace:
        kept.append(_Trace(run, files))
    if files.save_every:
        kept.append(_Intermediates(run, files))
    if files.report:
        kept.append(_Report(run, files))
    if files.timelapse:
        kept.append(_Timelapse(run, files))
    return kept


def _finished(recorder: Recorder, result: Result | None) -> ImpastoError | None:
    """The error that kept a recorder from finishing, so that the others still can."""
    try:
        recorder.finish(result)
    except ImpastoError as error:
        return error
    return None


class _Picture:
    """The result."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def note(self, step: Step) -> None:
        pass

    def finish(self, result: Result | None) -> None:
        files = self._files
        if result:
            result.image.save(files.output, bits=files.bits, quality=files.quality)


class _Preview(_Picture):
    """The result, and at its place what there is of it: after the first strokes, and ever again.

    In the result's size, so that whoever watches the file sees one picture become clearer. Painting
    takes twenty times as long as showing.
    """

    def __init__(self, run: Run, files: Files) -> None:
        super().__init__(files)
        self._run, self._next = run, 0.0

    def note(self, step: Step) -> None:
        if step.iteration < _FIRST_SHOWN or step.seconds < self._next:
            return
        started = time.perf_counter()
        picture = resize(self._run.picture(step), self._run.inputs.size)
        picture.save(self._files.output, bits=self._files.bits, quality=self._files.quality)
        self._next = step.seconds + max(1.0, 20 * (time.perf_counter() - started))


class _Trace:
    """One JSON object a step into a file, opened at the first and flushed so that none is lost.

    Of a run that was resumed, its steps before come first.
    """

    def __init__(self, run: Run, files: Files) -> None:
        assert files.trace
        self._path, self._before = files.trace, run.steps
        self._file: TextIO | None = None

    def note(self, step: Step) -> None:
        try:
            if self._file is None:
                self._file = self._path.open("w", encoding="utf-8")
                for earlier in self._before:
                    print(json.dumps(earlier.line()), file=self._file)
            print(json.dumps(step.line()), file=self._file, flush=True)
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written ({error.strerror})") from error

    def finish(self, result: Result | None) -> None:
        if self._file:
            with suppress(OSError):  # what could not be flushed was reported above
                self._file.close()


class _Intermediates:
    """A picture every so many iterations."""

    def __init__(self, run: Run, files: Files) -> None:
        self._run, self._files = run, files

    def note(self, step: Step) -> None:
        files, new = self._files, step.iteration > 0  # 0 is what the last scale left
        if new and step.done % files.save_every == 0 and step.done < step.total:
            path = files.at(step.done)
            self._run.picture(step).save(path, bits=files.bits, quality=files.quality)

    def finish(self, result: Result | None) -> None:
        pass


class _Report:
    """The report of `impasto.outputs.report.RunHistory`."""

    def __init__(self, run: Run, files: Files) -> None:
        self._run, self._files = run, files
        self._story = RunHistory(run.inputs.content, run.inputs.style)

    def note(self, step: Step) -> None:
        self._story.note(step)

    def finish(self, result: Result | None) -> None:
        assert self._files.report
        if result:
            origins = self._run.inputs.origins
            names = [origins[role]["name"] for role in ("content", "style") if role in origins]
            title = " in the style of ".join(names)
            settings = result.settings.without_folders().model_dump()
            facts = {name: str(value) for name, value in settings.items()}
            write_report(self._story, self._files.report, result.image, title=title, facts=facts)


class _Timelapse:
    """The film of `impasto.outputs.report.Timelapse`."""

    def __init__(self, run: Run, files: Files) -> None:
        assert files.timelapse
        self._film = Timelapse(files.timelapse, run.inputs.size)

    def note(self, step: Step) -> None:
        self._film.note(step)

    def finish(self, result: Result | None) -> None:
        if result:
            self._film.close(result.image)
        else:
            self._film.abandon()
