"""Names of pictures to their files: `sample:NAME`, `file://…`, and `~` that no shell expanded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from impasto.errors import ImageError, printable
from impasto.images.samples import SAMPLE, sample

__all__ = ["home_expanded", "located"]

_FILE = "file:"


def located(source: Any) -> Any:  # noqa: ANN401 (whatever pictures may come from)
    """The path that a name stands for; anything but text as it is.

    Raises ImageError for an unknown sample, and for a `file:` address of another computer.
    """
    if not isinstance(source, str):
        return source
    if source.startswith(SAMPLE):
        return sample(source.removeprefix(SAMPLE))
    if source.lower().startswith(f"{_FILE}//"):
        return _local(source)
    return home_expanded(source)


def home_expanded(text: str) -> str:
    """The path with the home folder in place of `~`, unless there is a file of that very name."""
    if not text.startswith("~") or os.path.lexists(text):
        return text
    return os.path.expanduser(text)  # noqa: PTH111 (a name may be no path)


def _local(address: str) -> Path:
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets that enclose no number
        parts = None
    if parts is None or parts.netloc.lower() not in ("", "localhost") or not parts.path:
        raise ImageError(f"{printable(address)}: expected file:///, then the path of a file here")
    return Path(url2pathname(parts.path) if os.name == "nt" else unquote(parts.path))
