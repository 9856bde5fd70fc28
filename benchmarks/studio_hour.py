"""The studio for an hour: jobs one after another, changed, paused, stopped, with viewers.

    python benchmarks/studio_hour.py [--minutes 60] [--viewers 20] [--size 128]

A studio is started as a program, as in studio.py. Every few minutes a line tells how many jobs have
come to which end, memory and open files of the server and of the processes that it started, and
the slowest answer since the line before. At the end no job may have failed, every viewer must
still be told of new events, and memory must be that of the middle: the script says if not, and
ends with 1.
"""

import argparse
import random
import sys
import time
from collections import Counter

import psutil

from measuring import heading, say, table
from studio import Client, Job, finished, studio, watching

LINES = 12  # of the table
DIGITS = 0, 0, 0, 0, 2  # of its columns
GROWTH = 1.1  # of memory from the middle to the end


class Visitor:
    """Who paints, and changes their mind."""

    def __init__(self, client: Client, size: int, seed: int = 0) -> None:
        self._client, self._size, self._chance = client, size, random.Random(seed)
        self.ends: Counter[str] = Counter()
        self.slowest = 0.0

    def paint(self) -> None:
        """A job from its start to some end."""
        settings = {"size": self._size, "supersample_below": 0}  # small jobs, and many
        job = self._client.start(**settings, iterations=self._chance.randint(5, 40))
        act = self._chance.choice([self._wait, self._change, self._pause, self._stop, self._leave])
        self._client.until(job, lambda j: j["iteration"] >= 2 or ended(j))
        self.ends[act(job)] += 1

    def _wait(self, job: str) -> str:
        self._client.until(job, ended)
        return str(self._client.job(job)["state"])

    def _change(self, job: str) -> str:
        self._tell(job, "adjust", settings={"strength": self._chance.choice([0.3, 0.7])})
        return f"changed, {self._wait(job)}"

    def _pause(self, job: str) -> str:
        self._tell(job, "pause")
        self._client.until(job, lambda j: not j["settling"])
        if not ended(self._client.job(job)):
            self._tell(job, "resume")
        return f"paused, {self._wait(job)}"

    def _stop(self, job: str) -> str:
        self._tell(job, "stop")
        self._client.until(job, lambda j: not j["settling"])
        return str(self._client.job(job)["state"])

    def _leave(self, job: str) -> str:
        self._tell(job, "discard")
        return "discarded"

    def _tell(self, job: str, command: str, **body: object) -> None:
        self.slowest = max(self.slowest, self._client.tell(job, command, **body))


def ended(job: Job) -> bool:
    """Whether a job has its result, or has failed."""
    return finished(job) or job["state"] == "failed"


def weight(process: psutil.Process) -> tuple[float, int]:
    """Memory, MB, and open files of a process and of all that it started."""
    family = [process, *process.children(recursive=True)]
    return sum(p.memory_info().rss for p in family) / 1e6, sum(p.num_fds() for p in family)


def watched(minutes: float, visitor: Visitor, server: psutil.Process) -> list[list[str]]:
    """The table's rows, while the visitor paints for so many minutes."""
    began = time.monotonic()
    rows: list[list[str]] = []
    while len(rows) < LINES:
        until = began + 60 * minutes * (len(rows) + 1) / LINES
        visitor.slowest = 0.0
        while time.monotonic() < until:
            visitor.paint()
        memory, files = weight(server)
        passed = (time.monotonic() - began) / 60
        jobs = sum(visitor.ends.values())
        cells = passed, jobs, memory, files, visitor.slowest
        rows.append([f"{cell:.{digits}f}" for cell, digits in zip(cells, DIGITS, strict=True)])
        say(" ".join(rows[-1]))
    return rows


def told(client: Client, size: int, viewers: list[dict[str, int]]) -> int:
    """How many viewers see a preview of a new job."""
    job = client.start(size=size, iterations=5)
    client.until_finished(job)
    time.sleep(2)  # for viewers that are at another preview
    return sum(job in shown for shown in viewers)


def main() -> None:
    """Print the table; exit code 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--size", type=int, default=128)
    o = parser.parse_args()
    with studio() as client, watching(client, o.viewers) as viewers:
        server = psutil.Process().children()[0]
        visitor = Visitor(client, o.size)
        rows = watched(o.minutes, visitor, server)
        listening = told(client, o.size, viewers)
    print(heading("The studio for an hour", f"{o.viewers} viewers, {o.size} px"))
    print(table(["minutes", "jobs", "memory, MB", "files", "slowest answer, s"], rows))
    print(", ".join(f"{count} {end}" for end, count in visitor.ends.most_common()))
    print(f"{listening} of {o.viewers} viewers are still told")
    grown = float(rows[-1][2]) / float(rows[LINES // 2][2])
    failed = sum(count for end, count in visitor.ends.items() if "failed" in end)
    sys.exit(int(failed > 0 or listening < o.viewers or grown > GROWTH))


if __name__ == "__main__":
    main()
