"""The function that a canvas minimises, in two passes over additive statistics.

1. features of the canvas -> moments at each style tap, Σf and Σffᵀ;
2. the style loss and its gradient with respect to the moments, by autograd on a few C x C
   matrices;
3. at each tap a cotangent, content's 2·scale·(F - P) plus style's f·(S + Sᵀ) + m, pulled back to
   the canvas.

Statistics are sums, so the passes can run over parts of a canvas and add up to the same gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from impasto.colour import CAFFE, ColourSpace
from impasto.encoder import Cotangent, Encoder
from impasto.errors import SettingsError
from impasto.losses import (
    CONTENT_SCALES,
    STYLE_LOSSES,
    VARIATIONS,
    Moments,
    flat,
    statistics_read,
)

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


def measured(encoder: Encoder, picture: Tensor, taps: Iterable[str]) -> dict[str, Moments]:
    """Moments of an sRGB picture (3, h, w) at each tap."""
    taps = list(taps)
    features = encoder.features(picture, taps)[1] if taps else {}
    return {tap: Moments.of(f) for tap, f in features.items()}


class Objective:
    """Content + style + total variation of a canvas, against targets measured once.

    Args:
        encoder: the frozen network.
        content: sRGB picture, (3, h, w) in [0, 1], of the canvas's size; None without weight.
        style: sRGB picture of any size, or what `measured` made of it; None without weight.
        space: the canvas's colour space.
        content_term, style_term, variation_term: weights, taps and normalisations.
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
    ) -> None:
        self._encoder, self._space = encoder, space
        self._content_weights, self._style_weights = content_term.taps(), style_term.taps()
        self._content_scale = CONTENT_SCALES[content_term.normalisation]
        self._style_loss = STYLE_LOSSES[style_term.normalisation]
        self._variation = VARIATIONS[variation_term.normalisation]
        self._variation_weight = variation_term.weight
        self._content = self._features(content, self._content_weights)
        self._style = self._moments(style, self._style_weights)
        self._read = {
            tap: statistics_read(self._style_loss, self._style[tap]) for tap in self._style_weights
        }

    def __call__(self, canvas: Tensor) -> Evaluation:
        """Loss, terms and gradient at `canvas`, (3, h, w) in the canvas's colour space."""
        taps = [*self._content_weights, *self._style_weights]
        variation, gradient = self._variation_and_gradient(canvas)
        zero = variation.new_zeros(())
        if not taps:
            return Evaluation(variation, self._named(zero, zero, variation), gradient)
        tape, features = self._encoder.features(canvas, taps, self._space)
        content, cotangents = self._content_and_cotangents(features)
        style, pulls = self._style_and_gradients(features)
        for tap, pull in pulls.items():
            cotangents[tap] = _style_cotangent(features[tap], pull, cotangents.get(tap))
        features.clear()  # who still needs them has them: the pullback lets them go one by one
        gradient = gradient + self._encoder.pullback(tape, cotangents)
        terms = self._named(zero + content, zero + style, variation)
        return Evaluation(content + style + variation, terms, gradient)

    def _features(self, picture: Tensor | None, taps: Mapping[str, float]) -> dict[str, Tensor]:
        if not taps:
            return {}
        if picture is None:
            raise SettingsError("the content term has a weight, but there is no content picture")
        return self._encoder.features(picture, taps)[1]

    def _moments(
        self, style: Tensor | Mapping[str, Moments] | None, taps: Mapping[str, float]
    ) -> Mapping[str, Moments]:
        if taps and style is None:
            raise SettingsError("the style term has a weight, but there is no style picture")
        return measured(self._encoder, style, taps) if isinstance(style, Tensor) else style or {}

    def _content_and_cotangents(
        self, features: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Cotangent]]:
        """Σ weight · scale · Σ(F - P)² and its gradient 2 · weight · scale · (F - P) per tap."""
        loss = torch.zeros(())  # on no device in particular
        cotangents: dict[str, Cotangent] = {}
        for tap, weight in self._content_weights.items():
            difference = features[tap] - self._content[tap]
            channels, count = difference.shape[1], difference[0, 0].numel()
            scale = weight * self._content_scale(channels, count)
            loss = loss + scale * _squares(difference)
            cotangents[tap] = partial(_add_scaled, 2 * scale, difference)
        return loss, cotangents

    def _style_and_gradients(
        self, features: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, dict[str, Tensor]]]:
        """Style loss and, per tap, its gradients with respect to the statistics it reads."""
        loss, pulls = torch.zeros(()), {}
        for tap, weight in self._style_weights.items():
            moments = Moments.of(features[tap], self._read[tap]).leaf()
            with torch.enable_grad():
                part = weight * self._style_loss(moments, self._style[tap])
                pulls[tap] = moments.gradients(part)
            loss = loss + part.detach()
        return loss, pulls

    def _variation_and_gradient(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        if self._variation_weight == 0:
            return canvas.new_zeros(()), torch.zeros_like(canvas)
        with torch.enable_grad():
            leaf = canvas.detach().requires_grad_()
            loss = self._variation_weight * self._variation(leaf)
        return loss.detach(), torch.autograd.grad(loss, leaf)[0]

    @staticmethod
    def _named(content: Tensor, style: Tensor, variation: Tensor) -> dict[str, Tensor]:
        return {"content": content, "style": style, "variation": variation}


def _squares(x: Tensor) -> Tensor:
    """Σ x², accumulated in float32 or better."""
    accurate = torch.promote_types(x.dtype, torch.float32)
    return x.to(accurate).square().sum()


def _add_scaled(factor: float, term: Tensor, g: Tensor | None) -> Tensor:
    """Sum of g and factor · term, in place of whichever is there; both are the pullback's own."""
    term.mul_(factor)
    return term if g is None else g.add_(term)


def _style_cotangent(
    features: Tensor, pull: Mapping[str, Tensor], content: Cotangent | None
) -> Cotangent:
    """What adds style's cotangent at one tap, and content's if it has one there.

    With S the gradient of Σffᵀ and m that of Σf, a position's cotangent is f·(S + Sᵀ) + m, for
    features (1, c, h, w).
    """
    columns = flat(features)

    def add(g: Tensor | None) -> Tensor:
        g = content(g) if content else g
        g = torch.zeros_like(features) if g is None else g
        into = flat(g)  # in place: what comes from above is the pullback's own
        if "outer" in pull:
            symmetric = (pull["outer"] + pull["outer"].T).to(features.dtype)
            _add_product(into, symmetric, columns)
        if "total" in pull:
            into.add_(pull["total"].to(features.dtype)[:, None])
        return g

    return add


def _add_product(into: Tensor, matrix: Tensor, columns: Tensor) -> None:
    """Add matrix · columns, of a symmetric matrix: channels last at once, else as autograd does.

    Published traces follow the last digits of float32 in their first iterations: there the product
    is rounded before it is added, as it is in every other program.
    """
    if into.is_contiguous():
        into.add_(matrix @ columns)
    else:
        torch.addmm(into.T, columns.T, matrix, out=into.T)
