"""`api/jobs` and `api/events`: commands on jobs, their pictures and files, the stream of events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from impasto.apps.studio.bodies import json_body, json_object
from impasto.apps.studio.downloads import download
from impasto.apps.studio.feed import MAX_VIEWERS, TooManyViewers
from impasto.apps.studio.folders import QUOTA
from impasto.apps.studio.refusal import Refusal
from impasto.apps.studio.workshop import MAX_QUEUE

if TYPE_CHECKING:
    from impasto.apps.studio.studio import Studio

__all__ = ["limits", "routes"]

limits = {"queue": MAX_QUEUE, "viewers": MAX_VIEWERS, "quota": QUOTA}
"""For `api/hello`."""

_NO_STORE = {"cache-control": "no-store"}
_REPORT = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def _studio(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


def _id(request: Request) -> str:
    return str(request.path_params["id"])


async def listed(request: Request) -> Response:
    """All jobs, the newest first."""
    return JSONResponse(_studio(request).register.all())


async def created(request: Request) -> Response:
    """Queue a job: 201."""
    return JSONResponse(await _studio(request).create(await json_body(request)), 201)


async def one(request: Request) -> Response:
    """One job."""
    register = _studio(request).register
    return JSONResponse(register.line(register.job(_id(request))))


async def losses(request: Request) -> Response:
    """The losses of a job."""
    return JSONResponse(await run_in_threadpool(_studio(request).losses, _id(request)))


async def paused(request: Request) -> Response:
    """Pause a job."""
    return await _told(request, _studio(request).workshop.pause)


async def resumed(request: Request) -> Response:
    """Resume a job."""
    return await _told(request, _studio(request).workshop.resume)


async def stopped(request: Request) -> Response:
    """Stop a job, and keep its picture."""
    return await _told(request, _studio(request).workshop.stop)


async def _told(request: Request, command: Callable[[str], dict[str, Any]]) -> Response:
    return JSONResponse(await run_in_threadpool(command, _id(request)))


async def discarded(request: Request) -> Response:
    """Remove a job."""
    await run_in_threadpool(_studio(request).workshop.discard, _id(request))
    return Response(status_code=204)


async def moved(request: Request) -> Response:
    """Put a job elsewhere in the queue."""
    before = (await json_object(request)).get("before")
    if before is not None and not isinstance(before, str):
        raise Refusal(422, "before is the id of a job, or null for the end of the queue")
    move = _studio(request).workshop.move
    return JSONResponse(await run_in_threadpool(move, _id(request), before))


async def continued(request: Request) -> Response:
    """Go on with more iterations."""
    iterations = (await json_object(request)).get("iterations")
    if isinstance(iterations, bool) or not isinstance(iterations, int):
        raise Refusal(422, "iterations is a number")
    more = _studio(request).workshop.more
    return JSONResponse(await run_in_threadpool(more, _id(request), iterations))


async def adjusted(request: Request) -> Response:
    """Go on with other settings."""
    settings = (await json_object(request)).get("settings")
    return JSONResponse(await _studio(request).adjust(_id(request), settings))


async def as_picture(request: Request) -> Response:
    """The result as an input."""
    return JSONResponse(await _studio(request).as_picture(_id(request)), 201)


async def preview(request: Request) -> Response:
    """The newest preview, of about the size asked for."""
    size = request.query_params.get("size", "640")
    if not (size.isascii() and size.isdigit() and len(size) <= 5):
        raise Refusal(422, "size is a number of pixels")
    studio, job = _studio(request), _id(request)
    found = await run_in_threadpool(studio.preview, job, int(size))
    tag = f'"{job}-{studio.register.job(job).preview}-{len(found)}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(found, media_type="image/jpeg", headers=headers)


async def result(request: Request) -> Response:
    """The result as a file."""
    studio, query = _studio(request), request.query_params
    job = studio.register.job(_id(request))
    path = studio.file(job.id, "result.png")
    inline = query.get("inline") == "1"
    name, kind = job.title or "painted", query.get("format", "png16")
    return await download(studio.darkroom, path, kind, name, inline=inline)


async def report(request: Request) -> Response:
    """The report, a page without scripts."""
    path = _studio(request).file(_id(request), "report.html")
    headers = {"content-security-policy": _REPORT, **_NO_STORE}
    return FileResponse(path, media_type="text/html", headers=headers)


async def timelapse(request: Request) -> Response:
    """The run as a film."""
    path = _studio(request).file(_id(request), "timelapse.mp4")
    return FileResponse(path, media_type="video/mp4", headers=_NO_STORE)


async def code(request: Request) -> Response:
    """The command and the Python that paint it."""
    return JSONResponse(_studio(request).code(_id(request)))


async def events(request: Request) -> Response:
    """Everything that happens, as server-sent events; 503 where too many look already."""
    feed = _studio(request).feed
    try:
        viewer = feed.join(request.headers.get("last-event-id"))
    except TooManyViewers:
        text = f"{MAX_VIEWERS} pages look at this studio already; close one of them"
        raise Refusal(503, text, {"retry-after": "5"}) from None
    return _Events(feed.stream(viewer), lambda: feed.leave(viewer))


class _Events(StreamingResponse):
    """A stream of events, which a viewer leaves however it ends."""

    def __init__(self, stream: Any, leave: Any) -> None:  # noqa: ANN401 (an iterator, a function)
        super().__init__(stream, media_type="text/event-stream", headers=_NO_STORE)
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


routes: list[BaseRoute] = [
    Route("/api/jobs", listed),
    Route("/api/jobs", created, methods=["POST"]),
    Route("/api/jobs/{id}", one),
    Route("/api/jobs/{id}/losses", losses),
    Route("/api/jobs/{id}/pause", paused, methods=["POST"]),
    Route("/api/jobs/{id}/resume", resumed, methods=["POST"]),
    Route("/api/jobs/{id}/stop", stopped, methods=["POST"]),
    Route("/api/jobs/{id}/discard", discarded, methods=["POST"]),
    Route("/api/jobs/{id}/move", moved, methods=["POST"]),
    Route("/api/jobs/{id}/more", continued, methods=["POST"]),
    Route("/api/jobs/{id}/adjust", adjusted, methods=["POST"]),
    Route("/api/jobs/{id}/picture", as_picture, methods=["POST"]),
    Route("/api/jobs/{id}/preview", preview),
    Route("/api/jobs/{id}/result", result),
    Route("/api/jobs/{id}/report", report),
    Route("/api/jobs/{id}/timelapse", timelapse),
    Route("/api/jobs/{id}/code", code),
    Route("/api/events", events),
]
