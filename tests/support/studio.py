"""A whole studio with tiny networks: in this process, or as a child that can be killed."""

import io
import json
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from impasto.apps.studio import routes_jobs
from impasto.apps.studio.studio import Studio
from support.children import PATIENCE, child
from support.pictures import smooth_picture
from support.site import browser, encoded, post, served

PROGRAM = Path(__file__).with_name("studio_program.py")
PREPARE = (
    "support.networks:register_tiny",
    "support.small:paint_as_small_as_asked",
    "support.soon:save_soon",
)

QUICK = {
    "size": 48,
    "encoder": "tiny",
    "precision": "fp32",
    "style_loss": "gram",
    "scales": [0.5, 1],
    "iterations": [4, 3],
}
"""Settings of a run of a moment, with two scales."""

LONG = {**QUICK, "iterations": [3, 100_000]}
"""Settings of a run that does not end by itself while a test lasts."""


class Client:
    """A browser with the commands of the page."""

    def __init__(self, http):
        self.http = http

    def upload(self, seed):
        """The id of a picture of its own."""
        return post(self.http, encoded(smooth_picture(60, 48, phase=seed).to_pil())).json()["id"]

    def start(self, content, style, settings=QUICK, **more):
        """The id of a new job."""
        body = {"content": content, "styles": [style], "settings": settings, **more}
        got = self.http.post("/api/jobs", json=body)
        assert got.status_code == 201, got.text
        return got.json()["id"]

    def job(self, job):
        """A job as it is."""
        return self.http.get(f"/api/jobs/{job}").json()

    def tell(self, job, command, **body):
        """A command; the job, or the error."""
        got = self.http.post(f"/api/jobs/{job}/{command}", json=body)
        return got.json() if got.content else None

    def until(self, job, condition):
        """The job, once the condition holds for it."""
        deadline = time.monotonic() + PATIENCE
        while not condition(found := self.job(job)):
            assert time.monotonic() < deadline, found
            time.sleep(0.01)
        return found

    def rested(self, job, *states):
        """The job, once the painter has left it in one of these states."""
        return self.until(job, lambda j: j["state"] in (states or ("done",)) and not j["settling"])

    def pixels(self, job):
        """The result, (h, w, 3) of 16 bits."""
        got = self.http.get(f"/api/jobs/{job}/result?format=png16")
        assert got.status_code == 200, got.text
        return pixels_of(got.content)


def pixels_of(png):
    """The levels of a PNG of 16 bits."""
    import cv2

    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


@contextmanager
def studio_in(folder, **options):
    """A running studio and a client of it."""
    folder.mkdir(exist_ok=True)
    studio = Studio(folder, PREPARE, warm=False, **options)
    with (
        served(studio, more=routes_jobs.routes) as address,
        browser(address) as http,
    ):
        try:
            yield studio, Client(http)
        finally:
            studio.ending()  # viewers would keep the server from its end


@contextmanager
def studio_process(folder):
    """A studio in a process of its own, and a client of it; killing it kills no test."""
    folder.mkdir(exist_ok=True)
    with child([sys.executable, str(PROGRAM), str(folder)]) as process:
        address = process.stdout.readline().strip()
        assert address, process.communicate()
        with browser(address) as http:
            yield process, Client(http)


class Listener:
    """A page that listens to all events, in a thread."""

    def __init__(self, address, last=None):
        self.events, self.address = [], address
        self._headers = {"last-event-id": last} if last else {}
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        number = kind = None
        with (
            httpx.Client(timeout=None, trust_env=False) as client,
            client.stream("GET", f"{self.address}/api/events", headers=self._headers) as stream,
        ):
            for line in stream.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    number = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    self.events.append((number, kind, json.loads(value)))

    def until(self, condition):
        """All events, once the condition holds for one of them."""
        deadline = time.monotonic() + PATIENCE
        while not any(condition(kind, data) for _, kind, data in self.events):
            assert time.monotonic() < deadline, self.events[-3:]
            time.sleep(0.01)
        return list(self.events)


def jpeg(data):
    """The size of a JPEG."""
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        return image.size
