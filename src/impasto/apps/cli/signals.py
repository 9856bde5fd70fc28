"""Ctrl-C and SIGTERM while a picture is painted."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["graceful"]


@contextmanager
def graceful(
    *, patient: bool, then: Callable[[], object] = lambda: None
) -> Iterator[threading.Event]:
    """Yield an event that is set when the process is asked to end by Ctrl-C or SIGTERM.

    If `patient`, the first signal only sets the event and calls `then`, so that the step under way
    is completed and a checkpoint can be saved; the second one acts at once. If not, nothing
    changes: the first one acts at once. Only signals that Python handles are caught, and only in
    the main thread; the handlers before are back when the block ends.
    """
    stop = threading.Event()
    caught = (signal.SIGINT, signal.SIGTERM)
    handlers = {number: signal.getsignal(number) for number in caught}
    if not patient or threading.current_thread() is not threading.main_thread():
        handlers = {}

    def restore() -> None:
        for number, handler in handlers.items():
            if callable(handler):  # neither ignored nor the system's own
                signal.signal(number, handler)

    def wait(number: int, frame: FrameType | None) -> None:
        stop.set()
        then()
        restore()

    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, wait)
    try:
        yield stop
    finally:
        restore()
