"""What a crash leaves, at every step: copies of a folder before each change of it."""

import shutil
import sys
from contextlib import contextmanager


@contextmanager
def photographed(home, places):
    """Copy a folder into `places` before each change of it, as a crash just then leaves it."""
    touches = {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.utime", "os.rmdir"}
    state = {"on": True}

    def hook(event, arguments):
        name = str(arguments[0]) if arguments else ""
        writes = event != "open" or (arguments[1] is not None and set("wxa+") & set(arguments[1]))
        if state["on"] and event in touches and writes and name.startswith(str(home)):
            state["on"] = False
            shutil.copytree(home, places / str(len(list(places.iterdir()))))
            state["on"] = True

    sys.addaudithook(hook)
    try:
        yield
    finally:
        state["on"] = False
