"""What an evaluation does besides convolutions, and what each operator could gain at most.

    python benchmarks/traffic.py [CONTENT STYLE] [--size 512x384] [--recipe neural-style]

An operator that only moves numbers cannot be faster than memory: it reads its inputs and writes its
output once. The table has, for each operator of one loss and gradient, its share of the time, the
bytes it moves, and its speed as a part of the speed at which the same memory is copied. The last
lines are ratios to the bare convolutions: of the evaluation as it is; if each operator moved
its bytes at the copy's speed; if masks and pooling cost nothing, as they would inside the
convolutions; and if both were so.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from math import prod
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile

from impasto import Settings
from impasto.hardware.allocator import tuned_malloc
from impasto.hardware.device import choose_dtype
from iteration import bare_convolutions
from measuring import alternated, heading, seconds, table
from scene import Scene, add_pictures, area, objective

COLUMNS = ["operator", "share", "ms", "MB moved", "GB/s", "of a copy's"]
CONVOLUTION = "mkldnn::_convolution_pointwise"
FUSED = ("aten::threshold_backward", "aten::maximum", "aten::sub", "aten::clamp_min")
"""Masks and pooling, forwards and back; also the content's difference, which is small."""

PASSES = {  # how often the largest operand crosses memory
    "aten::threshold_backward": 3,
    "aten::sub": 3,
    "aten::maximum": 3,
    "aten::copy_": 2,
    "aten::add_": 3,
    "aten::addcmul_": 4,
    "aten::mul": 3,
    "aten::mul_": 3,
    "aten::square": 2,
    "aten::sum": 1,
    "aten::mean": 1,
    "aten::bmm": 1,  # features of one tap, read for both sides of the product at once
    "aten::addmm": 3,  # features in, the cotangent in and out
    "aten::addmm_": 3,
}
SMALLEST = 1e6  # bytes: less than that is not memory's, but a cache's
REPEATS = 15


def copy_speed(count: int) -> float:
    """Bytes a second of a copy, read and written, of so many bytes."""
    source = torch.ones(count // 2, dtype=torch.bfloat16)
    target = torch.empty_like(source)
    taken = alternated({"copy": seconds(lambda: target.copy_(source))}, REPEATS, warm_up=3)
    return 2 * 2 * len(source) / median(taken["copy"])


def operators(evaluate: object, canvas: torch.Tensor, itemsize: int) -> dict[str, list[float]]:
    """Seconds, bytes, and seconds of the calls whose bytes are known, by operator, per call."""
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
        for _ in range(REPEATS):
            evaluate(canvas)
    found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for event in profiled.key_averages(group_by_input_shape=True):
        taken = event.self_cpu_time_total / 1e6 / REPEATS
        largest = max((prod(s) for s in event.input_shapes if s and all(s)), default=0)
        moved = largest * itemsize * PASSES.get(event.key, 0)
        row = found[event.key]
        row[0] += taken
        if moved > SMALLEST:
            row[1] += moved * event.count / REPEATS
            row[2] += taken
    return found


def rows(found: dict[str, list[float]], copied: float) -> list[list[str]]:
    """Table rows of the operators that take at least 0.5 %."""
    total = sum(row[0] for row in found.values())
    shown = []
    for name, (taken, moved, known) in sorted(found.items(), key=lambda item: -item[1][0]):
        if taken < 0.005 * total:
            continue
        cells = [name, f"{taken / total:.1%}", f"{1e3 * taken:.1f}"]
        if moved and name != CONVOLUTION:
            speed = moved / known
            cells += [f"{moved / 1e6:.0f}", f"{speed / 1e9:.1f}", f"{speed / copied:.2f}"]
        shown.append(cells + [""] * (len(COLUMNS) - len(cells)))
    return shown


def bounds(found: dict[str, list[float]], copied: float) -> Sequence[tuple[str, float]]:
    """Parts of the evaluation's time under each assumption, by name."""
    total = sum(row[0] for row in found.values())
    gain = {n: max(0.0, r[2] - r[1] / copied) for n, r in found.items() if n != CONVOLUTION}
    free = {n: found[n][0] for n in FUSED if n in found}
    fastest = sum(gain.values())
    left = sum(g for n, g in gain.items() if n not in free)
    return (
        ("as it is", 1.0),
        ("at the copy's speed", 1 - fastest / total),
        ("masks and pooling for nothing", 1 - sum(free.values()) / total),
        ("both", 1 - (sum(free.values()) + left) / total),
    )


def main() -> None:
    """Print the table and the bounds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_pictures(parser)
    parser.add_argument("--size", type=area, default=(512, 384))
    parser.add_argument("--recipe", default="neural-style")
    o = parser.parse_args()
    settings, scene = Settings.of(o.recipe), Scene.of(o.content, o.style, o.size)
    dtype = choose_dtype("auto", torch.device("cpu")).value
    evaluate, canvas = objective(scene, settings, dtype), scene.canvas(settings)
    subjects = {
        "bare": seconds(bare_convolutions(settings, scene.size, dtype)),
        "evaluation": seconds(lambda: evaluate(canvas)),
    }
    with tuned_malloc(scene.size):
        taken = alternated(subjects, REPEATS, warm_up=3)
        found = operators(evaluate, canvas, dtype.itemsize)
    largest = 64 * scene.size[0] * scene.size[1] * dtype.itemsize
    copied = copy_speed(largest)
    ratio = min(taken["evaluation"]) / min(taken["bare"])
    print(heading(f"Memory traffic of {o.recipe}", f"a copy moves {copied / 1e9:.1f} GB/s"))
    print(table(COLUMNS, rows(found, copied)))
    bound = [[name, f"{part * ratio:.2f}"] for name, part in bounds(found, copied)]
    print(table(["over the bare convolutions", "ratio of min"], bound))


if __name__ == "__main__":
    main()
