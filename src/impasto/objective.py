"""The function that a canvas minimises, in two passes over its windows.

1. features of the canvas -> moments at each style tap, Σf and Σffᵀ;
2. the style loss and its gradient with respect to the moments, by autograd on a few C x C
   matrices;
3. at each tap a cotangent, content's 2·scale·(F - P) plus style's f·(S + Sᵀ) + m, pulled back to
   the canvas.

Statistics are sums, so the windows' add up, and so do the gradients pulled back to each: whatever
the windows, this is the gradient of the whole. One window is looked at once, for both passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from impasto.colour import CAFFE, ColourSpace
from impasto.encoder import Cotangent, Encoder, Tape
from impasto.errors import SettingsError
from impasto.losses import (
    CONTENT_SCALES,
    VARIATIONS,
    Moments,
    StyleLoss,
    find_style_loss,
    flat,
    statistics_read,
)
from impasto.tiles import Tiling, Window, windows

__all__ = ["Evaluation", "Objective", "Term", "measured"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The objective at a canvas: scalar `loss`, weighted `terms` that add up to it, gradient.

    The gradient is (3, h, w) in the canvas's own colour space; scalars stay on the device.
    """

    loss: Tensor
    terms: Mapping[str, Tensor]
    gradient: Tensor


@dataclass(frozen=True)
class Term:
    """One term's choices: its weight, the weight of each tap within it, and its normalisation."""

    weight: float
    normalisation: str
    layers: Mapping[str, float] = field(default_factory=dict)

    def taps(self) -> dict[str, float]:
        """Tap -> full weight, without those of weight 0, which need not be computed."""
        full = {tap: self.weight * weight for tap, weight in self.layers.items()}
        return {tap: weight for tap, weight in full.items() if weight != 0}


class _Look(NamedTuple):
    """What one window of a canvas looks like to the network."""

    tape: Tape
    features: dict[str, Tensor]


def measured(
    encoder: Encoder, picture: Tensor, taps: Iterable[str], tile: int | None = None
) -> dict[str, Moments]:
    """Moments of an sRGB picture (3, h, w) at each tap, looked at in windows of `tile` pixels."""
    taps, moments = tuple(taps), dict[str, Moments]()
    for window in _windows(picture, encoder, taps, tile):
        features = encoder.features(window.of(picture), taps, ends=window.ends)[1]
        for tap in taps:
            _accumulate(moments, tap, Moments.of(_core(window, tap, features.pop(tap))))
    return moments


def _windows(
    picture: Tensor, encoder: Encoder, taps: tuple[str, ...], tile: int | None
) -> tuple[Window, ...]:
    """Windows over a picture (3, h, w); none where there is nothing to look at."""
    size = (picture.shape[-2], picture.shape[-1])
    return windows(size, encoder.architecture, taps, tile) if taps else ()


class Objective:
    """Content + style + total variation of a canvas, against targets measured once.

    Args:
        encoder: the frozen network.
        content: sRGB picture, (3, h, w) in [0, 1], of the canvas's size; None without weight.
        style: sRGB picture of any size, or what `measured` made of it; None without weight.
        space: the canvas's colour space.
        content_term, style_term, variation_term: weights, taps and normalisations.
        style_loss: the distance between moments; by default that of Grams.
        tiling: how the canvas is cut into windows.
    """

    def __init__(
        self,
        encoder: Encoder,
        content: Tensor | None,
        style: Tensor | Mapping[str, Moments] | None,
        *,
        space: ColourSpace = CAFFE,
        content_term: Term,
        style_term: Term,
        variation_term: Term,
        style_loss: StyleLoss | None = None,
        tiling: Tiling = Tiling(),  # noqa: B008 (frozen)
    ) -> None:
        self._encoder, self._space, self.tiling = encoder, space, tiling
        self._content_weights, self._style_weights = content_term.taps(), style_term.taps()
        self._content_scale = CONTENT_SCALES[content_term.normalisation]
        self._style_loss = style_loss or find_style_loss("gram", style_term.normalisation)
        self._variation = VARIATIONS[variation_term.normalisation]
        self._variation_weight = variation_term.weight
        self.architecture = encoder.architecture
        self.taps = (*self._content_weights, *self._style_weights)
        self._style = self._moments(style)
        self._content = self._checked(content)
        self._targets = self._measured_targets()
        self._read = {
            tap: statistics_read(self._style_loss, self._style[tap]) for tap in self._style_weights
        }

    def __call__(self, canvas: Tensor) -> Evaluation:
        """Loss, terms and gradient at `canvas`, (3, h, w) in the canvas's colour space."""
        gradient = torch.zeros_like(canvas)
        variation = self._add_variation(canvas, gradient)
        parts = _windows(canvas, self._encoder, self.taps, self.tiling.tile)
        kept: dict[Window, _Look] = {}
        style, pulls = self._style_and_pulls(self._statistics(canvas, parts, kept))
        content = torch.zeros(())  # on no device in particular
        for window in reversed(parts):  # those kept come first
            target = self._target(window)
            look = kept.pop(window, None) or self._look(canvas, window)
            part, cotangents = self._content_and_cotangents(canvas, window, look, target, pulls)
            content = content + part
            look.features.clear()  # who still needs them has them: they go one by one
            window.of(gradient).add_(self._encoder.pullback(look.tape, cotangents))
        zero = variation.new_zeros(())
        terms = {"content": zero + content, "style": zero + style, "variation": variation}
        return Evaluation(content + style + variation, terms, gradient)

    def retiled(self, tiling: Tiling) -> Objective:
        """The same objective, looked at in other windows."""
        other = copy(self)
        other.tiling = tiling
        other._targets = other._measured_targets()
        return other

    def _checked(self, content: Tensor | None) -> Tensor | None:
        if self._content_weights and content is None:
            raise SettingsError("the content term has a weight, but there is no content picture")
        return content if self._content_weights else None

    def _moments(self, style: Tensor | Mapping[str, Moments] | None) -> Mapping[str, Moments]:
        if self._style_weights and style is None:
            raise SettingsError("the style term has a weight, but there is no style picture")
        if isinstance(style, Tensor):
            return measured(self._encoder, style, self._style_weights, self.tiling.tile)
        return style or {}

    def _measured_targets(self) -> dict[Window, dict[str, Tensor]]:
        """Content's features in each window, where they are to be kept."""
        if self._content is None or not self.tiling.keep_content:
            return {}
        parts = _windows(self._content, self._encoder, self.taps, self.tiling.tile)
        return {window: self._measured_target(window) for window in parts}

    def _measured_target(self, window: Window) -> dict[str, Tensor]:
        if self._content is None:
            return {}
        part = window.of(self._content)
        features = self._encoder.features(part, self._content_weights, ends=window.ends)[1]
        return {tap: _core(window, tap, features.pop(tap)) for tap in self._content_weights}

    def _target(self, window: Window) -> Mapping[str, Tensor]:
        """Content's features at each tap, in the window's core."""
        return self._targets[window] if window in self._targets else self._measured_target(window)

    def _look(self, canvas: Tensor, window: Window) -> _Look:
        part = window.of(canvas)
        return _Look(*self._encoder.features(part, self.taps, self._space, window.ends))

    def _statistics(
        self, canvas: Tensor, parts: tuple[Window, ...], kept: dict[Window, _Look]
    ) -> Mapping[str, Moments]:
        """The canvas's moments at each style tap; the looks at the last windows go to `kept`."""
        moments: dict[str, Moments] = {}
        if self._style_weights:
            keep = set(parts[-max(1, self.tiling.tapes) :])
            for window in parts:
                look = self._look(canvas, window)
                for tap in self._style_weights:
                    core = _core(window, tap, look.features[tap])
                    _accumulate(moments, tap, Moments.of(core, self._read[tap]))
                if window in keep:
                    kept[window] = look
                del look, core  # before the next
        return moments

    def _style_and_pulls(
        self, moments: Mapping[str, Moments]
    ) -> tuple[Tensor, dict[str, dict[str, Tensor]]]:
        """Style loss and, per tap, its gradients with respect to the statistics it reads."""
        loss, pulls = torch.zeros(()), {}
        for tap, weight in self._style_weights.items():
            leaf = moments[tap].leaf()
            with torch.enable_grad():
                part = weight * self._style_loss(leaf, self._style[tap])
                pulls[tap] = leaf.gradients(part)
            loss = loss + part.detach()
        return loss, pulls

    def _content_and_cotangents(
        self,
        canvas: Tensor,
        window: Window,
        look: _Look,
        target: Mapping[str, Tensor],
        pulls: Mapping[str, Mapping[str, Tensor]],
    ) -> tuple[Tensor, dict[str, Cotangent]]:
        """A window's Σ weight · scale · Σ(F - P)², and what adds both terms' gradients per tap.

        Content's gradient is 2 · weight · scale · (F - P), the scale that of the whole canvas.
        """
        loss, slopes = torch.zeros(()), dict[str, Tensor]()
        for tap, weight in self._content_weights.items():
            slopes[tap] = window.core(tap, look.features[tap]) - target[tap]
            channels, positions = slopes[tap].shape[1], self._positions(canvas, tap)
            scale = weight * self._content_scale(channels, positions)
            loss = loss + scale * _squares(slopes[tap])
            slopes[tap].mul_(2 * scale)
        return loss, {
            tap: _cotangent(window, tap, look.features[tap], slopes.get(tap), pulls.get(tap, {}))
            for tap in self.taps
        }

    def _positions(self, canvas: Tensor, tap: str) -> int:
        """How many positions the whole canvas has at a tap."""
        level = self._encoder.architecture.level(tap)
        return int((canvas.shape[-2] >> level) * (canvas.shape[-1] >> level))

    def _add_variation(self, canvas: Tensor, gradient: Tensor) -> Tensor:
        """The total variation's term, its gradient added to `gradient`."""
        if self._variation_weight == 0:
            return canvas.new_zeros(())
        return self._variation.add(canvas, self._variation_weight, gradient)


def _accumulate(moments: dict[str, Moments], tap: str, more: Moments) -> None:
    moments[tap] = moments[tap] + more if tap in moments else more


def _core(window: Window, tap: str, features: Tensor) -> Tensor:
    """The core of features at a tap, in memory of its own where it is a part of them."""
    core = window.core(tap, features)
    last = not features.is_contiguous()
    return core.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def _squares(x: Tensor) -> Tensor:
    """Σ x², accumulated in float32 or better."""
    accurate = torch.promote_types(x.dtype, torch.float32)
    return x.to(accurate).square().sum()


def _cotangent(
    window: Window,
    tap: str,
    features: Tensor,
    content: Tensor | None,
    style: Mapping[str, Tensor],
) -> Cotangent:
    """What adds the gradient with respect to a window's features at one tap: to their core only.

    `content` is the first term's there; `style` has the second's S with respect to Σffᵀ and m with
    respect to Σf, with which a position's is f·(S + Sᵀ) + m.
    """

    def add(g: Tensor | None) -> Tensor:
        g = torch.zeros_like(features) if g is None else g
        core = window.core(tap, g)  # in place: what comes from above is the pullback's own
        if content is not None:
            core.add_(content)
        if "outer" in style:
            symmetric = (style["outer"] + style["outer"].T).to(features.dtype)
            _add_product(core, symmetric, flat(_core(window, tap, features)))
        if "total" in style:
            core.add_(style["total"].to(features.dtype)[:, None, None])
        return g

    return add


def _add_product(into: Tensor, matrix: Tensor, columns: Tensor) -> None:
    """Add matrix · columns (c, n), of a symmetric matrix, to features (1, c, h, w).

    Channels last at once, else as autograd does: published traces follow the last digits of float32
    in their first iterations, and there the product is rounded before it is added, as it is in
    every other program.
    """
    if columns.is_contiguous():
        into.add_((matrix @ columns).view(into.shape))
    elif into.is_contiguous(memory_format=torch.channels_last):
        torch.addmm(flat(into).T, columns.T, matrix, out=flat(into).T)
    else:
        into.add_((columns.T @ matrix).T.reshape(into.shape))
