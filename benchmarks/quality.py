"""How good bfloat16 is, and how soon the default preset is as good as 500 plain iterations.

    python benchmarks/quality.py [--only precision] [--pairs 5]
    python benchmarks/quality.py --only time [--size 512] [--iterations 500] [--pairs 1]

1. precision: the same run in bfloat16 and in float32; both final canvases are judged by one
   float32 objective.
2. time: the reference is the objective of recipe neural-style, from the photograph, in float32 by
   torch's autograd and torch's L-BFGS without line search, as tutorials write it. The candidate
   descends the same objective as the preset `standard` does (optimiser, arithmetic) until
   its loss at full size, judged in float32, is within 5 % of the reference's last. Both go on in
   turn, an iteration of ours and a few of the reference's, so that a busy machine slows both.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

import impasto
from impasto.encoder import weights_of
from impasto.hardware.device import choose_threads
from measuring import Spread, heading, say, table
from scene import PAIRS, Scene, objective

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from reference import neural_style_loss, to_caffe

NEAR = 1.05  # of the reference's loss
OBJECTIVE = (
    "content_weight", "style_weight", "tv_weight",
    "content_layers", "style_layers",
    "content_normalisation", "style_normalisation", "tv_normalisation", "style_loss", "weighting",
    "encoder", "pooling", "padding", "space",
)  # fmt: skip
"""The settings that make an objective."""


def last_canvas(scene: Scene, settings: impasto.Settings) -> Tensor:
    """Where a run ends, (3, h, w) in its colour space."""
    for step in impasto.iterate(scene.content, scene.style, settings):
        canvas = step.canvas
    return canvas


def precision_rows(
    pairs: list[tuple[str, str]], size: int, iterations: int, recipe: str
) -> list[list[str]]:
    """Table rows: a pair's final losses in float32 and in bfloat16, and their difference."""
    rows, differences = [], []
    for content, style in pairs:
        scene = Scene.within(f"sample:{content}", f"sample:{style}", size)
        common = {"size": scene.size, "style_scale": 1, "iterations": iterations}
        common |= {"supersample_below": 0}  # painted at the size at which it is judged
        runs = [impasto.Settings.of(recipe, **common, precision=p) for p in ("fp32", "bf16")]
        judge = objective(scene, runs[0], torch.float32)
        exact, rounded = (float(judge(last_canvas(scene, run)).loss) for run in runs)
        differences.append((rounded - exact) / exact)
        rows.append([f"{content}, {style}", *_cells(exact, rounded, differences[-1])])
    return [*rows, ["worst", "", "", f"{max(differences, key=abs):+.2%}"]]


def _cells(exact: float, other: float, difference: float) -> list[str]:
    return [f"{exact:.5g}", f"{other:.5g}", f"{difference:+.2%}"]


@dataclass(frozen=True)
class Snapshot:
    """One iteration of a descent: its canvas's longest side, its seconds, the canvas after it."""

    scale: int
    seconds: float
    canvas: Tensor


def timed(descent: Iterable[tuple[int, Tensor]]) -> Iterator[Snapshot]:
    """A descent's iterations with the time that each of them takes; nothing else is counted."""
    iterations = iter(descent)
    while True:
        started = time.perf_counter()
        reached = next(iterations, None)
        if reached is None:
            return
        yield Snapshot(reached[0], time.perf_counter() - started, reached[1])


def plain(scene: Scene, iterations: int) -> Iterator[tuple[int, Tensor]]:
    """The reference: autograd and torch's L-BFGS, one iteration a step, as tutorials have it."""
    loss = neural_style_loss(scene.content.pixels, scene.style.pixels)
    x = to_caffe(scene.content.pixels).clone().requires_grad_()
    optimiser = torch.optim.LBFGS([x], max_iter=1, history_size=100)

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(x)
        value.backward()
        return value

    for _ in range(iterations):
        optimiser.step(closure)
        yield max(scene.size), x.detach()


def preset(scene: Scene, iterations: int) -> impasto.Settings:
    """The standard preset's way down the objective of neural-style, at full size alone."""
    published, standard = impasto.Settings.of("neural-style"), impasto.Settings.of("standard")
    same = {name: getattr(published, name) for name in OBJECTIVE}
    return standard.replaced(
        **same, size=scene.size, init="content", style_scale=1, scales="1", iterations=iterations
    )


def candidate(scene: Scene, settings: impasto.Settings) -> Iterator[tuple[int, Tensor]]:
    """impasto; the start, which measures the targets, counts as an iteration."""
    for step in impasto.iterate(scene.content, scene.style, settings):
        yield step.scale, step.canvas


def in_turn(
    ours: Iterator[Snapshot], theirs: Iterator[Snapshot], share: int
) -> tuple[list[Snapshot], list[Snapshot]]:
    """Both descents to their ends: one iteration of ours, `share` of theirs, and so on."""
    fast, slow = [], []
    for moment in ours:
        fast.append(moment)
        slow += islice(theirs, share)
    return fast, [*slow, *theirs]


def first_near(
    fast: list[Snapshot], full: int, judge: impasto.Objective, goal: float
) -> tuple[int, float]:
    """How many of our iterations until the loss is at most `goal`, and that loss.

    Where it never is, all of them and the last loss.
    """
    loss = float("inf")
    for n, moment in enumerate(fast, 1):
        if moment.scale == full:
            loss = float(judge(moment.canvas).loss)
            if loss <= goal:
                return n, loss
    return len(fast), loss


def undisturbed(moments: list[Snapshot]) -> float:
    """Seconds as they would be if each iteration took its scale's median."""
    scales: dict[int, list[float]] = {}
    for moment in moments:
        scales.setdefault(moment.scale, []).append(moment.seconds)
    return sum(len(taken) * Spread.of(taken).median for taken in scales.values())


def pair_row(scene: Scene, iterations: int, most: int) -> list[str]:
    """Losses, seconds and their ratio on one pair of pictures."""
    settings, full = preset(scene, most), max(scene.size)
    ours, theirs = timed(candidate(scene, settings)), timed(plain(scene, iterations))
    fast, slow = in_turn(ours, theirs, -(-iterations // most))
    judge = objective(scene, settings, torch.float32)
    goal = float(judge(slow[-1].canvas).loss)
    count, loss = first_near(fast, full, judge, NEAR * goal)
    fast = fast[:count]
    spent, needed = (sum(m.seconds for m in moments) for moments in (slow, fast))
    ratios = [f"{needed / spent:.3f}", f"{undisturbed(fast) / undisturbed(slow):.3f}"]
    reached = loss <= NEAR * goal
    return [
        *_cells(goal, loss, loss / goal - 1),
        *(f"{spent:.1f}", f"{needed:.1f}", str(count)),
        *(ratios if reached else ["not reached", ""]),
    ]


def time_rows(
    pairs: list[tuple[str, str]], size: int, iterations: int, most: int
) -> list[list[str]]:
    """Table rows: a pair's reference, the candidate, and the ratios of their seconds."""
    rows = []
    for content, style in pairs:
        say(f"{content}, {style}: {iterations} plain iterations, in turn with ours")
        scene = Scene.within(f"sample:{content}", f"sample:{style}", size)
        rows.append([f"{content}, {style}", *pair_row(scene, iterations, most)])
    return rows


def report_precision(o: argparse.Namespace) -> None:
    """Print the first table."""
    size, iterations = o.size or 256, o.iterations or 100
    rows = precision_rows(PAIRS[: o.pairs or len(PAIRS)], size, iterations, o.recipe)
    note = f"recipe {o.recipe}, {size} px, {iterations} iterations; both losses in float32"
    print(heading("Final loss in bfloat16 against float32", note))
    columns = ["pair", "float32 run", "bfloat16 run", "difference"]
    print(table(columns, rows), flush=True)


def report_time(o: argparse.Namespace) -> None:
    """Print the second table."""
    size, iterations = o.size or 512, o.iterations or 500
    weights_of("vgg19")  # read once, for both
    rows = time_rows(PAIRS[: o.pairs or 1], size, iterations, o.most)
    notes = (
        f"{size} px from the photograph; reference: {iterations} iterations of autograd and "
        f"torch's L-BFGS in float32; ours: until the loss is within {NEAR - 1:.0%} of its last",
        "ratio of seconds, ours to the reference's, lower is better; by medians: as if every "
        "iteration took its scale's median, which other work on the machine disturbs less",
    )
    print(heading("Time to the quality of plain iterations", *notes))
    columns = ["pair", "reference's loss", "our loss", "difference"]
    columns += ["its seconds", "our seconds", "our iterations", "ratio", "by medians"]
    print(table(columns, rows))


def main() -> None:
    """Print one table or both."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=["precision", "time"])
    parser.add_argument("--pairs", type=int, help="how many; 5 for precision, 1 for time")
    parser.add_argument("--size", type=int, help="longest side; 256 for precision, 512 for time")
    parser.add_argument("--iterations", type=int, help="100 for precision, 500 for time")
    parser.add_argument("--recipe", default="standard", help="of precision's runs")
    parser.add_argument("--most", type=int, default=250, help="of our iterations at full size")
    o = parser.parse_args()
    torch.set_num_threads(choose_threads(0).value)
    if o.only != "time":
        report_precision(o)
    if o.only != "precision":
        report_time(o)


if __name__ == "__main__":
    main()
