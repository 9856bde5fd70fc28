"""The record a saved picture carries: what made it, so that it can be made again.

Plain JSON under one key, `impasto`; file names without folders, so that no private path leaks.
"""

import json
import platform
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import cv2

from impasto.errors import ImageError, version_of
from impasto.images import Metadata, read_details
from impasto.settings import Settings

__all__ = ["make_record", "parse_record", "shortened", "show_record", "shown_details", "versions"]

# Looked up when the program starts: an installation may change while a picture is painted. OpenCV
# comes in several distributions, of which one is installed.
_VERSIONS = {
    "impasto": version_of("impasto"),
    "python": platform.python_version(),
    **{name: version_of(name) for name in ("torch", "numpy", "pillow")},
    "opencv": str(cv2.__version__),
}


def versions() -> dict[str, str]:
    """Versions of impasto, Python and the libraries that bear on the result.

    "unknown" where a package has no metadata, as one that is only on the path.
    """
    return dict(_VERSIONS)


def make_record(content: Mapping[str, Any]) -> str:
    """ASCII JSON of `content` with the versions in use."""
    return json.dumps({"impasto": {"versions": versions(), **content}}, separators=(",", ":"))


def shortened(record: str | None) -> str | None:
    """A record with what paints such a picture again, and nothing of files or of the machine.

    That is the version of impasto, the settings that change pixels, and whether it is complete.
    """
    whole = parse_record(record)
    if whole is None:
        return None
    named = {"recipe", "iterations", *Settings.pixel_fields()}
    settings, result = whole.get("settings") or {}, whole.get("result") or {}
    short = {
        "versions": {"impasto": _VERSIONS["impasto"]},
        "settings": {name: value for name, value in settings.items() if name in named},
        "result": {n: result.get(n) for n in ("iterations_run", "complete")},
    }
    return json.dumps({"impasto": short}, separators=(",", ":"))


def parse_record(text: str | None) -> dict[str, Any] | None:
    """What `make_record` was given; None if the text is not such a record.

    Numbers that JSON does not have, such as NaN, become None.
    """
    try:
        record = json.loads(text or "null", parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    inner = record.get("impasto") if isinstance(record, dict) else None
    return inner if isinstance(inner, dict) else None


def _finite(text: str) -> float | None:
    """The number; None where it is too large for one."""
    value = float(text)
    return value if isfinite(value) else None


def show_record(path: str | Path) -> dict[str, Any]:
    """The record in the picture at `path`; ImageError if it carries none."""
    record = parse_record(read_details(path).record)
    if record is None:
        raise ImageError(f"{path}: carries no impasto record; it was not saved by impasto")
    return record


def shown_details(path: str | Path) -> dict[str, Any]:
    """The record in the picture at `path`, and under `photograph` what it says of that.

    ImageError if it carries neither.
    """
    details = read_details(path)
    record = parse_record(details.record) or {}
    facts = (details.metadata or Metadata()).facts()
    if not record and not facts:
        raise ImageError(f"{path}: carries no impasto record, and nothing of a photograph")
    return {**record, "photograph": facts} if facts else record
