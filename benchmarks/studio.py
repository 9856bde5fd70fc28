"""How long a person waits in the studio, and what its viewers cost.

    python benchmarks/studio.py [--size 512] [--viewers 50] [--repeats 3]

A studio is started as a program, and asked by HTTP, as its page does. Seconds are from the request
until the event or preview that answers it:

- first stroke: from Start to the first preview of a new picture
- change acknowledged, change seen, change settled: of --strength while it paints
- stop acknowledged, stop effective: until the picture is written
- whole run: Start to the result, which a changed picture is compared with

The change comes in the middle of the last scale. Then the same picture is painted with nobody
watching, and with so many viewers that each follow the events and pull every preview; the ratio is
that of the iterations' seconds. The viewers are threads of this script, on the same processor: what
they cost the studio itself is its server's processor seconds beside painting.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

from measuring import heading, say, table

CONTENT, STYLE = "sample:astronaut", "sample:swirl"
LEFT = 6  # iterations left, of twelve of the last scale, when the strength is changed
PAUSE = 0.005  # seconds between two looks
LONG = 0.2  # and between those at something long, so that looking takes nothing from the painter

Job = dict[str, Any]


class Client:
    """What the page does, by HTTP."""

    def __init__(self, address: str, server: psutil.Process) -> None:
        self.server = server
        self.http = httpx.Client(base_url=address, timeout=600, trust_env=False)

    def start(self, **settings: object) -> str:
        """The id of a new job."""
        body = {"content": CONTENT, "styles": [STYLE], "recipe": "standard", "settings": settings}
        return str(self._post("/api/jobs", body)["id"])

    def tell(self, job: str, command: str, **body: object) -> float:
        """Seconds until a command is acknowledged."""
        began = time.perf_counter()
        self._post(f"/api/jobs/{job}/{command}", body)
        return time.perf_counter() - began

    def until(self, job: str, holds: Callable[[Job], bool], pause: float = PAUSE) -> float:
        """Seconds until something holds of a job; SystemExit if it fails instead."""
        began = time.perf_counter()
        while not holds(found := self.job(job)):
            if found["state"] == "failed":
                raise SystemExit(f"a job failed: {found['error']}")
            time.sleep(pause)
        return time.perf_counter() - began

    def until_finished(self, job: str) -> float:
        """Seconds until a job has its result."""
        return self.until(job, finished, LONG)

    def job(self, job: str) -> Job:
        """A job as it is."""
        return dict(self.http.get(f"/api/jobs/{job}").json())

    def _post(self, path: str, body: object) -> Job:
        got = self.http.post(path, json=body)
        if got.status_code >= 400:
            raise SystemExit(f"{path}: {got.text}")
        return dict(got.json()) if got.content else {}


@contextmanager
def studio() -> Iterator[Client]:
    """A studio of its own, which ends with the block."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["studio", "--port", "0", "--no-open", "--jobs", str(Path(folder) / "jobs")]
        command = [sys.executable, "-m", "impasto", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                line = process.stdout.readline()
                address = line.partition(": ")[2].strip().rstrip("/")
                client = Client(address, psutil.Process(process.pid))
                client.http.get("/api/hello")
                yield client
            finally:
                process.terminate()


def waits(client: Client, size: int) -> dict[str, float]:
    """Seconds that a person waits, once each."""
    with watching(client, 1):
        job = client.start(size=size)
        found = {"first stroke": client.until(job, lambda j: j["preview"] >= 1)}
        client.until(job, lambda j: j["total"] and j["total"] - j["done"] <= LEFT, LONG)
        began = time.perf_counter()
        found["change acknowledged"] = client.tell(job, "adjust", settings={"strength": 0.6})
        client.until(job, lambda j: j["changes"] == 1 and j["stages"] > 0)  # the new run is open
        before = client.job(job)["preview"]  # the last of the old one
        client.until(job, lambda j: j["preview"] > before)
        found["change seen"] = time.perf_counter() - began
        client.until_finished(job)
        found["change settled"] = time.perf_counter() - began
        other = client.start(size=size, strength=0.6)
        found["whole run"] = client.until_finished(other)
        third = client.start(size=size)
        client.until(third, lambda j: j["iteration"] >= 3)
        found["stop acknowledged"] = client.tell(third, "stop")
        found["stop effective"] = client.until(third, lambda j: j["result"] is not None)
        client.until(third, lambda j: not j["settling"])
    return found


def finished(job: Job) -> bool:
    """Whether a job has its result."""
    return job["state"] == "done" and not job["settling"]


@contextmanager
def watching(client: Client, count: int) -> Iterator[list[dict[str, int]]]:
    """So many viewers that follow the events and pull each new preview; what each has seen."""
    over, address = threading.Event(), str(client.http.base_url)
    seen: list[dict[str, int]] = [{} for _ in range(count)]
    for shown in seen:
        threading.Thread(target=_watch, args=(address, over, shown), daemon=True).start()
    try:
        yield seen
    finally:
        over.set()


def _watch(address: str, over: threading.Event, shown: dict[str, int]) -> None:
    """Follow until it is over; `shown` is the number of each job's last preview."""
    with (
        httpx.Client(base_url=address, timeout=None, trust_env=False) as http,
        http.stream("GET", "/api/events") as stream,
    ):
        for line in stream.iter_lines():
            if over.is_set():
                return
            facts = json.loads(line[6:]) if line.startswith("data: ") else {}
            job, number = str(facts.get("id")), int(facts.get("preview") or 0)
            if number > shown.get(job, 0):
                shown[job] = number
                http.get(f"/api/jobs/{job}/preview", params={"size": 960, "v": number})


def painted(client: Client, size: int, viewers: int) -> tuple[float, float]:
    """Seconds that the painter says it painted, and the server's processor seconds meanwhile."""
    with watching(client, viewers):
        job = client.start(size=size)
        before = sum(client.server.cpu_times()[:2])
        client.until_finished(job)
        served = sum(client.server.cpu_times()[:2]) - before
        return float(client.job(job)["seconds"]), served


def main() -> None:
    """Print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    o = parser.parse_args()
    with studio() as client:
        warm = client.start(size=o.size, iterations=2)
        client.until_finished(warm)
        say("waits")
        taken = [waits(client, o.size) for _ in range(o.repeats)]
        say("viewers")
        pairs = [[painted(client, o.size, n) for n in (0, o.viewers)] for _ in range(o.repeats)]
    print(heading("Waiting in the studio", f"{o.size} px, preset standard"))
    rows = []
    for name in taken[0]:
        values = [each[name] for each in taken]
        rows.append([name, f"{min(values):.2f}", f"{median(values):.2f}", f"{max(values):.2f}"])
    print(table(["seconds", "min", "median", "max"], rows))
    rows = []
    for name, which in (("nobody", 0), (f"{o.viewers} viewers", 1)):
        seconds, served = (median(pair[which][k] for pair in pairs) for k in (0, 1))
        rows.append([name, f"{seconds:.1f}", f"{served:.1f}", f"{served / seconds:.3f}"])
    print(table(["", "painting, seconds", "server, processor seconds", "ratio"], rows))
    print(f"Painting with viewers: {median(p[1][0] / p[0][0] for p in pairs):.3f}")


if __name__ == "__main__":
    main()
