"""From settings to the parts they describe: network, objective, optimiser."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import torch
from torch import Tensor

from impasto.encoder import Encoder, weights_of
from impasto.hardware.device import choose_device, choose_dtype, choose_threads, free_memory
from impasto.hardware.planner import Plan, plan
from impasto.images.spaces import ColourSpace
from impasto.objective import Objective
from impasto.objective.measure import StyleStatistics, blend_statistics, measure_statistics
from impasto.objective.style_losses import find_style_loss
from impasto.objective.terms import StyleTarget, Term
from impasto.objective.tiles import Tiling
from impasto.optimisers import Box, Minimiser, Spectrum, ValueAndGrad, adam, lbfgs, rounds, stepped
from impasto.run.canvas import Pair, bounds
from impasto.settings import Settings
from impasto.settings.schedule import Stage

__all__ = [
    "StyleCache",
    "encoder_for",
    "hardware_for",
    "objective_for",
    "optimiser_for",
    "plans_for",
]

Size = tuple[int, int]


def encoder_for(settings: Settings) -> Encoder:
    """The frozen network that the settings describe; built once and shared while it is in use.

    Sets torch's number of threads, which is one for the whole process.
    """
    device, dtype, threads = hardware_for(settings)
    torch.set_num_threads(threads)
    exact = settings.precision == "fp32"
    return _encoder(settings.encoder, settings.pooling, settings.padding, dtype, device, exact)


@lru_cache(maxsize=2)
def _encoder(
    name: str, pooling: str, padding: str, dtype: torch.dtype, device: torch.device, exact: bool
) -> Encoder:
    weights = weights_of(name)
    return Encoder(
        weights, pooling=pooling, padding=padding, dtype=dtype, device=device, exact=exact
    )


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
    pair: Pair,
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
    for region in pair.regions if taps else ():
        styles = []
        for model in region.models:
            picture, name = pair.styles[model.number], names[model.number]
            key = (encoder, taps, tiling.tile, loss, name, model.name)
            there = partial(measure, picture, where=model.where)
            styles.append((cache.get(key, there), model.share))
        if s.strength < 1 and pair.content is not None:
            own = measure(pair.content, where=region.where)
            styles = [(own, 1 - s.strength), *((m, share * s.strength) for m, share in styles)]
        guides += _guides(styles, region.where, blended=s.style_blend == "statistics")
    return Objective(
        encoder,
        pair.content,
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
    evaluate: ValueAndGrad, canvas: Tensor, stage: Stage, settings: Settings, space: ColourSpace
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
    return _descent(stage, settings, space, spectrum)(evaluate, x, box=box)


def _descent(
    stage: Stage, settings: Settings, space: ColourSpace, spectrum: Spectrum | None
) -> Callable[..., Minimiser]:
    """L-BFGS as the settings describe it, perhaps in rounds of so many evaluations.

    A round has no more iterations than evaluations, and so no longer a history.
    """
    first, longest = settings.first_step, settings.evaluations or stage.iterations
    device, dtype, _ = hardware_for(settings)
    compact = dtype == torch.bfloat16 and device.type != "mps"  # which has no float64
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
    stages: Sequence[Stage],
    style_size: Callable[[Size], Size | None],
    beside: Callable[[Size], int],
) -> tuple[Plan, ...]:
    """How each stage is painted in the memory that there is, or that the settings grant.

    For a canvas's (w, h), `style_size` gives the painting's, and `beside` the bytes of pictures as
    they were read that are kept beside those of that size. Raises OutOfMemory where a stage does
    not fit.
    """
    device, dtype, _ = hardware_for(settings)
    room = int(settings.memory) or free_memory(device).value
    return tuple(
        plan(
            settings, size, style_size(size), room, dtype=dtype, device=device, beside=beside(size)
        )
        for size in (stage.size for stage in stages)
    )


def hardware_for(settings: Settings) -> tuple[torch.device, torch.dtype, int]:
    """Device, arithmetic and CPU threads, chosen or as asked."""
    device = choose_device(settings.device).value
    dtype = choose_dtype(settings.precision, device).value
    return device, dtype, choose_threads(settings.threads).value
