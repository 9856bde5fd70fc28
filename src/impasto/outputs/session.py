"""One painting session: a run and its outputs, every file written whatever happens."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from impasto.errors import ImpastoError, OutputError
from impasto.outputs.base import Output
from impasto.outputs.request import Request
from impasto.run import Result, Run
from impasto.run.events import Step

__all__ = ["Outcome", "paint"]

Show = Callable[[Step], object]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a session leaves: the result, None without a first step, and whether it was stopped."""

    result: Result | None
    interrupted: bool = False


def paint(
    run: Run,
    request: Request,
    show: Show = lambda _: None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Run, let the outputs and `show` handle each event, and write the files.

    The run ends early, with its best picture so far and all other files, after the step in which
    `stop` is set; at KeyboardInterrupt; and at an ImpastoError, which is raised once the files are
    written. Nothing is printed, and no signal handler is installed.

    Raises what `Request.check` and the run raise, and OutputError for a file that cannot be written
    at the end. One that cannot be written before the end is a notice.
    """
    request.check(size=run.inputs.size)
    stop = stop or threading.Event()
    continues = request.path("checkpoint") is not None
    for output in request.outputs:
        output.begin(run, continues=continues)
    failure: ImpastoError | KeyboardInterrupt | None = None
    try:
        for event in run:
            for output in request.outputs:
                _handle(output, event)
            show(event)
            if stop.is_set():
                failure = KeyboardInterrupt()
                break
    except (ImpastoError, KeyboardInterrupt) as error:
        failure = error
    except BaseException:  # a bug: leave no temporary file
        for output in request.outputs:
            _finish(output, None)
        raise
    return _end(run, request, failure)


def _end(run: Run, request: Request, failure: ImpastoError | KeyboardInterrupt | None) -> Outcome:
    """Finish and settle all outputs, then raise the first error."""
    result = run.result("best" if failure else None) if run.done is not None else None
    errors = [_finish(output, result) for output in request.outputs]
    complete = failure is None and not any(errors)
    for output in request.outputs:
        _settle(output, complete)
    for error in (failure, *errors):
        if isinstance(error, ImpastoError):
            raise error
    return Outcome(result, interrupted=failure is not None)


def _handle(output: Output, event: Step) -> None:
    """Let an output handle an event; one that cannot write now does not end the run."""
    try:
        output.handle(event)
    except OutputError as error:
        warnings.warn(f"{error}; the run goes on", stacklevel=2)


def _finish(output: Output, result: Result | None) -> ImpastoError | None:
    """The error that kept an output from finishing, so that the others can finish."""
    try:
        output.finish(result)
    except ImpastoError as error:
        return error
    return None


def _settle(output: Output, complete: bool) -> None:
    try:
        output.settle(complete=complete)
    except OutputError as error:
        warnings.warn(str(error), stacklevel=2)
