"""`api/pictures`: upload, list, small pictures, records, masks of objects, removal."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from impasto.apps.studio.bodies import MAX_UPLOAD, json_object, pieces
from impasto.apps.studio.pictures import Library
from impasto.apps.studio.records import request_of
from impasto.apps.studio.refusal import Refusal, missing

__all__ = ["routes"]

ROLES = ("picture", "mask")
_FOREVER = {"cache-control": "private, max-age=31536000, immutable"}  # an id is its content
_MAX_POINTS = 2000


def _library(request: Request) -> Library:
    library: Library = request.app.state.studio.library
    return library


async def listed(request: Request) -> Response:
    """All pictures."""
    return JSONResponse(_library(request).all())


async def upload(request: Request) -> Response:
    """Take a picture: 201, or 200 for one that is known."""
    role = request.query_params.get("role", "picture")
    if role not in ROLES:
        raise Refusal.closing(422, f"role is one of {', '.join(ROLES)}")
    name = request.query_params.get("name", "")
    facts, new = await _library(request).add(pieces(request, MAX_UPLOAD), name, role)
    return JSONResponse(facts, 201 if new else 200)


async def one(request: Request) -> Response:
    """The facts of a picture."""
    return JSONResponse(_library(request).facts(request.path_params["id"]))


async def removed(request: Request) -> Response:
    """Remove a picture."""
    _library(request).remove(request.path_params["id"])
    return Response(status_code=204)


async def thumb(request: Request) -> Response:
    """At most 320 px a side."""
    path = _library(request).thumb(request.path_params["id"])
    return FileResponse(path, media_type="image/webp", headers=_FOREVER)


async def view(request: Request) -> Response:
    """At most 2048 px a side."""
    path = _library(request).view(request.path_params["id"])
    return FileResponse(path, media_type="image/webp", headers=_FOREVER)


async def record(request: Request) -> Response:
    """The request that painted this picture, where impasto did, and what of it is missing here."""
    library = _library(request)
    facts = library.facts(request.path_params["id"])
    found = await library.record(facts["id"]) if facts["record"] else None
    if found is None:
        raise missing("record; the picture was not painted by impasto")
    return JSONResponse(request_of(found, library))


async def selected(request: Request) -> Response:
    """A mask of the object under a scribble."""
    library = _library(request)
    path = library.view(request.path_params["id"])
    body = await json_object(request)
    base = body.get("base")
    strokes = [_points(body, name) for name in ("inside", "outside")]
    softness = _number(body.get("softness", 0.0))
    mask = None if base is None else str(library.view(str(base)))
    studio = request.app.state.studio
    png = await studio.darkroom.call("object", str(path), *strokes, softness, mask)
    return Response(png, media_type="image/png")


def _points(body: dict[str, Any], name: str) -> list[tuple[float, float, float]]:
    """[[x, y, radius], …] of a body, each number in 0 to 1; Refusal for anything else."""
    points = body.get(name, [])
    if not isinstance(points, list) or len(points) > _MAX_POINTS:
        raise Refusal(422, f"{name} is a list of at most {_MAX_POINTS} points")
    if not all(isinstance(point, list) and len(point) == 3 for point in points):
        raise Refusal(422, f"{name} has points [x, y, radius]")
    return [(_number(x), _number(y), _number(r)) for x, y, r in points]


def _number(value: object) -> float:
    """A part of the picture's side, 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise Refusal(422, "expected numbers from 0 to 1, parts of the picture's width and height")
    return float(value)


routes = [
    Route("/api/pictures", listed),
    Route("/api/pictures", upload, methods=["POST"]),
    Route("/api/pictures/{id}", one),
    Route("/api/pictures/{id}", removed, methods=["DELETE"]),
    Route("/api/pictures/{id}/thumb", thumb),
    Route("/api/pictures/{id}/view", view),
    Route("/api/pictures/{id}/record", record),
    Route("/api/pictures/{id}/object", selected, methods=["POST"]),
]
