"""Names of pictures on the command line, and what they stand for.

A file, `sample:NAME`, `file://…`; `-` for standard input; `https://…` for an address. Only here do
the last two become pictures: the library, the batch's manifest and the studio know neither.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from impasto.errors import ImageError, SettingsError
from impasto.images.names import located
from impasto.images.samples import SAMPLE

if TYPE_CHECKING:
    from impasto.apps.cli.options import Options
    from impasto.images import Source

__all__ = ["Named", "check_files", "file_of"]

STDIN = "-"
_NETWORK = "encoder"  # the one source that is no picture


@dataclass(frozen=True)
class Named:
    """What a command reads, by the names that it was given.

    Attributes:
        content, styles: the pictures.
        sources: others, as keywords of `impasto.Run`: a name, or a list of names.
    """

    content: str | None
    styles: tuple[str, ...]
    sources: Mapping[str, Any]

    def names(self) -> Iterator[str]:
        """Every name."""
        yield from (self.content,) if self.content else ()
        yield from self.styles
        for value in self.sources.values():
            yield from value if isinstance(value, list) else [value]

    def check(self) -> None:
        """SettingsError where standard input is to be two pictures, ImageError for a terminal."""
        count = sum(name == STDIN for name in self.names())
        if count > 1:
            raise SettingsError(f"- is given {count} times; standard input holds one picture")
        if count and sys.stdin.isatty():
            raise ImageError("standard input is a terminal; expected a picture, as by < photo.jpg")

    def files(self) -> list[str]:
        """Names of files and folders."""
        return [name for name in self.names() if not _is_elsewhere(name)]

    def opened(self, options: Options) -> tuple[Source | None, list[Source], dict[str, Any]]:
        """Content, styles, and the other sources; standard input and addresses are read."""
        content = _source(self.content, options) if self.content else None
        styles = [_source(name, options) for name in self.styles]
        return content, styles, {role: _given(role, v, options) for role, v in self.sources.items()}


def check_files(names: Iterator[str] | list[str]) -> None:
    """SettingsError where something is no file: a batch reads its files again for each pair."""
    for name in names:
        if _is_elsewhere(name) or ("://" in name and not name.lower().startswith("file:")):
            raise SettingsError(f"{name!r} is no file, and a batch reads files; save it as one")


def file_of(name: str) -> str:
    """The name of a file after which a result is named."""
    from impasto.images.web import is_address, name_in

    if name == STDIN:
        return "stdin"
    return name_in(name) if is_address(name) else name.removeprefix(SAMPLE)


def _is_elsewhere(name: str) -> bool:
    from impasto.images.web import is_address

    return name == STDIN or is_address(name)


def _given(role: str, value: Any, options: Options) -> Any:  # noqa: ANN401 (names, sources)
    if role == _NETWORK:
        return value
    if isinstance(value, list):
        return [_source(name, options) for name in value]
    return _source(value, options)


def _source(name: str, options: Options) -> Source:
    from impasto.images import Encoded, fetch
    from impasto.images.held import contents
    from impasto.images.web import is_address

    if name == STDIN:
        try:
            return Encoded("stdin", contents(sys.stdin.buffer, "standard input"))
        except (OSError, ValueError) as error:  # ValueError: it is closed
            raise ImageError(f"standard input cannot be read ({error})") from error
    if is_address(name):
        return fetch(name, http=options.allow_http, local=options.allow_local)
    found: str | os.PathLike[str] = located(name)
    return found
