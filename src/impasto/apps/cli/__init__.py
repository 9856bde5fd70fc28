"""The command line: it parses options, calls the library, and prints.

Invalid input is reported in one line, `error: …`, on stderr, with exit code 2.
"""

import io
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TextIO

from typer.exceptions import TyperException
from typer.main import get_command

from impasto.apps.cli.commands import app
from impasto.apps.cli.flags import with_flags
from impasto.apps.cli.printing import one_line
from impasto.apps.environment import tell_threads
from impasto.errors import ImpastoError

__all__ = ["app", "main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 part of a batch failed, 2 bad input, 130 Ctrl-C."""
    tell_threads()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name may not fit the terminal
    with _terminated_as_by_ctrl_c(), warnings.catch_warnings():
        warnings.showwarning = _warn
        code = _run(sys.argv[1:] if arguments is None else arguments)
    sys.exit(code)


@contextmanager
def _terminated_as_by_ctrl_c() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C, and put the former handler back."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: Sequence[str]) -> int:
    try:
        return int(_command()(list(arguments), prog_name="impasto", standalone_mode=False) or 0)
    except TyperException as error:
        message = error.format_message()
        return _refuse(message) if message else 2  # no message: help was shown
    except ImpastoError as error:
        return _refuse(with_flags(str(error)))
    except KeyboardInterrupt:
        return 130


@cache
def _command() -> Callable[..., Any]:
    """All commands with their options, made once: that takes longer than most commands do."""
    return get_command(app)


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning of another library as one line, without its place in the code."""
    print("warning:", one_line(message), file=file or sys.stderr)


def _refuse(message: str) -> int:
    print("error:", one_line(message), file=sys.stderr)
    return 2
