"""Peak memory of a large run, against the peer's, and what each iteration adds to it.

    python benchmarks/memory.py [CONTENT STYLE] [--size 2048x1536] [--iterations 12]

Each run is a fresh process that paints from the photograph by L-BFGS with a history of 100 (recipe
neural-style, default precision); its peak is the kernel's own VmHWM, loading of weights and
pictures included. The second table is impasto's resident memory after each iteration, beside what
the history of curvature pairs is declared to take.
"""

import argparse
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch

import impasto
from impasto.hardware.device import choose_dtype
from measuring import SPREAD, alternated, apart, compared, heading, table
from peer import PEER, peer
from scene import Scene, add_pictures, area

MB = 1e6
RECIPE = "neural-style"
BLOCK = 10  # pairs


def resident(pid: int | str, field: str) -> float:
    """`VmRSS` or `VmHWM` of a process, in MB."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024 / MB


def settings_for(size: tuple[int, int], iterations: int, precision: str) -> impasto.Settings:
    """A run from the photograph."""
    return impasto.Settings.of(
        RECIPE, size=size, init="content", iterations=iterations, precision=precision
    )


def paint(content: str, style: str, settings: impasto.Settings, pipe: Connection) -> None:
    """In a process of its own: run, sending VmRSS after each step and at last VmHWM."""
    scene = Scene.of(content, style, settings.size)
    trace = [
        resident("self", "VmRSS") for _ in impasto.iterate(scene.content, scene.style, settings)
    ]
    pipe.send((trace, resident("self", "VmHWM")))


def peer_peak(scene: Scene, iterations: int) -> float:
    """Peak MB of a fresh process of the peer."""
    with peer(scene) as rival:
        rival.iterate(iterations)
        return resident(rival.pid, "VmHWM")


def pair_megabytes(settings: impasto.Settings) -> float:
    """What one curvature pair is declared to take: two canvases, in bfloat16 or as optimised."""
    dtype = choose_dtype(settings.precision, torch.device("cpu")).value
    width, height = settings.size
    return 2 * 3 * width * height * dtype.itemsize / MB


def declared_megabytes(settings: impasto.Settings, pairs: int) -> float:
    """What so many pairs take: in bfloat16 they are given room ten at a time."""
    dtype = choose_dtype(settings.precision, torch.device("cpu")).value
    together = BLOCK if dtype == torch.bfloat16 else 1
    kept = min(pairs, settings.history)
    return pair_megabytes(settings) * together * -(-kept // together)


def trace_rows(trace: list[float], settings: impasto.Settings) -> list[list[str]]:
    """Per iteration: resident, growth since the last, pairs' share so far, and what is beyond.

    The initial canvas is the origin; the first pair appears with the first iteration.
    """
    rows = []
    for n, now in enumerate(trace):
        history = declared_megabytes(settings, n)
        beyond = now - trace[0] - history
        growth = now - trace[max(0, n - 1)]
        rows.append([str(n), *(f"{mb:,.0f}" for mb in (now, growth, history, beyond))])
    return rows


def report_trace(trace: list[float], settings: impasto.Settings) -> None:
    """Print impasto's memory iteration by iteration."""
    print(f"One pair of the history is {pair_megabytes(settings):,.1f} MB.\n")
    columns = ["iteration", "resident MB", "growth", "declared history", "growth beyond it"]
    print(table(columns, trace_rows(trace, settings)))


def main() -> None:
    """Print peaks, and the trace of impasto's last run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_pictures(parser)
    parser.add_argument("--size", type=area, default=(2048, 1536), help="WxH")
    parser.add_argument("--iterations", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--precision", default="auto", help="of impasto")
    parser.add_argument("--only", choices=["impasto", "peer"])
    o = parser.parse_args()
    settings = settings_for(o.size, o.iterations, o.precision)
    traces: list[list[float]] = []

    def ours() -> float:
        trace, peak = apart(paint, o.content, o.style, settings)
        traces.append(trace)
        return peak

    subjects: dict[str, Callable[[], float]] = {}
    if o.only != "impasto":
        scene = Scene.of(o.content, o.style, o.size)
        subjects[PEER] = lambda: peer_peak(scene, o.iterations)
    if o.only != "peer":
        subjects["impasto"] = ours
    taken = alternated(subjects, o.repeats)
    note = f"{o.size[0]}x{o.size[1]} px, {o.iterations} iterations; peak resident memory in MB"
    print(heading("Memory", note))
    print(table(["", *SPREAD], compared(taken, next(iter(subjects)))))
    if traces:
        report_trace(traces[-1], settings)


if __name__ == "__main__":
    main()
