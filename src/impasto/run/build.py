"""From settings to the parts they describe: network, optimiser, plan."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from impasto.encoder import Encoder, Weights, weights_of
from impasto.encoder.cache import Cache
from impasto.errors import OutOfMemory
from impasto.hardware.device import Hardware, Trial
from impasto.hardware.memory_model import Demand
from impasto.hardware.planner import Plan, plan
from impasto.images import Picture
from impasto.objective.ranks import Ranks
from impasto.objective.strips import Strip
from impasto.optimisers import Backoff, Minimiser, Optimiser, Problem, ValueAndGrad
from impasto.optimisers.parts import WHOLE, Parts
from impasto.run.postprocess import Postprocess
from impasto.run.share import Share, share_of, shortest
from impasto.settings import DEFAULT_RECIPE, Settings
from impasto.settings.schedule import Stage
from impasto.settings.variants import OPTIMISERS

__all__ = [
    "ENCODER_CACHE",
    "encoder_for",
    "has_whole",
    "optimiser_for",
    "plans_for",
    "shared_plan",
    "shared_plans_for",
    "trial_of",
]

Size = tuple[int, int]

_ENLARGING = 4  # canvases of own rows, while the last one is enlarged

ENCODER_CACHE: Cache[Encoder] = Cache(2)
"""The encoders used last, by the digest of their weights and by their options."""


def encoder_for(
    settings: Settings,
    hardware: Hardware,
    encoder: Encoder | Weights | str | os.PathLike[str] | None = None,
) -> Encoder:
    """The frozen network of a run, shared with other runs that need the same one.

    Args:
        settings: with the name of the network, its pooling, padding and precision.
        hardware: with the device and the dtype.
        encoder: overrides `settings.encoder`: Weights, the path of a weight file, or an Encoder,
            which is returned as it is, whatever settings and hardware say.

    Raises SettingsError and WeightsError as `weights_of` does.
    """
    if isinstance(encoder, Encoder):
        return encoder
    weights = weights_of(settings.encoder if encoder is None else encoder)
    options: dict[str, Any] = {
        "pooling": settings.pooling,
        "padding": settings.padding,
        "dtype": hardware.dtype,
        "device": hardware.device,
        "exact": settings.precision == "fp32",
    }
    return ENCODER_CACHE.get((weights, *options.values()), partial(Encoder, weights, **options))


def optimiser_for(
    function: ValueAndGrad,
    canvas: Tensor,
    stage: Stage,
    settings: Settings,
    encoder: Encoder,
    notify: Callable[[str], object],
    share: Share | None = None,
) -> Minimiser:
    """The optimiser that the settings name, at one stage, with smaller steps where it diverges.

    Args:
        function: of flat canvases, (3·h·w,).
        canvas: the first one, (3, h, w) in the settings' colour space; it is clipped to the bounds.
        stage: how many iterations it is to make, at which size.
        settings: which optimiser, and how it makes them.
        encoder: the network, whose precision decides that of the optimiser's history.
        notify: gets a line each time the optimiser goes back and continues with smaller steps.
        share: this process's part of the canvas, where several share it; then the canvas and the
            function's vectors are of its own rows.
    """
    planned = stage.iterations, stage.decay_every
    shared = (share.rows, share.ranks) if share else ()
    problem = Problem(settings, stage.size, *planned, encoder.dtype, encoder.device, *shared)
    parts = Parts(share.ranks) if share else WHOLE
    optimiser: Optimiser = OPTIMISERS.get(settings.optimiser)

    def start(function: ValueAndGrad, x: Tensor, factor: float) -> Minimiser:
        return optimiser.start(function, x, problem.with_step(factor))

    x, box = canvas.flatten(), problem.box(canvas)
    return Backoff(function, box.project(x) if box else x, start, notify, parts)


def plans_for(
    settings: Settings,
    hardware: Hardware,
    stages: Sequence[Stage],
    style_size: Callable[[Size], Size | None],
    extra_bytes: Callable[[Size], int],
    encoder: Encoder | None = None,
) -> tuple[Plan, ...]:
    """How each stage is painted within the hardware's memory.

    For a canvas's (w, h), `style_size` gives the style's (w, h), and `extra_bytes` the bytes of
    pictures and whatever else is kept beside those of that size. `encoder`, if given, is the
    network, in place of the one that the settings describe. Raises OutOfMemory where a stage does
    not fit.
    """
    return tuple(
        plan(settings, size, style_size(size), hardware, extra_bytes(size), encoder)
        for size in (stage.size for stage in stages)
    )


def shared_plan(
    settings: Settings,
    size: Size,
    style_size: Size | None,
    hardware: Hardware,
    extra_bytes: int,
    encoder: Encoder | None,
    strip: Strip,
    style_strip: Strip | None = None,
    *,
    whole: bool = False,
) -> Plan:
    """How a process paints its strip of a canvas of (w, h); see `plan`.

    It measures a `style_strip` of the style, or all of it. With `whole`, pictures and the canvas
    are whole for a moment, as those are of which the first canvas is made. Raises OutOfMemory also
    where that does not fit.
    """
    network = encoder or hardware  # either has a dtype and a device
    kind = network.dtype, network.device
    held, style = (size[0], strip.bottom - strip.top), style_size
    if style and style_strip:
        style = style[0], style_strip.bottom - style_strip.top
    made = (size, style_size) if whole else (held, style)
    beginning = Demand(settings, *made, *kind, extra_bytes, encoder).beginning
    beginning += _ENLARGING * 3 * 4 * held[0] * held[1]
    if beginning > hardware.memory:
        raise OutOfMemory(
            f"{size[0]}x{size[1]} px take {beginning / 1e9:.1f} GB at each process before it "
            f"paints, and {hardware.memory / 1e9:.1f} GB may be used; lower size, or raise memory"
        )
    own = plan(settings, held, style, hardware, extra_bytes, encoder)
    return replace(own, size=size, peak=max(own.peak, beginning))


def has_whole(stage: Stage, settings: Settings, *, apart: bool) -> bool:
    """Whether processes that share the canvas of a stage have whole pictures for a moment.

    `apart` is whether rows of the inputs are made by themselves.
    """
    last = stage.index + 1 == stage.count
    return stage.index == 0 or not apart or (last and not Postprocess(settings).pointwise)


def shared_plans_for(
    settings: Settings,
    hardware: Hardware,
    stages: Sequence[Stage],
    style_size: Callable[[Size], Size | None],
    extra_bytes: Callable[[Size], int],
    encoder: Encoder,
    ranks: Ranks,
    *,
    apart: bool,
) -> tuple[Plan, ...]:
    """How this process paints its rows of each stage: see `plans_for` and `has_whole`.

    All processes keep the history that the one with the least memory can.
    """
    found = []
    for stage in reversed(stages):  # to refuse the largest first
        size, whole = stage.size, has_whole(stage, settings, apart=apart)
        share = share_of(ranks, size[1], encoder.architecture, settings)
        assert share is not None
        style = style_size(size)
        (part,) = share.of_styles([style[1]]) if style else (None,)
        held = style, hardware, extra_bytes(size), encoder, share.strip, part
        own = shared_plan(settings, size, *held, whole=whole)
        found.append(replace(own, history=shortest(ranks, own.history)))
    return tuple(reversed(found))


def trial_of(run: Callable[[Picture, Picture, Settings], Iterable[object]]) -> Trial:
    """A trial of devices: the default recipe, painted at 64 px for two iterations by `run`."""

    def trial(device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)
        pictures = [
            Picture(torch.rand(3, 64, 64, generator=generator, dtype=torch.float32))
            for _ in range(2)
        ]
        settings = Settings.of(DEFAULT_RECIPE, size=64, iterations=2, device=device.type)
        for _ in run(pictures[0], pictures[1], settings):
            pass

    return trial
