"""From settings to the parts they describe: network, objective, optimiser."""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from impasto.encoder import Encoder, Weights, weights_of
from impasto.encoder.cache import Cache
from impasto.hardware.device import Hardware, Trial
from impasto.hardware.planner import Plan, plan
from impasto.images import Picture
from impasto.images.spaces import ColourSpace
from impasto.objective import Objective
from impasto.objective.measure import StyleStatistics, blend_statistics, measure_statistics
from impasto.objective.style_losses import find_style_loss
from impasto.objective.terms import StyleTarget, Term
from impasto.objective.tiles import Tiling
from impasto.optimisers import Box, Minimiser, Spectrum, ValueAndGrad, adam, lbfgs, rounds, stepped
from impasto.run.canvas import bounds
from impasto.run.stage_inputs import StageInputs
from impasto.settings import DEFAULT_RECIPE, Settings
from impasto.settings.schedule import Stage

__all__ = [
    "ENCODER_CACHE",
    "StyleCache",
    "TermFactory",
    "encoder_for",
    "objective_for",
    "optimiser_for",
    "plans_for",
    "trial_of",
]

Size = tuple[int, int]
TermFactory = Callable[[Any], Any]

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


class StyleCache:
    """What was measured of style pictures, for runs that share them; the least used leave first.

    A style is known by its `name`: whatever tells one picture at one size from all others.
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._kept: OrderedDict[object, StyleStatistics] = OrderedDict()

    def get(self, name: object, measure: Callable[[], StyleStatistics]) -> StyleStatistics:
        """What was measured of that style, now or when it was asked for before."""
        if name not in self._kept:
            self._kept[name] = measure()
        self._kept.move_to_end(name)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return self._kept[name]


def objective_for(
    encoder: Encoder,
    inputs: StageInputs,
    settings: Settings,
    space: ColourSpace,
    cache: StyleCache,
    names: Sequence[object],
    tiling: Tiling = Tiling(),  # noqa: B008 (frozen)
) -> Objective:
    """The objective that the settings describe; `names` are those of the styles on the shelf."""
    s, relative = settings, settings.weighting == "relative"
    style_term = Term(s.style_weight, s.style_normalisation, s.style_layers, relative)
    taps, guides = tuple(style_term.taps()), list[StyleTarget]()
    loss = find_style_loss(s.style_loss, s.style_normalisation)
    measure = partial(measure_statistics, encoder, taps=taps, tile=tiling.tile, loss=loss)
    for region in inputs.regions if taps else ():
        styles = []
        for part in region.parts:
            picture, name = inputs.styles[part.index], names[part.index]
            key = (encoder, taps, tiling.tile, loss, name, part.name)
            there = partial(measure, picture, where=part.where)
            styles.append((cache.get(key, there), part.share))
        if s.strength < 1 and inputs.content is not None:
            own = measure(inputs.content, where=region.where)
            styles = [(own, 1 - s.strength), *((m, share * s.strength) for m, share in styles)]
        guides += _guides(styles, region.where, blended=s.style_blend == "statistics")
    return Objective(
        encoder,
        inputs.content,
        guides,
        space=space,
        content_term=Term(s.content_weight, s.content_normalisation, s.content_layers, relative),
        style_term=style_term,
        variation_term=Term(s.tv_weight, s.tv_normalisation),
        style_loss=loss,
        tiling=tiling,
    )


def _guides(
    styles: Sequence[tuple[StyleStatistics, float]], where: Tensor | None, *, blended: bool
) -> list[StyleTarget]:
    """A region's styles as one mixture or each by itself.

    A region counts as much as it is of the canvas, so that a pixel is pulled alike in all.
    """
    share = 1.0 if where is None else float(where.mean())
    if blended:
        return [StyleTarget(blend_statistics(styles), where, share)]
    return [StyleTarget(style, where, share * part) for style, part in styles]


def optimiser_for(
    evaluate: ValueAndGrad,
    canvas: Tensor,
    stage: Stage,
    settings: Settings,
    space: ColourSpace,
    hardware: Hardware,
) -> Minimiser:
    """The optimiser that the settings describe at one scale, from a canvas (3, h, w) in `space`."""
    limits = bounds(settings, space, canvas)
    box = Box(*limits) if limits else None
    x = box.project(canvas.flatten()) if box else canvas.flatten()
    if settings.optimiser == "adam":
        rate = stepped(settings.learning_rate, stage.decay_every, settings.decay)
        betas, epsilon = settings.betas, settings.epsilon
        return adam(evaluate, x, rate=rate, betas=betas, epsilon=epsilon, box=box)
    free = settings.precondition and box is None
    spectrum = Spectrum(canvas, settings.precondition) if free else None
    return _descent(stage, settings, space, hardware, spectrum)(evaluate, x, box=box)


def _descent(
    stage: Stage,
    settings: Settings,
    space: ColourSpace,
    hardware: Hardware,
    spectrum: Spectrum | None,
) -> Callable[..., Minimiser]:
    """L-BFGS as the settings describe it, perhaps in rounds of so many evaluations.

    A round has no more iterations than evaluations, and so no longer a history.
    """
    first, longest = settings.first_step, settings.evaluations or stage.iterations
    compact = (
        hardware.dtype == torch.bfloat16 and hardware.device.type != "mps"
    )  # which has no float64
    descend = partial(
        lbfgs,
        learning_rate=settings.learning_rate,
        first_step=first if isinstance(first, str) else first * space.gain[1] / 255,
        history=min(settings.history, max(1, longest)),
        form="compact" if compact else "recursion",
        search=settings.line_search,
        spectrum=spectrum,
    )
    if settings.evaluations:
        return partial(rounds, descend=descend, evaluations=settings.evaluations)
    return descend


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
