"""What the studio does not do, as one line of text and an HTTP status."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from impasto.errors import ImpastoError, brief, printable

__all__ = ["Refusal", "answer", "missing", "without_places"]


class Refusal(Exception):
    """A request that is refused: an HTTP `status`, one line for people, perhaps headers."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, dict(headers or {})

    @classmethod
    def closing(cls, status: int, text: str) -> Refusal:
        """A refusal of a body that was not read to its end: the connection ends with it."""
        return cls(status, text, {"connection": "close"})

    def response(self) -> Response:
        """`{"error": text}`."""
        return answer(self.status, self.text, self.headers)


def answer(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """`{"error": text}`: one printable line without addresses of the file system."""
    line = without_places(brief(printable(" ".join(text.split()))))
    return JSONResponse({"error": line}, status, dict(headers or {}))


def missing(what: str) -> Refusal:
    """404 for something that there is not."""
    return Refusal(404, f"there is no such {what}")


def without_places(text: str, places: Iterable[str | Path] = ()) -> str:
    """The text without folders of this machine: of each path the file's name stays.

    Known are the folders in `places`, and those of home, temporary files, Python and the package.
    """
    own = (Path.home(), Path.cwd(), tempfile.gettempdir(), sys.prefix, Path(__file__).parents[3])
    roots = {str(place) for place in (*places, *own)} - {"/", "", "."}
    for root in sorted(roots, key=len, reverse=True):
        while (start := text.find(root)) >= 0:
            end = start + len(root)
            while end < len(text) and text[end] not in " \t'\":;,)]}<>|":
                end += 1
            text = text[:start] + Path(text[start:end]).name + text[end:]
    return text


async def on_refusal(_: Request, error: Exception) -> Response:
    """Starlette's handler of Refusal and of the library's own errors."""
    if isinstance(error, Refusal):
        return error.response()
    if isinstance(error, ImpastoError):
        return answer(422, str(error))
    return answer(500, "the studio failed at this; the terminal it runs in says why")
