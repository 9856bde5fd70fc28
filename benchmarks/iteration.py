"""What an iteration costs: against its bare convolutions, and against the peer.

    python benchmarks/iteration.py [CONTENT STYLE] [--sizes 512x384 1024x768] [--fill 100]
    python benchmarks/iteration.py --recipe standard --precisions auto --fill 10

1. One loss with its gradient (recipe neural-style unless told) against the convolutions that it
   cannot do without, forwards and back, alone, in the same arithmetic and layout: to the recipe's
   deepest layer, 13 each way in neural-style.
2. One whole iteration of L-BFGS, once `--fill` iterations have filled the history, against the
   peer's, with the optimiser's own share of it. The peer compares Grams whatever the recipe.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

from impasto import Objective, Run, Settings
from impasto.encoder import Conv, weights_of
from impasto.encoder.convolutions import layout
from impasto.hardware.allocator import tuned_malloc
from impasto.hardware.device import choose_dtype, choose_threads
from measuring import SPREAD, Spread, alternated, compared, heading, say, seconds, table
from peer import PEER, Peer, peer
from scene import Scene, add_pictures, area, objective


def bare_convolutions(
    settings: Settings, size: tuple[int, int], dtype: torch.dtype
) -> Callable[[], None]:
    """The network's convolutions up to the deepest layer, forwards and back, and nothing else."""
    memory_format = layout(dtype, exact=settings.precision == "fp32")
    weights = weights_of(settings.encoder)
    net = weights.architecture
    tensors: dict[tuple[int, ...], Tensor] = {}  # features of one shape are shared
    layers = []
    for conv in net.path([*settings.content_layers, *settings.style_layers]):
        if not isinstance(conv, Conv):
            continue
        block = net.level(conv.name) + 1
        kernel, bias = (t.to(dtype) for t in weights.layers[conv.name])
        x, g = (
            tensors.setdefault((c, block), _noise(c, size, block, dtype, memory_format))
            for c in (conv.inward, conv.outward)
        )
        layers.append((x, g, kernel.contiguous(memory_format=memory_format), bias))

    @torch.no_grad()
    def work() -> None:
        for x, _, kernel, bias in layers:
            F.conv2d(x, kernel, bias, padding=1)
        for _, g, kernel, _ in reversed(layers):
            F.conv_transpose2d(g, kernel, padding=1)

    return work


def _noise(
    channels: int,
    size: tuple[int, int],
    block: int,
    dtype: torch.dtype,
    memory_format: torch.memory_format,
) -> Tensor:
    """(1, channels, h, w) as large as features of `block` are."""
    width, height = (side >> (block - 1) for side in size)
    return torch.rand(1, channels, height, width).to(dtype, memory_format=memory_format)


def gradient_rows(
    scene: Scene, recipe: str, precisions: Sequence[str], repeats: int, threads: int
) -> list[list[str]]:
    """Table rows: loss and gradient over its bare convolutions."""
    rows = []
    for precision in precisions:
        settings = Settings.of(recipe, precision=precision, threads=threads)
        dtype = choose_dtype(precision, torch.device("cpu")).value
        canvas, evaluate = scene.canvas(settings), objective(scene, settings, dtype)
        subjects = {
            "bare convolutions": seconds(bare_convolutions(settings, scene.size, dtype)),
            "loss and gradient": seconds(lambda f=evaluate, x=canvas: f(x)),
        }
        label = f"{_area(scene.size)} {_arithmetic(precision)}: "
        with tuned_malloc(scene.size):  # as at the command line
            taken = alternated(subjects, repeats, warm_up=5)
        rows += [[label + row[0], *row[1:]] for row in compared(taken, "bare convolutions")]
    return rows


class Clock:
    """Seconds spent in objectives since it was last read."""

    def __init__(self) -> None:
        self.spent = 0.0

    def read(self) -> float:
        """The seconds, starting anew."""
        spent, self.spent = self.spent, 0.0
        return spent


@contextmanager
def objective_clock() -> Iterator[Clock]:
    """A clock that runs while any Objective is called."""
    clock, called = Clock(), Objective.__call__

    def timed(self: Objective, canvas: Tensor) -> object:
        started = time.perf_counter()
        try:
            return called(self, canvas)
        finally:
            clock.spent += time.perf_counter() - started

    Objective.__call__ = timed
    try:
        yield clock
    finally:
        Objective.__call__ = called


class Painting:
    """A run of impasto, taken on by blocks of iterations; the initial canvas is evaluated."""

    def __init__(self, scene: Scene, settings: Settings, clock: Clock) -> None:
        self._steps, self._clock = iter(Run(scene.content, scene.style, settings)), clock
        self.shares: list[float] = []  # of the time outside the objective, a block each
        next(self._steps)

    def block(self, count: int) -> float:
        """Seconds an iteration over the next `count`."""
        self._clock.read()
        started = time.perf_counter()
        for _ in range(count):
            next(self._steps)
        spent = time.perf_counter() - started
        self.shares.append(1 - self._clock.read() / spent)
        return spent / count


@dataclass(frozen=True)
class Plan:
    """How iterations are measured: so many first to fill the history, then blocks in turn."""

    fill: int
    block: int
    repeats: int

    @property
    def iterations(self) -> int:
        """All of them."""
        return self.fill + self.block * self.repeats


def iteration_rows(
    scene: Scene, recipe: str, precisions: Sequence[str], plan: Plan, threads: int
) -> tuple[str, list[list[str]]]:
    """What the peer is, and table rows: an iteration over the peer's, the optimiser's share."""
    painted = {"size": scene.size, "init": "content", "iterations": plan.iterations}
    common = {**painted, "scales": (1.0,), "threads": threads}
    with ExitStack() as stack:
        rival = stack.enter_context(peer(scene, threads))
        clock = stack.enter_context(objective_clock())
        ours = {
            f"impasto {_arithmetic(p)}": Painting(
                scene, Settings.of(recipe, **common, precision=p), clock
            )
            for p in precisions
        }
        stack.enter_context(tuned_malloc(scene.size))  # as at the command line
        taken = _in_turn(rival, ours, plan, _area(scene.size))
    rows = compared(taken, PEER)
    shares = {name: f"{Spread.of(p.shares).median:.1%}" for name, p in ours.items()}
    labelled = [[f"{_area(scene.size)} {r[0]}", *r[1:], shares.get(r[0], "")] for r in rows]
    return rival.described, labelled


def _in_turn(
    rival: Peer, ours: dict[str, Painting], plan: Plan, label: str
) -> dict[str, list[float]]:
    """Seconds an iteration of the peer and of each painting, by blocks in alternation."""
    if plan.fill:
        say(f"{label}: {plan.fill} iterations of each to fill the history")
        rival.iterate(plan.fill)
    for painting in ours.values():
        if plan.fill:
            painting.block(plan.fill)
        painting.shares.clear()
    subjects = {PEER: lambda: sum(rival.iterate(plan.block)[0]) / plan.block}
    subjects |= {name: lambda p=p: p.block(plan.block) for name, p in ours.items()}
    return alternated(subjects, plan.repeats)


def _arithmetic(precision: str) -> str:
    """The precision's name; of `auto` the type that it chooses."""
    if precision != "auto":
        return precision
    dtype = choose_dtype(precision, torch.device("cpu")).value
    return str(dtype).removeprefix("torch.") + " (default)"


def _area(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def report_gradient(scenes: Sequence[Scene], o: argparse.Namespace) -> None:
    """Print the first table: ten times as many repeats, for a gradient is soon had."""
    note = "seconds a call; ratios are to the bare convolutions, lower is better"
    repeats, rows = 10 * o.repeats, list[list[str]]()
    for scene in scenes:
        rows += gradient_rows(scene, o.recipe, o.precisions, repeats, o.threads)
    print(
        heading(f"Loss and gradient of {o.recipe} over bare convolutions", note, threads=o.threads)
    )
    print(table(["", *SPREAD], rows), flush=True)


def report_iteration(scenes: Sequence[Scene], o: argparse.Namespace) -> None:
    """Print the second table."""
    plan, rows = Plan(o.fill, o.block, o.repeats), []
    for scene in scenes:
        rival, some = iteration_rows(scene, o.recipe, o.precisions, plan, o.threads)
        rows += some
    unit = f"seconds an iteration, after the first {o.fill}, by blocks of {o.block}"
    note = f"{unit}; ratios are to the peer, lower is better"
    print(heading(f"One iteration, {o.recipe}", rival, note, threads=o.threads))
    print(table(["", *SPREAD, "optimiser's share"], rows))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_pictures(parser)
    parser.add_argument("--sizes", nargs="+", type=area, default=[(512, 384), (1024, 768)])
    parser.add_argument("--precisions", nargs="+", default=["auto", "fast32", "fp32"])
    parser.add_argument("--recipe", default="neural-style")
    parser.add_argument("--repeats", type=int, default=5, help="blocks; gradients: ten times that")
    parser.add_argument("--block", type=int, default=2, help="iterations in a block")
    parser.add_argument("--fill", type=int, default=100, help="iterations before the first block")
    parser.add_argument("--threads", type=int, default=0, help="0 is one per core")
    parser.add_argument("--only", choices=["gradient", "iteration"])
    o = parser.parse_args()
    torch.set_num_threads(choose_threads(o.threads).value)
    scenes = [Scene.of(o.content, o.style, size) for size in o.sizes]
    if o.only != "iteration":
        report_gradient(scenes, o)
    if o.only != "gradient":
        report_iteration(scenes, o)


if __name__ == "__main__":
    main()
