"""The program `impasto`, as a test's child: knows the tiny network and dies with its parent.

    program.py [--signal NUMBER COUNT FILE] ARGUMENTS...

With `--signal` it sends itself that signal when it touches FILE, or its draft, for the COUNT-th
time: so a test chooses a moment, however fast the machine is.
"""

import ctypes
import os
import signal
import sys
from itertools import count
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
TOUCHES = {"open", "os.rename", "os.link", "os.remove"}  # audit events; os.replace is a rename


def die_with_parent():
    """Ask Linux to kill this process when the one that started it is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:
            sys.exit("the parent is gone already")


def signal_oneself(number, at, name):
    """Send this process a signal at the `at`-th touch of a file that has `name` in its name."""
    touches = count(1)

    def hook(event, arguments):
        if event in TOUCHES and name in str(arguments[0]) and next(touches) == at:
            os.kill(os.getpid(), number)

    sys.addaudithook(hook)


if __name__ == "__main__":
    die_with_parent()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    sys.path[0] = str(Path(__file__).parents[1])
    from impasto.apps.cli import main
    from support.small import paint_as_small_as_asked

    paint_as_small_as_asked()
    arguments = sys.argv[1:]
    if any("tiny" in each for each in arguments):  # other commands may do without torch
        from support.networks import register_tiny

        register_tiny()
    if arguments[:1] == ["--signal"]:
        signal_oneself(int(arguments[1]), int(arguments[2]), arguments[3])
        arguments = arguments[4:]
    main(arguments)
