"""The record a saved picture carries: what made it, so that it can be made again.

Plain JSON under one key, `impasto`; file names without folders, so that no private path leaks.
"""

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from impasto.errors import ImageError
from impasto.images import read_record

__all__ = ["make_record", "parse_record", "show_record", "versions"]

_LIBRARIES = ("torch", "numpy", "pillow", "opencv-python-headless")


def versions() -> dict[str, str]:
    """Versions of impasto, Python and the libraries that bear on the result."""
    found = {name: version(name) for name in _LIBRARIES}
    return {"impasto": version("impasto"), "python": platform.python_version(), **found}


def make_record(content: Mapping[str, Any]) -> str:
    """ASCII JSON of `content` with the versions in use."""
    return json.dumps({"impasto": {"versions": versions(), **content}}, separators=(",", ":"))


def parse_record(text: str | None) -> dict[str, Any] | None:
    """What `make_record` was given; None if the text is not such a record."""
    try:
        record = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    inner = record.get("impasto") if isinstance(record, dict) else None
    return inner if isinstance(inner, dict) else None


def show_record(path: str | Path) -> dict[str, Any]:
    """The record in the picture at `path`; ImageError if it carries none."""
    record = parse_record(read_record(path))
    if record is None:
        raise ImageError(f"{path}: carries no impasto record; it was not saved by impasto")
    return record
