"""A studio's site on a real server at 127.0.0.1, in a thread of the test's own process."""

import io
import threading
from contextlib import contextmanager

import httpx
import numpy as np
import uvicorn
from PIL import Image

from impasto.apps.studio.darkroom import Darkroom
from impasto.apps.studio.forecast import Forecast
from impasto.apps.studio.headers import TimedHeaders
from impasto.apps.studio.pictures import Library
from impasto.apps.studio.serve import bound
from impasto.apps.studio.site import build
from support.children import PATIENCE

TINY = ("support.networks:register_tiny",)


class Rooms:
    """The parts of a studio that have no jobs."""

    def __init__(self, folder, patience=1.0):
        self.darkroom = Darkroom(TINY, patience)
        self.library = Library(folder / "pictures", self.darkroom)
        self.forecast = Forecast(folder / "rates.json", self.darkroom)

    async def start(self):
        self.darkroom.start()

    async def close(self):
        self.darkroom.close()


@contextmanager
def served(studio, host="127.0.0.1", **options):
    """The address of a running site, which ends with the block."""
    listening = bound("127.0.0.1", 0)
    app = build(studio, host=host, **options)
    plain = {"log_config": None, "log_level": "critical", "http": TimedHeaders, "ws": "none"}
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", proxy_headers=False, **plain))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        yield address
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listening.close()
    assert not thread.is_alive()


def browser(address, **options):
    """A client that waits as long as a test may."""
    return httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False, **options)


def encoded(image, kind="PNG", **options):
    """The bytes of a file of a Pillow image."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def noise(width=40, height=30, mode="RGB", seed=0):
    """A Pillow image that differs with its seed."""
    random = np.random.default_rng(seed)
    channels = len(Image.new(mode, (1, 1)).getbands())
    levels = random.integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(levels[..., 0] if channels == 1 else levels, mode=None).convert(mode)


def post(client, data, name="picture.png", **params):
    """Upload bytes."""
    return client.post("/api/pictures", content=data, params={"name": name, **params})
