"""Memory of each process that paints one picture together with others, and what they paint.

    python benchmarks/ranks.py [CONTENT STYLE] [--size 2048] [--ranks 1 2 4] [--iterations 1]

Every run is `impasto stylize --distributed` at all its scales, by fresh processes on this machine
that exchange by gloo, each with one thread, into a TIFF file. A process's peak is the kernel's own
(ru_maxrss), loading of weights and pictures included. Pictures are compared with that of the first
number of ranks, in levels of 255.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from impasto.images import read
from measuring import heading, table

GB = 1e9
PAUSE = 0.05  # seconds between two looks at the processes


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def painted(command: list[str], count: int) -> tuple[list[float], float]:
    """The peak of each of `count` processes in GB, and the seconds that they took."""
    told = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1"}
    told |= {"MASTER_PORT": free_port(), "OMP_NUM_THREADS": 1, "OMP_WAIT_POLICY": "PASSIVE"}
    begun, processes = time.perf_counter(), []
    try:
        for rank in range(count):
            mine = {"RANK": rank, "LOCAL_RANK": rank, **told}
            environment = {**os.environ, **{name: str(value) for name, value in mine.items()}}
            processes.append(subprocess.Popen(command, env=environment))
        return peaks_of(processes), time.perf_counter() - begun
    finally:
        for process in processes:
            process.kill()
            process.wait()


def peaks_of(processes: list[subprocess.Popen[bytes]]) -> list[float]:
    """The peak of each process in GB, once all have ended; SystemExit for the first that fails."""
    peaks: dict[int, float] = {}
    while len(peaks) < len(processes):
        for process in (each for each in processes if each.returncode is None):
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if not ended:
                continue
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise SystemExit(f"a process ended with code {process.returncode}")
            peaks[process.pid] = usage.ru_maxrss * 1024 / GB
        time.sleep(PAUSE)
    return [peaks[process.pid] for process in processes]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("content", nargs="?", default="sample:astronaut")
    parser.add_argument("style", nargs="?", default="sample:swirl")
    parser.add_argument("--size", default="2048")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--iterations", default="1")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--smallest", default="256")
    o = parser.parse_args()
    rows, first = [], None
    with TemporaryDirectory() as folder:
        for count in o.ranks:
            file = Path(folder) / f"{count}.tif"
            command = [sys.executable, "-m", "impasto", "stylize", o.content, o.style, "-q"]
            command += ["--distributed", "-o", str(file), "--threads", "1"]
            for name in ("size", "iterations", "precision", "smallest"):
                command += [f"--{name}", getattr(o, name)]
            peaks, seconds = painted(command, count)
            levels = read(file).levels(8).astype(int)
            first = levels if first is None else first
            apart = np.abs(levels - first)
            row = [str(count), f"{max(peaks):.2f}", f"{min(peaks):.2f}", f"{seconds:.0f}"]
            rows.append([*row, f"{apart.mean():.3f}", str(apart.max())])
    note = f"size {o.size}, {o.iterations} iterations a scale, precision {o.precision}"
    print(heading("Processes that share a picture", note))
    columns = ["processes", "largest, GB", "smallest, GB", "seconds", "levels apart", "at most"]
    print(table(columns, rows))


if __name__ == "__main__":
    main()
