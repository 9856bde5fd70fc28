"""One painting session: a run and its outputs, every file written whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from impasto.errors import ImpastoError, OutputError
from impasto.outputs.base import Output, Size
from impasto.outputs.request import Request
from impasto.run import Result, Run
from impasto.run.events import Done, Event, Notice

__all__ = ["Outcome", "Show", "Stop", "paint"]

Show = Callable[[Event], object]


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
    `stop` is set; when it is cancelled; at KeyboardInterrupt; and at an ImpastoError, which is
    raised once the files are written. Nothing is printed, and no signal handler is installed.

    Raises what `Request.check` and the run raise, and OutputError for a file that cannot be written
    at the end. For one that cannot be written before, `show` gets a Notice.
    """
    request.check(size=run.inputs.size)
    show = _each_notice_once(show)
    run.reserve(request.extra_bytes(run.inputs.size))
    for output in request.outputs:
        _begin(output, run, request, show)
    failure: BaseException | None = None
    try:
        interrupted = _follow(run, request, show, stop or threading.Event())
    except (ImpastoError, KeyboardInterrupt) as error:
        interrupted, failure = True, error
    except BaseException:  # a bug: leave no temporary file
        for output in request.outputs:
            _finish(output, None)
        raise
    return _end(run, request, show, interrupted, failure)


def _each_notice_once(show: Show) -> Show:
    """`show` without notices that it had before, such as one each step while a disk is full."""
    told = set[Notice]()

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            if event in told:
                return
            told.add(event)
        show(event)

    return tell


def _follow(run: Run, request: Request, show: Show, stop: Stop) -> bool:
    """Tell every event of the run to the outputs and to `show`; whether it was interrupted."""
    interrupted = False
    for event in run.events():
        for output in request.outputs:
            _attempt(partial(output.handle, event), show, "; the run goes on")
        show(event)
        if isinstance(event, Done):
            interrupted = event.reason == "cancelled"
        elif stop.is_set():
            run.cancel()
    return interrupted


def _begin(output: Output, run: Run, request: Request, show: Show) -> None:
    """Let an output begin, with a notice if its file will not be whole."""
    if run.earlier and not output.resumable:
        name = output.options[0].name
        text = f"{name}: begins after iteration {run.done}, where the run is resumed"
        show(Notice(text, "output"))
    continues = request.path("checkpoint") is not None
    _attempt(partial(output.begin, run, continues=continues), show, "; the run goes on")


def _end(
    run: Run, request: Request, show: Show, interrupted: bool, failure: BaseException | None
) -> Outcome:
    """Finish and settle all outputs, then raise the first error."""
    result = run.result("best" if interrupted else None) if run.done is not None else None
    errors = [_finish(output, result) for output in request.outputs]
    complete = not interrupted and not any(errors)
    for output in request.outputs:
        _attempt(partial(output.settle, complete=complete), show)
    for error in (failure, *errors):
        if isinstance(error, ImpastoError):
            raise error
    return Outcome(result, interrupted)


def _attempt(action: Callable[[], None], show: Show, consequence: str = "") -> None:
    """Do what may fail because a file cannot be written; then `show` gets a Notice."""
    try:
        action()
    except OutputError as error:
        show(Notice(f"{error}{consequence}", "output"))


def _finish(output: Output, result: Result | None) -> ImpastoError | None:
    """The error that kept an output from finishing, so that the others can finish."""
    try:
        output.finish(result)
    except ImpastoError as error:
        return error
    return None
