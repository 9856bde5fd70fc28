"""Tasks of a darkroom that do not end well."""

import os
import time

from impasto.apps.studio.tasks import TASKS, Task
from impasto.errors import ImageError

MB = 10**6


def known():
    """Make these tasks known in this process."""
    limits = {"seconds": 60, "memory": 100 * MB}
    for function in (sleep, leave, grow, refuse, fail, double, where):
        name = function.__name__
        TASKS[name] = Task(f"{__name__}:{name}", f"the task {name}", **limits)
    TASKS["sleep"] = Task(f"{__name__}:sleep", "the task sleep", 1)


def sleep():
    time.sleep(3600)


def leave():
    os._exit(9)


def grow():
    return len(bytearray(400 * MB))


def refuse(path):
    raise ImageError(f"{path}: not a picture")


def fail():
    raise KeyError("unexpected")


def double(number):
    return 2 * number


def where():
    return os.getpid()
