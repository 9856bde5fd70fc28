# %% [markdown]
# # A server
#
# A run is a stream of plain events, and it can be stopped from any thread. So a server needs
# little: a thread that paints, and a reply that passes the events on. This notebook builds one,
# starts it, sends it a photograph, watches the painting come, and hangs up on another. [Web
# server](../server.md) tells what a server for strangers needs more.
#
# You need `pip install 'impasto[notebook,studio]'`.

# %% tags=["parameters"]
PHOTO = "sample:astronaut"
SIZE = 256  # pixels, the longest side
ITERATIONS = 60  # over all scales

# %%
import base64
import http.client
import io
import json
import threading

import uvicorn
from matplotlib import pyplot as plt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import impasto
from impasto.apps.notebook import show
from impasto.images import read
from impasto.objective import StyleCache

# %% [markdown]
# ## Events
#
# What a run tells, as it would go over a wire. Every event has a `line()` of plain values.

# %%
settings = impasto.Settings.of("draft", size=SIZE, iterations=ITERATIONS)
few = impasto.Run(PHOTO, "sample:swirl", settings.replaced(iterations=3))
for event in few.events():
    line = event.line() if hasattr(event, "line") else {"stage": event.index, "size": event.size}
    print(json.dumps(line)[:100])

# %% [markdown]
# ## The application
#
# A photograph is posted to `/paint/STYLE`. The reply is a stream of JSON lines: progress, small
# previews, at last the picture. Styles are names of ours, never paths from a request. Statistics
# of styles are kept in a cache, and one picture is painted at a time, since it takes all cores.
# When the sender hangs up, the stream is closed, and the run is cancelled.

# %%
STYLES = {"swirl": "sample:swirl", "ember": "sample:ember"}
LARGEST = 20_000_000  # bytes of a photograph
cache, painting = StyleCache(), threading.Lock()
log = []


def encoded(picture, quality=85):
    """A picture as text of a JSON line."""
    stream = io.BytesIO()
    picture.save(stream, format="jpg", quality=quality)
    return base64.b64encode(stream.getvalue()).decode()


def lines(photo, style):
    """Paint, and yield each event as a line; closing the generator ends the run."""
    with painting:
        try:
            run = impasto.Run(photo, STYLES[style], settings, cache=cache, max_pixels=50_000_000)
            for step in run:
                line = {"done": step.done, "total": step.total, "loss": step.loss}
                if step.done and step.done % max(1, ITERATIONS // 6) == 0:
                    line["preview"] = encoded(step.preview(96), quality=70)
                yield json.dumps(line) + "\n"
            yield json.dumps({"picture": encoded(run.result().image)}) + "\n"
            log.append("painted")
        except impasto.ImpastoError as error:
            yield json.dumps({"error": str(error)}) + "\n"
        except GeneratorExit:
            log.append(f"the sender hung up after {run.done} iterations")
            raise


async def paint(request: Request) -> Response:
    """Stream the painting of the photograph in the body."""
    if request.path_params["style"] not in STYLES:
        return JSONResponse({"error": "no such style"}, 404)
    photo = bytearray()
    async for part in request.stream():
        photo += part
        if len(photo) > LARGEST:
            return JSONResponse({"error": "the photograph is too large"}, 413)
    told = Lines(lines(bytes(photo), request.path_params["style"]))
    return StreamingResponse(told, media_type="application/x-ndjson")


class Lines:
    """Iterates over a generator in threads, and closes it when the reply ends, however it does."""

    def __init__(self, generator):
        self.generator = generator

    async def __aiter__(self):
        from starlette.concurrency import run_in_threadpool

        try:
            while (line := await run_in_threadpool(next, self.generator, None)) is not None:
                yield line
        finally:
            self.generator.close()


app = Starlette(routes=[Route("/paint/{style}", paint, methods=["POST"])])

# %% [markdown]
# ## Start it
#
# On this machine alone, at a free port, in a thread of this notebook.

# %%
server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none"))
thread = threading.Thread(target=server.run, daemon=True)
thread.start()
while not server.started:
    thread.join(0.01)
port = server.servers[0].sockets[0].getsockname()[1]


# %%
def posted(photo, style):
    """A connection, and the reply to a photograph."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("POST", f"/paint/{style}", body=photo)
    return connection, connection.getresponse()


stream = io.BytesIO()
read(PHOTO).save(stream, format="jpg")
photo = stream.getvalue()
print(len(photo), "bytes")

# %% [markdown]
# ## Send a photograph

# %%
connection, reply = posted(photo, "swirl")
told = [json.loads(line) for line in reply]
connection.close()
decoded = [base64.b64decode(line["preview"]) for line in told if "preview" in line]
show({f"preview {n}": data for n, data in enumerate(decoded[:7])}, columns=7)
show(sent=photo, painted=base64.b64decode(told[-1]["picture"]), columns=2)

# %%
losses = [line["loss"] for line in told if "loss" in line]
plt.figure(figsize=(6, 3))
plt.semilogy(losses)
plt.xlabel("line of the stream")
plt.ylabel("loss, of each scale its own")
# %% [markdown]
# ## What goes wrong
#
# A style that is not there, and bytes that are no picture, are said in one line. Neither ends the
# server.

# %%
for data, style in ((photo, "../secret"), (b"no picture", "swirl")):
    connection, reply = posted(data, style)
    print(reply.status, reply.read().decode().strip())
    connection.close()

# %% [markdown]
# ## Hang up
#
# The sender reads one line and leaves. The server notices at the next line that it cannot
# deliver, and the run ends.

# %%
connection, reply = posted(photo, "ember")
print(json.loads(reply.readline()))
reply.close()
connection.close()
with painting:  # free again once that run has ended
    pass
print(log)

# %%
server.should_exit = True
thread.join()

# %% [markdown]
# ## What to change
#
# - A limit of time: `threading.Timer(seconds, run.cancel)`; the run ends within a tile, and
#   `run.result()` is what it had.
# - More than one picture at a time, each with `threads=1`, in processes of their own: [Web
#   server](../server.md).
# - For people instead of programs, there is [the studio](../studio.md).
