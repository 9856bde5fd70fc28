"""The objective that settings describe at one stage: its terms, their targets, and more terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from functools import partial

from torch import Tensor

from impasto.encoder import Encoder
from impasto.errors import SettingsError
from impasto.images.checksums import values_checksum
from impasto.images.spaces import ColourSpace
from impasto.objective import Objective, StyleCache
from impasto.objective.measure import (
    StyleStatistics,
    blend_statistics,
    measure_statistics,
    unchecked,
)
from impasto.objective.style_losses import declaration, find_style_loss
from impasto.objective.terms import (
    AnyTerm,
    ContentTerm,
    LegibilityTerm,
    StyleTarget,
    StyleTerm,
    TermContext,
    TermFactory,
    VariationTerm,
)
from impasto.objective.tiles import Tiling
from impasto.run.events import Step
from impasto.run.regions import Region
from impasto.run.share import Share
from impasto.run.stage_inputs import StageInputs
from impasto.settings import Settings

__all__ = ["objective_for"]

_STEP = frozenset(field.name for field in fields(Step))


def objective_for(
    encoder: Encoder,
    inputs: StageInputs,
    settings: Settings,
    space: ColourSpace,
    *,
    tiling: Tiling = Tiling(),  # noqa: B008 (frozen)
    cache: StyleCache | None = None,
    terms: Sequence[TermFactory] = (),
    check: Callable[[], object] = unchecked,
    share: Share | None = None,
) -> Objective:
    """Content, style and variation as the settings weigh them, then a term of each factory.

    Args:
        encoder: the network.
        inputs: the pictures of a stage, on the encoder's device.
        settings: weights, layers, normalisations, the style loss.
        space: the canvas's colour space.
        tiling: how canvas and pictures are cut into windows.
        cache: style statistics that were measured before.
        terms: makers of more terms.
        check: called between windows; what it raises ends the computation.
        share: the part of the canvas that is this process's, where several share it; the pictures
            are whole.

    Raises SettingsError where a term has a weight and no picture, or two terms have one name, or a
    term is called as something else that a step tells.
    """
    s, relative = settings, settings.weighting == "relative"
    total, strip = (share.ranks.total, share.strip) if share else (_alone, None)
    content = ContentTerm(
        encoder,
        _held(inputs.content, share),
        _weights(s.content_layers, s.content_weight),
        normalisation=s.content_normalisation,
        relative=relative,
        check=check,
        total=total,
    )
    style = _Style(encoder, settings, tiling, cache or StyleCache(), check, share)
    listed: list[AnyTerm] = [
        content,
        style.term(inputs),
        VariationTerm(s.tv_weight, s.tv_normalisation, s.wraps, strip),
    ]
    if s.legibility:
        listed.append(LegibilityTerm(inputs.content, s.legibility, space, strip))
    of_part = partial(style.term, inputs)
    context = TermContext(encoder, space, inputs.size, inputs.content, tiling, of_part)
    listed += [_named(make(context)) for make in terms]
    if share is None:
        return Objective(encoder, listed, space=space, tiling=tiling, check=check)
    own, summed = share.tiling(tiling), share.summed
    return Objective(encoder, listed, space=space, tiling=own, check=check, total=summed)


def _alone(parts: Tensor) -> Tensor:
    """The total of a process that shares nothing."""
    return parts


def _held(planes: Tensor | None, share: Share | None) -> Tensor | None:
    """The rows of whole planes (..., h, w) that this process holds."""
    return planes if planes is None or share is None else share.strip.of(planes)


def _named(term: AnyTerm) -> AnyTerm:
    """The term, unless its name is another value's in traces."""
    name = getattr(term, "name", None)
    if name in _STEP:
        raise SettingsError(f"a term is called {name!r}, as another value of each step; rename it")
    return term


def _both(where: Tensor | None, part: Tensor) -> Tensor:
    """The part (h, w) of a region, which is everywhere if None."""
    return part if where is None else where * part


def _weights(layers: dict[str, float], weight: float) -> dict[str, float]:
    """Tap -> full weight."""
    return {tap: weight * part for tap, part in layers.items()}


class _Style:
    """Measures the styles of a stage and makes the style term."""

    def __init__(
        self,
        encoder: Encoder,
        settings: Settings,
        tiling: Tiling,
        cache: StyleCache,
        check: Callable[[], object],
        share: Share | None,
    ) -> None:
        s, self._share = settings, share
        self._settings = settings
        self._encoder, self._tile, self._cache, self._check = encoder, tiling.tile, cache, check
        self._loss = find_style_loss(s.style_loss, s.style_normalisation)
        weights = _weights(s.style_layers, s.style_weight)
        self._weights = {tap: weight for tap, weight in weights.items() if weight != 0}

    def term(
        self,
        inputs: StageInputs,
        part: Tensor | None = None,
        name: str = "style",
        weight: float = 1.0,
    ) -> StyleTerm:
        """The style term of a stage's regions, or of a part (h, w) of them; `weight` of its own."""
        regions = inputs.regions if self._weights else ()
        if part is not None:
            regions = tuple(replace(r, where=_both(r.where, part)) for r in regions)
        targets = [
            replace(target, share=weight * target.share)
            for region in regions
            for target in self._targets(inputs, region)
        ]
        return StyleTerm(
            self._encoder.architecture,
            targets,
            self._weights,
            self._loss,
            relative=self._settings.weighting == "relative",
            wraps=self._settings.wraps,
            device=self._encoder.device,
            total=self._share.ranks.total if self._share else _alone,
            name=name,
        )

    def _targets(self, inputs: StageInputs, region: Region) -> Iterator[StyleTarget]:
        """A region's styles, blended into one target or each a target of its own.

        A region's share is its part of the canvas, so that every pixel counts alike.
        """
        s, where = self._settings, region.where
        styles = [
            (self._cached(inputs.styles[part.index], part.where), part.share)
            for part in region.parts
        ]
        if s.strength < 1 and inputs.content is not None:
            own = self._measured(inputs.content, where, s.wraps)
            styles = [(own, 1 - s.strength), *((m, share * s.strength) for m, share in styles)]
        share = 1.0 if where is None else float(where.mean())
        guide = _held(where, self._share)
        if s.style_blend == "statistics":
            yield StyleTarget(blend_statistics(styles), guide, share)
        else:
            yield from (StyleTarget(style, guide, share * part) for style, part in styles)

    def _cached(self, picture: Tensor, where: Tensor | None) -> StyleStatistics:
        """Statistics of a style picture (3, h, w) under weights (h, w), measured once.

        The key is all that they depend on: values, not names.
        """
        declared, e = declaration(self._loss), self._encoder
        key = (
            (e.weights, e.pooling, e.padding, e.dtype, e.device, e.exact),
            tuple(self._weights),
            self._tile,
            declared.statistic,
            declared.needs,
            values_checksum(picture, where),
        )
        return self._cache.get(key, partial(self._measured, picture, where))

    def _measured(
        self, picture: Tensor, where: Tensor | None, wraps: tuple[bool, bool] = (False, False)
    ) -> StyleStatistics:
        return measure_statistics(
            self._encoder,
            picture,
            self._weights,
            self._tile,
            loss=self._loss,
            where=where,
            wraps=wraps,
            check=self._check,
        )
