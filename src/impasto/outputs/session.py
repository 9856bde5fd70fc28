"""One painting session: a run and its outputs, every file written whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar, cast

from impasto.errors import ImpastoError, OutputError, ProcessLost
from impasto.images import Picture
from impasto.images.banded import Banded
from impasto.outputs.base import Output, Size
from impasto.outputs.request import Request
from impasto.run import Result, Run
from impasto.run.events import Done, Event, Notice

__all__ = ["Outcome", "Show", "Stop", "paint"]

Show = Callable[[Event], object]

T = TypeVar("T")


class Stop(Protocol):
    """Tells a session to end early, as `threading.Event` and `multiprocessing.Event` do."""

    def is_set(self) -> bool:
        """Whether the session is to end."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a session leaves: the result, None without a first step, and whether it was stopped."""

    result: Result | None
    interrupted: bool = False

    @property
    def stopped_at(self) -> Size | None:
        """(width, height) of the last canvas, smaller than the result if it was interrupted."""
        return self.result.steps[-1].size if self.result else None


def paint(
    run: Run, request: Request, show: Show = lambda _: None, stop: Stop | None = None
) -> Outcome:
    """Run, let the outputs and `show` handle each event, and write the files.

    The run ends early, with its best picture so far and all other files, after the step in which
    `stop` is set; when it is cancelled; at KeyboardInterrupt; and at any other Exception, also one
    of an output or of `show`, which is raised once the files are written. The first
    KeyboardInterrupt while files are written does not prevent them. Nothing is printed, and no
    signal handler is installed.

    Raises what `Request.check` and the run raise, and OutputError for a file that cannot be begun,
    or not be written at the end. For one that cannot be written in between, `show` gets a Notice,
    one for each text.
    """
    return _Session(run, request, show).paint(stop or threading.Event())


class _Session:
    """A run, its outputs, and who else is told of its events."""

    def __init__(self, run: Run, request: Request, show: Show) -> None:
        self._run, self._request, self._show = run, request, show
        self._noticed: set[Notice] = set()
        self._insists = False  # whether a KeyboardInterrupt has come while files are written

    def paint(self, stop: Stop) -> Outcome:
        run, request = self._run, self._request
        request.check(size=run.inputs.size)
        run.reserve(request.extra_bytes(run.inputs.size))
        self._begin()
        failure: BaseException | None = None
        try:
            interrupted = self._follow(stop)
        except (Exception, KeyboardInterrupt) as error:
            interrupted, failure = True, error
        except BaseException:  # such as SystemExit: leave no temporary file
            _abandon(request.outputs)
            raise
        return self._end(interrupted, failure)

    def _begin(self) -> None:
        """Let the outputs begin, with a notice for each whose file will not be whole."""
        run, begun = self._run, list[Output]()
        continues = self._request.path("checkpoint") is not None
        try:
            for output in self._request.outputs:
                output.begin(run, continues=continues)
                begun.append(output)
                if run.earlier and not output.resumable:
                    name, start = output.options[0].name, run.done
                    self._notice(
                        f"{name}: begins after iteration {start}, where the run is resumed"
                    )
        except BaseException:
            _abandon(begun)
            raise

    def _follow(self, stop: Stop) -> bool:
        """Tell every event to the outputs and to `show`; returns whether the run was stopped."""
        interrupted = False
        for event in self._run.events():
            for output in self._request.outputs:
                if error := _error_of(partial(output.handle, event)):
                    if isinstance(error, ProcessLost):
                        raise error
                    self._notice(f"{error}; the run goes on")
            self._tell(event)
            if isinstance(event, Done):
                interrupted = event.reason == "cancelled"
            elif stop.is_set():
                self._run.cancel()
        return interrupted

    def _end(self, interrupted: bool, failure: BaseException | None) -> Outcome:
        """Finish and settle all outputs, then raise the first error."""
        lost = self._is_alone(failure)
        result, unmade = (None, None) if lost else self._surely(partial(self._result, interrupted))
        failure = failure or unmade
        interrupted = interrupted or unmade is not None
        errors = self._finish(result)
        complete = not interrupted and not any(errors)
        if not lost:
            errors += self._settle(complete)
        for problem in (failure, *errors):
            if isinstance(problem, Exception):
                raise problem
        return Outcome(result, interrupted)

    def _is_alone(self, failure: BaseException | None) -> bool:
        """Whether nothing can be asked of the other processes, or they will not answer."""
        ours = isinstance(failure, Exception) and not isinstance(failure, ImpastoError)
        return isinstance(failure, ProcessLost) or (ours and self._run.share is not None)

    def _result(self, interrupted: bool) -> tuple[Result | None, Exception | None]:
        """The result, None before a first step; or the error that prevents it."""
        run, select = self._run, "best" if interrupted else None
        if run.done is None:
            return None, None
        try:
            if run.share:  # outputs save the image, and ask no more of it
                image = cast(Picture, run.result_in_bands(select))
                return Result(image, run.settings, run.steps), None
            return run.result(select), None
        except Exception as error:  # of whatever kind, the other files are written
            return None, error

    def _finish(self, result: Result | None) -> list[Exception | None]:
        """Let all outputs write their files; what prevents each."""
        actions = [partial(output.finish, result) for output in self._request.outputs]
        if result and isinstance(result.image, Banded):  # what no output has taken
            actions.append(result.image.drain)
        return [self._surely(partial(_failure_of, action)) for action in actions]

    def _settle(self, complete: bool) -> list[Exception | None]:
        """Let all outputs clean up, with a notice of each failure; those that are bugs."""
        bugs = list[Exception | None]()
        for output in self._request.outputs:
            error = self._surely(partial(_failure_of, partial(output.settle, complete=complete)))
            if isinstance(error, ImpastoError):
                error = _failure_of(partial(self._notice, str(error)))
            bugs.append(error)
        return bugs

    def _surely(self, action: Callable[[], T]) -> T:
        """What an action returns; the first KeyboardInterrupt of all makes it begin again."""
        try:
            return action()
        except KeyboardInterrupt:
            if self._insists:
                raise
            self._insists = True
            return action()

    def _notice(self, text: str) -> None:
        self._tell(Notice(text, "output"))

    def _tell(self, event: Event) -> None:
        """Show an event; of equal notices, as of a disk that stays full, only the first."""
        if isinstance(event, Notice):
            if event in self._noticed:
                return
            self._noticed.add(event)
        self._show(event)


def _error_of(action: Callable[[], None]) -> ImpastoError | None:
    """The error of writing a file, so that the run and the other outputs can continue."""
    try:
        action()
    except ImpastoError as error:
        return error
    except OSError as error:  # of an output that leaves it to us
        return OutputError(f"{error.filename or 'an output'}: {error.strerror or error}")
    return None


def _failure_of(action: Callable[[], None]) -> Exception | None:
    """The same, or an error of any other kind, so that the other outputs are finished."""
    try:
        return _error_of(action)
    except Exception as error:  # raised when all are
        return error


def _abandon(outputs: Iterable[Output]) -> None:
    """Let outputs remove their temporary files."""
    for output in outputs:
        _failure_of(partial(output.finish, None))
