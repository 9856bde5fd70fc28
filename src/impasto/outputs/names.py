"""Names of output files: templates with fields, and where a path leads."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from impasto.errors import SettingsError

__all__ = ["files_at", "fill", "real", "stem"]

_FORMAT = re.compile(r"0?[0-9]{0,2}[ds]?")


def fill(template: str, fields: Mapping[str, object]) -> str:
    """The template with its fields filled in.

    Raises SettingsError for a field that `fields` lacks, or a format other than a short width.
    """
    try:
        parts = [part for part in string.Formatter().parse(template) if part[1] is not None]
        unknown = next((name for _, name, _, _ in parts if name not in fields), None)
        wide = any(not _FORMAT.fullmatch(form or "") for _, _, form, _ in parts)
        text = template.format_map(dict(fields)) if unknown is None and not wide else ""
    except (ValueError, KeyError) as error:  # KeyError: a field within a field
        raise SettingsError(f"{template!r} is no template of a file name ({error})") from error
    if unknown is not None:
        known = ", ".join(f"{{{field}}}" for field in fields)
        raise SettingsError(f"{template!r} has the field {{{unknown}}}; expected {known}")
    if wide:
        raise SettingsError(
            f"{template!r} has a format; expected a width of at most two digits, as {{index:03d}}"
        )
    return text


def stem(source: str) -> str:
    """The name of an input without folder and ending; `sample:swirl` is `swirl`."""
    return Path(source.removeprefix("sample:")).stem


def real(path: Path) -> str:
    """The file that a path leads to, past links."""
    return os.path.realpath(path)


def files_at(path: Path) -> list[Path]:
    """The file at `path`, or the entries of the folder there; nothing where there is neither."""
    # Path.is_file and is_dir raise for a name that is too long
    if os.path.isdir(path):  # noqa: PTH112 (Path's raises for a name that is too long)
        with suppress(OSError):  # the reader of the folder reports it
            return list(path.iterdir())
    return [path] if os.path.isfile(path) else []  # noqa: PTH113 (Path's raises for a name that is too long)
