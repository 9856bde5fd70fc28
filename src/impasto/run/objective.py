"""The objective that settings describe at one stage: its terms, their targets, and more terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from functools import partial

import torch
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
from impasto.objective.ranks import fingerprint, gathered
from impasto.objective.strips import Strip
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
            are its rows.

    Raises SettingsError where a term has a weight and no picture, or two terms have one name, or a
    term is called as something else that a step tells.
    """
    s, relative = settings, settings.weighting == "relative"
    total, strip = (share.ranks.total, share.strip) if share else (_alone, None)
    content = ContentTerm(
        encoder,
        inputs.content,
        s.content_taps,
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
        whole = inputs.content if share is None else inputs.whole
        listed.append(LegibilityTerm(whole, s.legibility, space, strip))
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


def _named(term: AnyTerm) -> AnyTerm:
    """The term, unless its name is another value's in traces."""
    name = getattr(term, "name", None)
    if name in _STEP:
        raise SettingsError(f"a term is called {name!r}, as another value of each step; rename it")
    return term


def _both(where: Tensor | None, part: Tensor) -> Tensor:
    """The part (h, w) of a region, which is everywhere if None."""
    return part if where is None else where * part


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
        self._weights = s.style_taps

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

    def _targets(self, inputs: StageInputs, region: Region[Tensor]) -> Iterator[StyleTarget]:
        """A region's styles, blended into one target or each a target of its own.

        A region's share is its part of the canvas, so that every pixel counts alike.
        """
        s, where = self._settings, region.where
        strips = inputs.style_strips or [None] * len(inputs.styles)
        styles = [
            (self._cached(inputs.styles[p.index], p.where, strips[p.index]), p.share)
            for p in region.parts
        ]
        if s.strength < 1 and inputs.content is not None:
            own = self._measured(inputs.content, where, s.wraps, inputs.strip)
            styles = [(own, 1 - s.strength), *((m, share * s.strength) for m, share in styles)]
        share, guide = self._part(inputs, where), where
        if s.style_blend == "statistics":
            yield StyleTarget(blend_statistics(styles), guide, share)
        else:
            yield from (StyleTarget(style, guide, share * part) for style, part in styles)

    def _part(self, inputs: StageInputs, where: Tensor | None) -> float:
        """The part of the canvas that a mask covers."""
        if where is None or self._share is None:
            return 1.0 if where is None else float(where.mean())
        covered = self._share.ranks.total(inputs.own(where).sum(dtype=torch.float64))
        return float(covered) / (inputs.size[0] * inputs.size[1])

    def _cached(
        self, picture: Tensor, where: Tensor | None, strip: Strip | None
    ) -> StyleStatistics:
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
            self._checksum(picture, where, strip),
        )
        return self._cache.get(key, partial(self._measured, picture, where, strip=strip))

    def _checksum(self, picture: Tensor, where: Tensor | None, strip: Strip | None) -> object:
        """A checksum of values; of rows those of all processes, so that all find it or none."""
        own = values_checksum(picture, where)
        if strip is None or self._share is None:
            return own
        return strip, *gathered(self._share.ranks, fingerprint(own))

    def _measured(
        self,
        picture: Tensor,
        where: Tensor | None,
        wraps: tuple[bool, bool] = (False, False),
        strip: Strip | None = None,
    ) -> StyleStatistics:
        """The statistics of a picture, of which each process has a strip if there is one."""
        own = measure_statistics(
            self._encoder,
            picture,
            self._weights,
            self._tile,
            loss=self._loss,
            where=where,
            wraps=wraps,
            check=self._check,
            strip=strip,
        )
        if strip is None or self._share is None:
            return own
        found: StyleStatistics = self._share.summed({"style": dict(own)})["style"]
        return found
