"""The plan of a picture, before it is painted: scales, tiles, memory, cost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from impasto.errors import SettingsError
from impasto.settings import Settings
from impasto.settings.schedule import Stage

if TYPE_CHECKING:
    from impasto.hardware.planner import Plan

__all__ = ["print_plans"]

Size = tuple[int, int]

_SHAPE = 3 / 4  # height to width
_PIXEL = 3 * 4  # bytes: three channels of float32


def print_plans(settings: Settings, *, as_json: bool = False) -> None:
    """Print one line a scale. A size of one number stands for pictures of 4:3."""
    from impasto.encoder import weights_of
    from impasto.hardware import Hardware
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

    plans = plans_for(settings, hardware, stages, painting, extra_bytes)
    if as_json:
        print(json.dumps([_facts(*pair) for pair in zip(stages, plans, strict=True)]))
        return
    table = Table("size", "iterations", "tiles", "tile", "history", "memory", "cost", box=None)
    for stage, plan in zip(stages, plans, strict=True):
        table.add_row(*map(str, _facts(stage, plan).values()))
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(
        "tile: its longest side in pixels; memory: the maximum of the process; cost: time of a "
        "pixel's evaluation, relative to one tile with all features kept",
        highlight=False,
    )


def _size(settings: Settings) -> Size:
    if isinstance(settings.size, tuple):
        return settings.size
    if settings.size == 0:
        raise SettingsError(
            "size is 0, the content picture's; expected a number or WxH to plan for"
        )
    return settings.size, max(1, round(settings.size * _SHAPE))


def _facts(stage: Stage, plan: Plan) -> dict[str, str | int | float]:
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
