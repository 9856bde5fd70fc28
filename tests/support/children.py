"""Child processes, none of which outlives the test that starts it.

No limit here is about speed: PATIENCE only ends a test that hangs.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE = 300  # seconds
PROGRAM = Path(__file__).with_name("program.py")


def impasto_command(*arguments):
    """The command line in a process of its own, which knows `--encoder tiny`."""
    return [sys.executable, str(PROGRAM), *map(str, arguments)]


@contextmanager
def child(command, **options):
    """A running process and its pipes; it and all that it started end with the block."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(
        list(map(str, command)), start_new_session=True, **{**pipes, **options}
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with suppress(OSError):  # what was left to write has no reader
                    pipe.close()


def finished(command, **options):
    """Run a process to its end: returncode, stdout and stderr."""
    with child(command, **options) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def succeeded(command, **options):
    """Run a process to its end, which is a success: returncode, stdout and stderr."""
    done = finished(command, **options)
    assert done.returncode == 0, done.stderr
    return done


def wait_until(condition, process):
    """Return once the condition holds; fails if the process ends before."""

    def holds():
        assert process.poll() is None, process.communicate()
        return condition()

    eventually(holds)


def eventually(condition):
    """Return once the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)
