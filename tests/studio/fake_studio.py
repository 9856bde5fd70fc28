"""A studio without painting: the page's API from memory, and a test decides what happens when.

    with served() as fake:
        …                                   # a browser opens fake.address and starts a job
        fake.step(job_id, done=12)          # the page is told

Pictures are the bundled samples; "painted" ones are blends of two of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import socket
import threading
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image, ImageFilter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from impasto.apps.studio.guard import CONTENT_POLICY
from impasto.apps.studio.schema import presets, schema
from impasto.images import samples

PAGE = Path(str(resources.files("impasto"))) / "apps" / "studio" / "page"
LAYERS = {"vgg19": ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1"]}
METHODS = {"style": ["plain"], "keep": ["afterwards", "luminance"], "match": ["linear"]}


class FakeStudio:
    """Pictures and jobs of a studio, all in memory."""

    address = ""

    def __init__(self) -> None:
        self.files: dict[str, Image.Image] = {}
        self.pictures: dict[str, dict[str, Any]] = {}
        self.records: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.commands: list[tuple[str, str, Any]] = []
        self.refuse: dict[str, str] = {}  # verb, "plan", "remove" -> error, to try failures
        self.curves: dict[str, list[list[float]]] = {}
        self._viewers: list[asyncio.Queue[str | None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._number = self._changes = 0
        for name, path in samples.names().items():
            kind = "photo" if path.parent.name == "photos" else "style"
            self._keep(f"sample:{name}", name, Image.open(path).convert("RGB"), kind)

    def _keep(self, key: str, name: str, image: Image.Image, kind: str | None) -> dict[str, Any]:
        self.files[key] = image
        facts = {"id": key, "name": name, "width": image.width, "height": image.height}
        facts |= {"format": "JPEG", "bytes": 9000, "role": "picture", "kind": kind, "added": 0}
        facts |= {"sample": key.startswith("sample:"), "record": key in self.records}
        self.pictures[key] = facts
        return facts

    # what a test makes happen

    def known_as(self, content: bytes) -> str:
        """The id that an upload will get."""
        return hashlib.sha256(content).hexdigest()

    def add(self, state: str = "done", **fields: Any) -> dict[str, Any]:
        """A job in this state, as if it had been asked for."""
        request = {"content": "sample:chelsea", "styles": ["sample:waves"], "recipe": "standard"}
        request |= {"settings": {}, "protect": None, "masks": [], "start": None}
        job = self._job({**request, **fields.pop("request", {})})
        if state not in ("queued", "failed"):
            job |= {"done": 40, "total": 100, "stage": 1, "stages": 3, "scale": 362, "preview": 1}
            job |= {"canvas": [362, 241], "loss": 3.2, "iteration": 8, "remaining": 14.0}
        if state in ("done", "stopped"):
            job |= {"done": 100, "result": {"width": 512, "height": 341, "bytes": 812_000}}
            job["seconds"] = 58.0
        job |= {"state": state, "position": None, **fields}
        self._number_queue()
        self.curves[job["id"]] = [[i, 362, 9 / (i + 1) + 3] for i in range(job["done"])]
        self.tell("job", job)
        return job

    def step(self, key: str, **fields: Any) -> None:
        """An iteration of a job."""
        job = self.jobs[key]
        job.update(fields)
        names = ("id", "done", "total", "stage", "stages", "scale", "iteration", "loss")
        more = ("seconds", "remaining", "preview", "canvas")
        self.tell("step", {name: job[name] for name in (*names, *more)})

    def change(self, key: str, **fields: Any) -> None:
        """Another state of a job."""
        self.jobs[key].update(fields, updated=self._now())
        self._number_queue()
        for job in self.jobs.values():
            self.tell("job", job)

    def tell(self, kind: str, data: Any) -> None:
        """An event to all viewers, from any thread."""
        self._number += 1
        event = f"id: {self._number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"
        if self._loop and not self._loop.is_closed():
            for viewer in list(self._viewers):
                self._loop.call_soon_threadsafe(viewer.put_nowait, event)

    def hang_up(self) -> None:
        """End all event streams; pages come back."""
        for viewer in list(self._viewers):
            assert self._loop
            self._loop.call_soon_threadsafe(viewer.put_nowait, None)

    def _job(self, request: dict[str, Any]) -> dict[str, Any]:
        key = f"{len(self.jobs) + 1:06x}"
        content = self.pictures.get(request["content"] or "", {"name": "texture"})
        style = self.pictures.get((request["styles"] or [""])[0], {"name": "itself"})
        job: dict[str, Any] = dict.fromkeys(("position", "loss", "remaining", "canvas", "result"))
        job |= {"id": key, "title": f"{content['name']} as {style['name']}", "state": "queued"}
        job |= {"request": request, "size": [512, 341], "stage": 0, "stages": 3, "scale": None}
        job |= {"iteration": 0, "done": 0, "total": 100, "seconds": 0.0, "preview": 0}
        job |= {"notices": [], "error": None, "changes": 0, "parent": request.get("start")}
        job |= {"outputs": {"report": True, "timelapse": False}, "settling": False}
        job["created"] = job["updated"] = self._now()
        self.jobs = {key: job, **self.jobs}
        return job

    def _now(self) -> str:
        """Later than every time before."""
        self._changes += 1
        return f"2026-01-01T00:00:{self._changes:09.6f}"

    def _number_queue(self) -> None:
        queue = [job for job in self.jobs.values() if job["state"] == "queued"]
        for position, job in enumerate(sorted(queue, key=lambda job: job["id"])):
            job["position"] = position

    # the API

    def app(self) -> Starlette:
        """The ASGI application."""
        job, picture = "/api/jobs/{id}", "/api/pictures/{id}"
        routes = [
            Route("/", lambda _: page("index.html")),
            Route("/static/{name:path}", lambda request: page(request.path_params["name"])),
            Route("/api/hello", self.hello),
            Route("/api/events", self.events),
            Route("/api/plan", self.plan, methods=["POST"]),
            Route("/api/pictures", self.list_pictures, methods=["GET"]),
            Route("/api/pictures", self.upload, methods=["POST"]),
            Route(picture, self.remove, methods=["DELETE"]),
            Route(f"{picture}/record", self.record),
            Route(f"{picture}/{{what}}", self.look),
            Route("/api/jobs", self.start, methods=["POST"]),
            Route(
                f"{job}/losses", lambda r: JSONResponse(self.curves.get(r.path_params["id"], []))
            ),
            Route(f"{job}/code", self.code),
            Route(f"{job}/preview", self.preview),
            Route(f"{job}/result", self.preview),
            Route(f"{job}/picture", self.as_picture, methods=["POST"]),
            Route(f"{job}/{{verb}}", self.command, methods=["POST"]),
        ]
        return Starlette(routes=routes)

    async def hello(self, _: Request) -> Response:
        self._loop = asyncio.get_running_loop()
        fields = schema({"layers": LAYERS, "methods": METHODS})
        shown = [facts for facts in self.pictures.values() if facts["sample"]]
        more = {"samples": shown, "formats": [], "features": {}, "limits": {"upload": 64_000_000}}
        return JSONResponse({"version": "0", **presets(), "schema": fields, **more})

    async def events(self, _: Request) -> Response:
        viewer: asyncio.Queue[str | None] = asyncio.Queue()
        self._viewers.append(viewer)

        async def stream() -> Any:
            hello = json.dumps({"jobs": list(self.jobs.values())})
            yield f"retry: 200\nid: {self._number}\nevent: hello\ndata: {hello}\n\n"
            while (event := await viewer.get()) is not None:
                yield event
            self._viewers.remove(viewer)

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def plan(self, request: Request) -> Response:
        asked = await request.json()
        size = asked["settings"].get("size", 512)
        longest = size if isinstance(size, int) and size else 512
        found = {"size": [longest, longest * 2 // 3], "stages": [], "fits": longest < 9000}
        found |= {"seconds": longest**2 / 4500, "memory": 600_000_000 + 900 * longest**2}
        return JSONResponse({**found, "error": self.refuse.get("plan")})

    async def list_pictures(self, _: Request) -> Response:
        return JSONResponse(list(self.pictures.values()))

    async def upload(self, request: Request) -> Response:
        body = await request.body()
        try:
            image = Image.open(io.BytesIO(body)).convert("RGB")
        except OSError:
            text = f"{request.query_params['name']}: not a picture that impasto can read"
            return JSONResponse({"error": text}, 422)
        key = self.known_as(body)
        facts = self._keep(key, request.query_params["name"], image, None)
        self.tell("picture", facts)
        return JSONResponse(facts, 201)

    async def remove(self, request: Request) -> Response:
        if "remove" in self.refuse:
            return JSONResponse({"error": self.refuse["remove"]}, 409)
        self.pictures.pop(request.path_params["id"])
        return JSONResponse({})

    async def record(self, request: Request) -> Response:
        found = self.records.get(request.path_params["id"])
        return JSONResponse(found or {"error": "no record"}, 200 if found else 404)

    async def look(self, request: Request) -> Response:
        longest = 320 if request.path_params["what"] == "thumb" else 2048
        return encoded(self.files[request.path_params["id"]], longest)

    async def start(self, request: Request) -> Response:
        if "start" in self.refuse:
            return JSONResponse({"error": self.refuse["start"]}, 422)
        job = self._job(await request.json())
        self._number_queue()
        self.tell("job", job)
        return JSONResponse(job, 201)

    async def command(self, request: Request) -> Response:
        key, verb = request.path_params["id"], request.path_params["verb"]
        body = json.loads(await request.body() or b"{}")
        self.commands.append((key, verb, body))
        if verb in self.refuse:
            return JSONResponse({"error": self.refuse[verb]}, 409)
        job = self.jobs[key]
        states = {"pause": "paused", "resume": "queued", "stop": "stopped", "more": "queued"}
        if verb == "discard":
            del self.jobs[key]
            self.tell("gone", {"id": key})
            return JSONResponse({})
        if verb == "adjust":
            settings = job["request"]["settings"] | body["settings"]
            job["request"]["settings"] = {n: v for n, v in settings.items() if v is not None}
            job["changes"] += 1
        if verb == "stop" and job["preview"]:
            job["result"] = {"width": 512, "height": 341, "bytes": 700_000}
        job |= {"state": states.get(verb, job["state"]), "updated": self._now()}
        self._number_queue()
        self.tell("job", job)
        return JSONResponse(job)

    async def as_picture(self, request: Request) -> Response:
        job = self.jobs[request.path_params["id"]]
        facts = self._keep("f" * 64, f"{job['title']}.png", self._painted(job), None)
        return JSONResponse(facts)

    async def code(self, _: Request) -> Response:
        return JSONResponse({"command": "impasto a.jpg b.jpg", "python": "import impasto"})

    async def preview(self, request: Request) -> Response:
        job = self.jobs[request.path_params["id"]]
        longest = int(request.query_params.get("size", "512"))
        return encoded(self._painted(job), longest)

    def _painted(self, job: dict[str, Any]) -> Image.Image:
        """The photograph with as much of the painting as is done."""
        size = tuple(job["size"])
        content = self.files[job["request"]["content"]].resize(size)
        style = self.files[job["request"]["styles"][0]].resize(size)
        part = min(job["done"] / job["total"], 1)
        return Image.blend(content.filter(ImageFilter.BoxBlur(3)), style, 0.15 + 0.4 * part)


def page(name: str) -> Response:
    """A file of the page, with the studio's policy of contents."""
    headers = {"content-security-policy": CONTENT_POLICY, "cache-control": "no-cache"}
    media = "text/javascript" if name.endswith(".js") else None
    return FileResponse(PAGE / name, headers=headers, media_type=media)


def encoded(image: Image.Image, longest: int) -> Response:
    """A picture no longer than that, as JPEG."""
    small = image.copy()
    small.thumbnail((longest, longest))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=88)
    return Response(file.getvalue(), media_type="image/jpeg")


@contextlib.contextmanager
def served() -> Iterator[FakeStudio]:
    """A fake studio, served at its `address` by a thread of this process until the block ends."""
    fake = FakeStudio()
    listening = socket.create_server(("127.0.0.1", 0))
    fake.address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    config = uvicorn.Config(fake.app(), log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.hang_up()
        server.should_exit = True
        thread.join(10)
        listening.close()
