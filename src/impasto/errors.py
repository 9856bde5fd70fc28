"""Everything that can go wrong by a caller's doing, as one tree.

    ImpastoError                 catch this to catch them all
    ├── SettingsError            a setting, recipe or layer name that does not exist or does not fit
    ├── ImageError               a file or array that is not a picture we can read or write
    │   ├── ImageTooSmall        fewer pixels than the layers asked for need
    │   └── ImageTooLarge        more pixels than the limit allows
    ├── TermError                a term or style loss whose gradient is not that of its value
    ├── WeightsError             a weight file that is missing, damaged or of another network
    ├── OutputError              a place where the result cannot be written
    ├── CheckpointError          a checkpoint that is damaged, or of another run
    ├── ExtraMissing             a library that an optional feature needs and is not installed
    ├── OutOfMemory              the machine has less memory than the run needs
    ├── ProcessLost              another process of a picture that several paint has ended
    ├── Diverged                 a run whose loss is no longer a number
    └── Cancelled                a run that was told to stop, in the middle of an evaluation

Each message says in one line what was got, what is needed, and what to change. The command line
prints it and exits with code 2. Below the tree: text made fit to print, and libraries that may be
missing.
"""

import os
import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = [
    "Cancelled",
    "CheckpointError",
    "Diverged",
    "ExtraMissing",
    "ImageError",
    "ImageTooLarge",
    "ImageTooSmall",
    "ImpastoError",
    "OutOfMemory",
    "OutputError",
    "ProcessLost",
    "SettingsError",
    "TermError",
    "WeightsError",
    "brief",
    "optional",
    "printable",
    "shown",
    "version_of",
]

_MAX_WORD = 200  # characters
_MAX_LINE = 1200  # characters, more than any message of ours without what it repeats
_LONG_WORD = re.compile(rf"\S{{{_MAX_WORD + 1},}}")


class ImpastoError(Exception):
    """Base of all errors that impasto raises on purpose."""

    def __str__(self) -> str:
        """The message; values that it repeats are cut to a readable length."""
        return brief(super().__str__())


class SettingsError(ImpastoError, ValueError):
    """A setting, recipe or layer name that does not exist or does not fit."""


class ImageError(ImpastoError):
    """A file or array that is not a picture we can read or write."""


class ImageTooSmall(ImageError):
    """Fewer pixels than the layers asked for need."""


class ImageTooLarge(ImageError):
    """More pixels than the limit allows."""


class TermError(ImpastoError):
    """A term or style loss whose gradient is not that of its value, or that differs in tiles."""


class WeightsError(ImpastoError):
    """A weight file that is missing, damaged or of another network."""


class OutputError(ImpastoError):
    """A place where the result cannot be written."""


class CheckpointError(ImpastoError):
    """A checkpoint that is damaged, or of another run."""


class ExtraMissing(ImpastoError, ImportError):
    """A library that an optional feature needs and is not installed."""


class OutOfMemory(ImpastoError):
    """The machine has less memory than the run needs."""


class ProcessLost(ImpastoError):
    """Another process of a picture that several paint has ended, or cannot be reached."""


class Diverged(ImpastoError):
    """A run whose loss is no longer a number."""


class Cancelled(ImpastoError):
    """A run that was told to stop, in the middle of an evaluation."""


def printable(value: object) -> str:
    """One harmless line: control characters and unpaired surrogates are written as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))


def shown(path: str | os.PathLike[str]) -> str:
    """The path as one printable line."""
    return printable(os.fsdecode(path))


def brief(text: str) -> str:
    """The text without the middle of words over 200 characters, nor its own over 1,200."""
    words = _LONG_WORD.sub(lambda word: _cut(word[0], _MAX_WORD), text)
    return _cut(words, _MAX_LINE)


def _cut(text: str, longest: int) -> str:
    """The beginning and the end of a text, no more than `longest` characters."""
    end = longest // 4
    return text if len(text) <= longest else f"{text[: longest - end - 1]}…{text[-end:]}"


def version_of(package: str) -> str:
    """The installed version of a distribution; "unknown" where its metadata are missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def optional(module: str, extra: str, purpose: str) -> Any:  # noqa: ANN401 (a module)
    """The module, which comes with `impasto[extra]`; ExtraMissing says what to install for it.

    `purpose` completes "… needs MODULE", such as "reading a .mat file".
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ExtraMissing(
            f"{purpose} needs {package}, which is not installed; pip install 'impasto[{extra}]'"
        ) from error
