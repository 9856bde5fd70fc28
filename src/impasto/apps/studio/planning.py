"""The child's side of plans: sizes, memory and multiply-adds of a request, before it is painted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from impasto.encoder import ARCHITECTURES, weights_of
from impasto.errors import OutOfMemory
from impasto.hardware.cut import Cut
from impasto.hardware.device import Hardware
from impasto.hardware.memory_model import Demand
from impasto.hardware.planner import Plan
from impasto.images import MAX_PIXELS, Picture
from impasto.run import Done, Event, Run, Sources, Stage, Step
from impasto.run.build import plans_for, trial_of
from impasto.run.inputs import Inputs
from impasto.settings import Settings
from impasto.settings.variants import COLOUR_MODES

__all__ = ["Stopwatch", "calibrate", "describe", "evaluations", "machine", "plan", "work"]

Size = tuple[int, int]

_MEASURING = 2  # evaluations' worth: statistics of the style, features of the content, first canvas
_CALLS = 4.5e9  # multiply-adds that an evaluation's calls take, and the optimiser
_ROOTS = {"wasserstein": 95.0, "principal-wasserstein": 33.0}  # roots of a matrix, over channels³
_PIXELWISE = {"sliced-wasserstein": 3.5, "nearest-neighbour": 4.0}  # over the convolutions
_SEARCHES = {"none": 1.0, "armijo": 1.1, "strong-wolfe": 1.2, "more-thuente": 1.1}
_FEWEST = 3  # iterations of a stage whose time says something
_SMALL, _TURNS = 192, 4  # pixels and iterations of a calibration


def plan(
    recipe: str, settings: Mapping[str, Any], content: Size | None, styles: Sequence[Size]
) -> dict[str, Any]:
    """The plan of a request, for pictures of these sizes (w, h).

    `stages` have `work`, the multiply-adds of a stage; `machine` names what they run on. `memory`
    is the maximum of the process in bytes. Where it does not fit, `error` says so, and `fits` is
    false. Raises SettingsError, ImageTooSmall and ImageTooLarge for what a run would refuse.
    """
    chosen = Settings.of(recipe, **settings)
    inputs = _inputs(chosen, content, styles)
    hardware = Hardware.choose(chosen, trial=trial_of(Run))
    found = {"size": list(inputs.size), "machine": machine(chosen, hardware)}
    try:
        plans = plans_for(chosen, hardware, inputs.stages, inputs.style_size, inputs.extra_bytes)
    except OutOfMemory as error:
        stages = [{"size": list(s.size), "iterations": s.iterations} for s in inputs.stages]
        return {**found, "stages": stages, "memory": None, "fits": False, "error": str(error)}
    stages = [
        {
            "size": list(stage.size),
            "iterations": stage.iterations,
            "work": work(chosen, hardware, plan, stage.iterations),
        }
        for stage, plan in zip(inputs.stages, plans, strict=True)
    ]
    memory = max(plan.peak for plan in plans)
    return {**found, "stages": stages, "memory": memory, "fits": True, "error": None}


def _inputs(settings: Settings, content: Size | None, styles: Sequence[Size]) -> Inputs:
    """What a run would read, with pictures of one black pixel that only have these sizes."""
    pictures = [_blank(size) for size in styles]
    sources = Sources.of(content and _blank(content), pictures)
    return Inputs.of(sources, settings, MAX_PIXELS, weights_of(settings.encoder).architecture)


def _blank(size: Size) -> Picture:
    """A picture of (w, h) that takes no memory."""
    width, height = size
    return Picture.of_levels(np.broadcast_to(np.uint8(0), (height, width, 3)))


def work(settings: Settings, hardware: Hardware, plan: Plan, iterations: int) -> float:
    """Multiply-adds of a stage as planned, and what takes as long as so many of them.

    An evaluation computes forward passes and a pullback of all windows. What else there is was
    measured at 64 to 512 px on a CPU, and holds within a tenth there.
    """
    demand = Demand(settings, plan.size, None, hardware.dtype, hardware.device, 0)
    network, loss = demand.network, settings.style_loss
    convolved = 2 * Cut.of(network, plan.size, None).forward() * plan.cost
    cubes = sum(network.channels(tap) ** 3 for tap in network.style)
    each = convolved * _PIXELWISE.get(loss, 1.0) + _ROOTS.get(loss, 0.0) * cubes + _CALLS
    return each * (evaluations(settings, iterations) + _MEASURING)


def evaluations(settings: Settings, iterations: int) -> float:
    """Evaluations that so many iterations take, on average."""
    if settings.evaluations:
        return iterations * float(settings.evaluations)
    if settings.optimiser != "lbfgs":
        return float(iterations)
    return iterations * _SEARCHES.get(settings.line_search, 1.2)


def machine(settings: Settings, hardware: Hardware) -> str:
    """What a rate is of: device, arithmetic, threads, and the loss, which convolves nothing."""
    dtype = str(hardware.dtype).removeprefix("torch.")
    return f"{hardware.device.type} {dtype} {hardware.threads} {settings.style_loss}"


class Stopwatch:
    """Tells of a run how long each of its stages took, for `Forecast.learn`.

    Give it every event. It answers with `machine`, `work` and `seconds` of the stage that ended
    with it, or None.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._began: tuple[int, float] | None = None  # iteration and time of the first step
        self._last: Step | None = None

    def __call__(self, event: Event) -> dict[str, Any] | None:
        """The stage that ended with this event, if one did."""
        if isinstance(event, Step):
            self._began = self._began or (event.iteration, time.perf_counter())
            self._last = event
            return None
        if not isinstance(event, (Stage, Done)) or self._began is None or self._last is None:
            return None
        (first, since), last = self._began, self._last
        self._began = self._last = None
        plan = next((p for p in self._run.state.plans if p.size == last.size), None)
        if plan is None or last.iteration - first < _FEWEST:
            return None
        settings, hardware = self._run.settings, self._run.hardware
        total = work(settings, hardware, plan, last.iteration)
        whole = evaluations(settings, last.iteration) + _MEASURING
        part = evaluations(settings, last.iteration - first) / whole
        seconds = time.perf_counter() - since
        return {"machine": machine(settings, hardware), "work": total * part, "seconds": seconds}


def calibrate() -> dict[str, Any]:
    """A short run of the default recipe: `work` in multiply-adds, `seconds`, and on what."""
    settings = Settings.of(size=_SMALL, scales=(1.0,), iterations=_TURNS)
    generator = torch.Generator().manual_seed(0)
    pictures = [
        Picture(torch.rand(3, _SMALL * 3 // 4, _SMALL, generator=generator)) for _ in range(2)
    ]
    run = Run(pictures[0], pictures[1], settings)
    planned = plan(
        "standard",
        {"size": _SMALL, "scales": [1.0], "iterations": _TURNS},
        pictures[0].size,
        [pictures[1].size],
    )
    seconds, before = [], 0.0
    for event in run.events():
        if isinstance(event, Step):
            now = time.perf_counter()
            seconds.append(now - before)
            before = now
    each = planned["stages"][0]["work"] / (_TURNS + _MEASURING)
    return {"machine": planned["machine"], "work": each, "seconds": min(seconds[2:])}


def describe() -> dict[str, Any]:
    """What the settings' registries know only with torch: layers, and methods of colour modes."""
    layers = {
        name: [operation.name for operation in net.operations]
        for name, net in ARCHITECTURES.items()
    }
    methods = {name: list(COLOUR_MODES.get(name).methods) for name in COLOUR_MODES.names()}
    return {"layers": layers, "methods": methods}
