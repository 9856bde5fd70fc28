"""Memory and pace by size: what is planned, what is predicted of it, what the kernel measures.

    python benchmarks/sizes.py [--size 512 1024 2048 4096] [--memory 8GB] [--predict]
    python benchmarks/sizes.py --gradient 4096x3072 --memory 3GB
    python benchmarks/sizes.py --iteration 11584x8632 --memory 16GB

Each run is a fresh process that paints random pictures by the recipe `standard`, or another; its
peak is the kernel's own VmHWM. An evaluation's seconds are the least of those that were timed, and
its pace is per pixel, relative to 512 px untiled. `--gradient` is one loss with its gradient and no
optimiser; `--iteration` a run of one iteration. `--set FIELD=VALUE` changes the recipe.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from multiprocessing.connection import Connection

import torch
from pydantic import ByteSize, TypeAdapter

import impasto
from impasto.hardware import Hardware
from impasto.hardware.allocator import tuned_malloc
from impasto.hardware.planner import Plan, plan
from impasto.images.spaces import colour_space
from impasto.run.build import encoder_for
from impasto.run.events import Step
from impasto.run.objective import objective_for
from impasto.run.regions import Region, StylePart
from impasto.run.stage_inputs import StageInputs
from measuring import apart, heading, say, table
from memory import MB, resident
from scene import area

Size = tuple[int, int]

COLUMNS = ["px", "tile", "windows", "tapes", "pairs", "cost", "predicted MB", "peak MB", "ratio"]
PACE = ["s per evaluation", "pace"]
BASE = (512, 384)  # untiled: what paces are relative to
ITERATIONS = 3
LIMIT = 10**9  # pixels: a painting may be larger than the result


def shape(longest: int) -> Size:
    """4:3, with that longest side."""
    return longest, round(longest * 3 / 4)


def noise(size: Size, seed: int) -> torch.Tensor:
    """A picture (3, h, w) in [0, 1]."""
    width, height = size
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def pictures(size: Size) -> list[impasto.Picture]:
    """A photograph and a painting, as if they had been read."""
    return [impasto.Picture(noise(size, seed)) for seed in (1, 2)]


def planned(settings: impasto.Settings, size: Size, style: Size, extra_bytes: int) -> Plan:
    """As a run would plan it."""
    return plan(settings, size, style, Hardware.choose(settings), extra_bytes)


def style_size(settings: impasto.Settings, size: Size) -> Size:
    """The painting's, of the canvas's shape."""
    width, height = (round(side * settings.style_scale) for side in size)
    return width, height


def predicted(settings: impasto.Settings, size: Size) -> Plan:
    """For a run on pictures of the canvas's size."""
    style = style_size(settings, size)
    return planned(settings, size, style, 12 * size[0] * size[1] * (style != size))


def paint(settings: impasto.Settings, size: Size, pipe: Connection) -> None:
    """In a process of its own: a run, sending its plan, its peak in MB and seconds a step."""
    found = predicted(settings, size)
    run = impasto.Run(*pictures(size), settings, max_pixels=LIMIT)
    moments = []
    with tuned_malloc() as suit:  # as at the command line
        for event in run.events():
            suit(event)
            if isinstance(event, Step):
                moments.append(time.perf_counter())
    taken = [after - before for before, after in pairwise(moments)]
    pipe.send((found, resident("self", "VmHWM"), min(taken)))


def differentiate(settings: impasto.Settings, size: Size, pipe: Connection) -> None:
    """In a process of its own: one loss with its gradient, sent as by `paint`.

    The windows are those of a run by Adam within the same memory, the most frugal optimiser.
    """
    settings = settings.replaced(optimiser="adam", init="content", style_scale=1.0)
    found = planned(settings, size, size, 0)
    encoder = encoder_for(settings, Hardware.choose(settings))
    space, everywhere = colour_space(settings.space), Region((StylePart(0, 1.0),))
    pair = StageInputs(size, noise(size, 1), (noise(size, 2),), (everywhere,))
    objective = objective_for(encoder, pair, settings, space, tiling=found.tiling)
    del pair
    canvas = space.from_srgb(noise(size, 3))
    started = time.perf_counter()
    with tuned_malloc(size):
        objective(canvas)
    pipe.send((found, resident("self", "VmHWM"), time.perf_counter() - started))


def cells(found: Plan, peak: float) -> list[str]:
    """A row of the table up to the ratio of predicted to measured."""
    tiling = found.tiling
    tile = str(tiling.tile or "off") + ("" if tiling.keep_content else ", content anew")
    counts = [f"{n}" for n in (found.windows, tiling.tapes, found.history)]
    sizes = [f"{found.peak / MB:,.0f}", f"{peak:,.0f}", f"{found.peak / MB / peak:.2f}"]
    return ["x".join(map(str, found.size)), tile, *counts, f"{found.cost:.2f}", *sizes]


def rows(settings: impasto.Settings, sizes: list[Size]) -> Iterator[list[str]]:
    """One a size, measured."""
    _, _, unit = apart(paint, settings.replaced(size=BASE, tile="off"), BASE)
    for size in sizes:
        say(f"{size[0]}x{size[1]} px …")
        found, peak, taken = apart(paint, settings.replaced(size=size), size)
        pixels = size[0] * size[1] / (BASE[0] * BASE[1])
        yield [*cells(found, peak), f"{taken:.2f}", f"{taken / unit / pixels:.2f}"]


def single(settings: impasto.Settings, size: Size, work: Callable[..., None]) -> str:
    """The table of one measurement."""
    found, peak, taken = apart(work, settings.replaced(size=size), size)
    return table([*COLUMNS, "s"], [[*cells(found, peak), f"{taken:.1f}"]])


def report(o: argparse.Namespace, settings: impasto.Settings) -> str:
    """The table asked for."""
    if o.gradient:
        return single(settings, o.gradient, differentiate)
    if o.iteration:
        return single(settings.replaced(iterations=1), o.iteration, paint)
    sizes = [shape(longest) for longest in o.size]
    if o.predict:
        plans = [predicted(settings.replaced(size=size), size) for size in sizes]
        return table(COLUMNS[:-2], [cells(found, found.peak / MB)[:-2] for found in plans])
    return table([*COLUMNS, *PACE], rows(settings, sizes))


def main() -> None:
    """Print plans beside what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, nargs="+", default=[512, 1024, 2048, 4096])
    parser.add_argument("--memory", default="0", help="what a run may use; 0 is what is free")
    parser.add_argument("--predict", action="store_true", help="plan, and measure nothing")
    parser.add_argument("--gradient", type=area, help="WxH: one loss and gradient instead")
    parser.add_argument("--iteration", type=area, help="WxH: one iteration instead")
    parser.add_argument("--recipe", default="standard")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", dest="fields")
    o = parser.parse_args()
    fields = {
        "scales": "1",
        "iterations": ITERATIONS,
        **dict(field.split("=", 1) for field in o.fields),
    }
    memory = TypeAdapter(ByteSize).validate_python(o.memory)
    settings = impasto.Settings.of(o.recipe, memory=memory, **fields)
    note = f"recipe {o.recipe}, {settings.iterations} iterations, random pictures; {o.fields}"
    print(heading("Sizes", note, f"memory {memory.human_readable(decimal=True)}"))
    print(report(o, settings))


if __name__ == "__main__":
    main()
