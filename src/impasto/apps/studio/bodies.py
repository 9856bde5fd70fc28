"""Bodies of requests: counted while they arrive, and within a time.

A header says how long a body is, and may lie; a sender may never end, or send a byte a minute.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from impasto.apps.studio.refusal import Refusal

__all__ = ["MAX_JSON", "MAX_UPLOAD", "Patience", "json_body", "json_object", "pieces"]

MAX_UPLOAD = 64_000_000  # bytes of a picture
MAX_JSON = 64_000  # bytes
MAX_DEPTH = 12  # lists and objects in one another
MAX_VALUES = 8_000  # in one body


@dataclass(frozen=True)
class Patience:
    """Seconds that a sender has: to its next piece, and for a body in all."""

    pause: float = 20.0
    total: float = 300.0


async def pieces(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The pieces of a body of at most `limit` bytes, as they arrive.

    Raises Refusal: 413 for a longer one, as soon as that is known; 408 for a slow one; 400 for one
    that breaks off.
    """
    _check_length(request, limit)
    patience: Patience = getattr(request.app.state, "patience", Patience())
    clock, count = asyncio.get_running_loop().time, 0
    end = clock() + patience.total
    while True:
        message = await _next(request, min(patience.pause, end - clock()))
        piece = message.get("body", b"")
        count += len(piece)
        if count > limit:
            raise _too_long(limit)
        if piece:
            yield piece
        if not message.get("more_body"):
            return


async def json_body(request: Request, limit: int = MAX_JSON) -> Any:  # noqa: ANN401 (plain JSON)
    """The JSON of a body, of bounded length, depth and number of values.

    Raises Refusal: 415 unless it is sent as JSON, 400 where it is none, and as `pieces` does.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal.closing(415, "expected content-type application/json")
    text = b"".join([piece async for piece in pieces(request, limit)])
    try:
        value = json.loads(text or b"null", parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:  # also bytes that are not UTF-8
        raise Refusal(400, "the body is not JSON") from error
    _check_shape(value)
    return value


async def json_object(request: Request, limit: int = MAX_JSON) -> dict[str, Any]:
    """The JSON object of a body; an empty body is an empty object. Refusal as in `json_body`."""
    length = request.headers.get("content-length", "")
    if length == "0" or (not length and "transfer-encoding" not in request.headers):
        return {}
    value = await json_body(request, limit)
    if not isinstance(value, dict):
        raise Refusal(400, "the body is not a JSON object")
    return value


def _check_length(request: Request, limit: int) -> None:
    """Refuse a body that says itself that it is too long."""
    length = request.headers.get("content-length")
    if length is not None and (not length.isdigit() or int(length[:20]) > limit):
        raise _too_long(limit)


async def _next(request: Request, seconds: float) -> dict[str, Any]:
    try:
        message = await asyncio.wait_for(request.receive(), max(0.0, seconds))
    except asyncio.TimeoutError as error:
        raise Refusal.closing(408, "the body came too slowly") from error
    if message["type"] == "http.disconnect":
        raise Refusal.closing(400, "the body broke off")
    return dict(message)


def _too_long(limit: int) -> Refusal:
    size = f"{limit // 1_000_000} MB" if limit >= 1_000_000 else f"{limit // 1000} kB"
    return Refusal.closing(413, f"the body is too long; at most {size} are accepted")


def _check_shape(value: object) -> None:
    """Refuse what is nested too deep, has too many values, or text that cannot be sent back."""
    level, count = [value], 0
    for _ in range(MAX_DEPTH + 1):
        below: list[object] = []
        for each in level:
            if isinstance(each, dict):
                below += [*each.keys(), *each.values()]
            elif isinstance(each, list):
                below += each
            elif isinstance(each, str) and not _is_text(each):
                raise Refusal(400, "the body has text that is not Unicode")
        count += len(below)
        if count > MAX_VALUES:
            raise Refusal(413, "the body has too many values")
        if not below:
            return
        level = below
    raise Refusal(400, "the body is nested too deep")


def _is_text(value: str) -> bool:
    """Whether there are no unpaired surrogates in it."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _no_number(_: str) -> object:
    raise ValueError("NaN and Infinity are not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value
