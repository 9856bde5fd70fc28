"""One painting session: iterate, show, and write every file whatever happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TextIO

from impasto.errors import ImpastoError, OutputError
from impasto.files import Files
from impasto.report import Film, Story
from impasto.run import Result, Run
from impasto.step import Step

__all__ = ["Outcome", "paint"]

Show = Callable[[Step], object]


@dataclass(frozen=True, eq=False)
class Outcome:
    """A session's result, None before a first step, and whether it was broken off."""

    result: Result | None
    interrupted: bool = False


def paint(run: Run, files: Files, show: Show = lambda _: None) -> Outcome:
    """Iterate, show each step, and write the files; Ctrl-C ends it early.

    Ctrl-C and errors on the way leave the best picture so far, and what the other files have to
    tell until then; errors are raised after that.
    """
    files.check(size=run.inputs.size)
    recorders = _recorders(run, files)
    failure: ImpastoError | KeyboardInterrupt | None = None
    try:
        for step in run:
            for note in (*(recorder.note for recorder in recorders), show):
                note(step)
    except (ImpastoError, KeyboardInterrupt) as error:
        failure = error
    except BaseException:  # a bug: leave nothing half-written
        for recorder in recorders:
            _finished(recorder, None)
        raise
    result = run.result("best" if failure else None) if run.done is not None else None
    problems = [_finished(recorder, result) for recorder in recorders]
    for problem in (failure, *problems):
        if isinstance(problem, ImpastoError):
            raise problem
    return Outcome(result, interrupted=failure is not None)


class Recorder(Protocol):
    """Whatever keeps a file of the run's steps."""

    def note(self, step: Step) -> None:
        """See a step, while it has its canvas."""

    def finish(self, result: Result | None) -> None:
        """Write what there is to write; `result` is None if there was no step."""


def _recorders(run: Run, files: Files) -> list[Recorder]:
    kept: list[Recorder] = [_Picture(files)]
    if files.trace:
        kept.append(_Trace(files))
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


class _Trace:
    """One JSON object a step into a file, opened at the first and flushed so that none is lost."""

    def __init__(self, files: Files) -> None:
        assert files.trace
        self._path = files.trace
        self._file: TextIO | None = None

    def note(self, step: Step) -> None:
        try:
            self._file = self._file or self._path.open("w", encoding="utf-8")
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
    """The report of `impasto.report.Story`."""

    def __init__(self, run: Run, files: Files) -> None:
        self._run, self._files = run, files
        self._story = Story(run.inputs.content, run.inputs.style)

    def note(self, step: Step) -> None:
        self._story.note(step)

    def finish(self, result: Result | None) -> None:
        assert self._files.report
        if result:
            origins = self._run.inputs.origins
            names = [origins[role]["name"] for role in ("content", "style") if role in origins]
            title = " in the style of ".join(names)
            facts = {name: str(value) for name, value in result.settings.model_dump().items()}
            self._story.write(self._files.report, result.image, title=title, facts=facts)


class _Timelapse:
    """The film of `impasto.report.Film`."""

    def __init__(self, run: Run, files: Files) -> None:
        assert files.timelapse
        self._film = Film(files.timelapse, run.inputs.size)

    def note(self, step: Step) -> None:
        self._film.note(step)

    def finish(self, result: Result | None) -> None:
        if result:
            self._film.close(result.image)
        else:
            self._film.abandon()
