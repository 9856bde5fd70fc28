"""The plan of a picture, before it is painted: scales, tiles, memory, cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from impasto.errors import SettingsError
from impasto.settings import Settings
from impasto.settings.schedule import Stage

if TYPE_CHECKING:
    from impasto.encoder import Architecture
    from impasto.hardware import Hardware
    from impasto.hardware.planner import Plan

__all__ = ["print_plans"]

Size = tuple[int, int]
Facts = dict[str, str | int | float]

_SHAPE = 3 / 4  # height to width
_PIXEL = 3 * 4  # bytes: three channels of float32
_READ = 3  # bytes of a pixel as it was read from a file of 8 bits

_LEGEND = (
    "tile: its longest side in pixels; memory: the maximum of the process; cost: time of a "
    "pixel's evaluation, relative to one tile with all features kept"
)
_SHARED_LEGEND = (
    "; rows: of the process that has most; sent: by one process for an evaluation; turned: for "
    "the Fourier transforms of an iteration besides"
)


def print_plans(
    settings: Settings, *, ranks: int = 0, by_rows: bool = False, as_json: bool = False
) -> None:
    """Print one line a scale. A size of one number stands for pictures of 4:3.

    With `ranks` it is the plan of one of so many processes that share the picture. They read
    content and style whole, or `by_rows`.
    """
    from impasto.encoder import weights_of
    from impasto.hardware import Hardware
    from impasto.images.stored import bytes_by_rows
    from impasto.run import Run
    from impasto.run.build import plans_for, trial_of
    from impasto.run.sizes import stages_of

    size, hardware = _size(settings), Hardware.choose(settings, trial=trial_of(Run))
    network = weights_of(settings.encoder).architecture
    stages, scales = stages_of(settings, size, network), settings.style_scale
    scale = max(scales) if isinstance(scales, tuple) else scales
    original = _PIXEL * size[0] * size[1]

    def painting(canvas: Size) -> Size:
        return round(canvas[0] * scale), round(canvas[1] * scale)

    def extra_bytes(canvas: Size) -> int:
        return original * ((canvas != size) + (painting(canvas) != size))

    if ranks:
        read = 2 * (bytes_by_rows(size[0]) if by_rows else _READ * size[0] * size[1])
        shared = _shared(settings, hardware, network, stages, painting, read, ranks)
        facts = [*shared][::-1]
    else:
        plans = plans_for(settings, hardware, stages, painting, extra_bytes)
        facts = [_facts(*pair) for pair in zip(stages, plans, strict=True)]
    if as_json:
        print(json.dumps(facts))
        return
    table = Table(*(name.replace("windows", "tiles") for name in facts[0]), box=None)
    for row in facts:
        table.add_row(*map(str, row.values()))
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(_LEGEND + (_SHARED_LEGEND if ranks else ""), highlight=False)


def _shared(
    settings: Settings,
    hardware: Hardware,
    network: Architecture,
    stages: Sequence[Stage],
    style_size: Callable[[Size], Size],
    read: int,
    ranks: int,
) -> Iterator[Facts]:
    """The plan of each stage, the largest first, and what one process sends at most.

    It is that of the process that holds most rows. Content and style take `read` bytes as files.
    """
    from impasto.hardware.traffic import traffic
    from impasto.objective.strips import divided
    from impasto.run.build import has_whole, shared_plan
    from impasto.run.colour_modes import colour_mode
    from impasto.run.share import strips_of

    shares = {s: strips_of(ranks, s.size[1], network, settings) for s in stages}
    apart = not (settings.legibility or colour_mode(settings).compares(settings))
    for stage, strips in reversed(shares.items()):
        strip = max(strips, key=lambda strip: strip.bottom - strip.top)
        style = style_size(stage.size)
        parts = divided(style[1], ranks, network, [*settings.style_taps]) or [None]
        held = style, hardware, read, None, strip, parts[len(parts) // 2]
        whole = has_whole(stage, settings, apart=apart)
        plan = shared_plan(settings, stage.size, *held, whole=whole)
        sent = traffic(settings, stage.size[0], strips, network)
        yield {
            **_facts(stage, plan),
            "rows": strip.rows,
            "sent": f"{sent.evaluation / 1e6:.1f} MB",
            "turned": f"{sent.transforms / 1e6:.0f} MB",
        }


def _size(settings: Settings) -> Size:
    if isinstance(settings.size, tuple):
        return settings.size
    if settings.size == 0:
        raise SettingsError(
            "size is 0, the content picture's; expected a number or WxH to plan for"
        )
    return settings.size, max(1, round(settings.size * _SHAPE))


def _facts(stage: Stage, plan: Plan) -> Facts:
    history = plan.history
    return {
        "size": "x".join(map(str, stage.size)),
        "iterations": stage.iterations,
        "windows": plan.windows,
        "tile": plan.tiling.tile if plan.windows > 1 and plan.tiling.tile else "off",
        "history": history,
        "memory": f"{plan.peak / 1e9:.2f} GB",
        "cost": round(plan.cost, 2),
    }
