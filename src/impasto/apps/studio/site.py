"""The site: the routes of all parts of a studio in one application.

browser ── Guard ── routes ──> Studio: library, darkroom, forecast, jobs, feed
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from impasto.apps.studio import downloads, routes_pictures
from impasto.apps.studio.bodies import MAX_JSON, MAX_UPLOAD, Patience, json_body
from impasto.apps.studio.darkroom import Darkroom
from impasto.apps.studio.forecast import Forecast
from impasto.apps.studio.guard import Guard
from impasto.apps.studio.pictures import MAX_PICTURES, Library
from impasto.apps.studio.refusal import Refusal, answer, on_refusal
from impasto.apps.studio.requests import MAX_STYLES, JobRequest
from impasto.apps.studio.schema import presets, schema
from impasto.errors import ImpastoError, version_of

__all__ = ["StudioParts", "build"]


class StudioParts(Protocol):
    """What the site needs of `impasto.apps.studio.studio.Studio`."""

    library: Library
    darkroom: Darkroom
    forecast: Forecast

    async def start(self) -> None:
        """Begin: processes start in the background."""
        ...

    async def close(self) -> None:
        """End: the running job is interrupted and saved, and all processes end."""
        ...


def build(
    studio: StudioParts,
    *,
    host: str = "127.0.0.1",
    token: str | None = None,
    more: Sequence[BaseRoute] = (),
    limits: dict[str, int] | None = None,
    patience: Patience | None = None,
) -> ASGIApp:
    """The guarded ASGI application of a studio.

    `more` are the routes of jobs, events and comparison, `limits` theirs for `api/hello`.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await studio.start()
        try:
            yield
        finally:
            await studio.close()

    routes = [*_routes(), *routes_pictures.routes, *more]
    handlers: dict[Any, Any] = {
        Refusal: on_refusal,
        ImpastoError: on_refusal,
        HTTPException: _on_http,
        Exception: on_refusal,
    }
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.state.studio, app.state.patience = studio, patience or Patience()
    app.state.limits, app.state.pages = limits or {}, _pages()
    return Guard(app, host, token)


def _routes() -> list[BaseRoute]:
    return [
        Route("/", page),
        Route("/compare", page),
        Route("/healthz", healthy),
        Route("/static/{name:path}", static),
        Route("/api/hello", hello),
        Route("/api/plan", plan, methods=["POST"]),
    ]


def _pages() -> dict[str, Path]:
    """The files of the page by name: nothing else is served."""
    root = Path(str(resources.files("impasto"))) / "apps" / "studio" / "page"
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): path for path in files}


_MEDIA = {".js": "text/javascript", ".svg": "image/svg+xml", ".webmanifest": "application/json"}


def _file(request: Request, name: str) -> Response:
    """A file of the page, which a browser asks for again each time and mostly has already.

    It is sent compressed to browsers that say they take it: a third of its bytes.
    """
    path = request.app.state.pages.get(name)
    if path is None:
        return answer(404, "there is no such page")
    content = path.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    kind = _MEDIA.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(content, media_type=kind, headers=headers)


async def page(request: Request) -> Response:
    """The studio, or the comparison."""
    return _file(request, "compare.html" if request.url.path == "/compare" else "index.html")


async def static(request: Request) -> Response:
    """A part of a page."""
    return _file(request, request.path_params["name"])


async def healthy(_: Request) -> Response:
    """That the server answers."""
    return PlainTextResponse("ok\n")


async def hello(request: Request) -> Response:
    """All that the page needs to begin."""
    state = request.app.state
    if not hasattr(state, "schema"):
        state.schema = schema(await state.studio.darkroom.call("describe"))
    await state.studio.library.start()
    limits = {
        "upload": MAX_UPLOAD,
        "json": MAX_JSON,
        "pixels": 200_000_000,
        "pictures": MAX_PICTURES,
        "styles": MAX_STYLES,
        **state.limits,
    }
    return JSONResponse(
        {
            "version": version_of("impasto"),
            **presets(),
            "schema": state.schema,
            "samples": state.studio.library.samples(),
            "formats": list(downloads.KINDS),
            "features": _features(),
            "limits": limits,
        }
    )


def _features() -> dict[str, bool]:
    """What the libraries that are installed allow."""
    there = {name: find_spec(name) is not None for name in ("av", "matplotlib", "jinja2")}
    report = there["matplotlib"] and there["jinja2"]
    return {"report": report, "timelapse": there["av"], "object": True}


async def plan(request: Request) -> Response:
    """Sizes, memory and seconds of a request, before it is painted."""
    studio: StudioParts = request.app.state.studio
    asked = JobRequest.of(await json_body(request), studio.library)
    try:
        found = await studio.forecast.plan(asked, studio.library)
    except Refusal as error:
        if error.status != 422:
            raise
        none: dict[str, Any] = {
            "size": None,
            "stages": [],
            "memory": None,
            "seconds": None,
            "fits": False,
        }
        found = {**none, "error": error.text}
    return JSONResponse(found)


async def _on_http(_: Request, error: HTTPException) -> Response:
    """404 and 405 of the router."""
    if error.status_code == 405:
        return answer(405, "this address does not do that", error.headers)
    return answer(error.status_code, "there is no such address")
