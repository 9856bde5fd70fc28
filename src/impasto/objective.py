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

import torch
from torch import Tensor

from impasto.colour import CAFFE, ColourSpace
from impasto.encoder import Encoder
from impasto.errors import SettingsError
from impasto.losses import CONTENT_SCALES, STYLE_LOSSES, VARIATIONS, Moments, flat

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
        for tap, moments in pulls.items():
            cotangent = _cotangent(features[tap], moments)
            cotangents[tap] = cotangent + cotangents[tap] if tap in cotangents else cotangent
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
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Σ weight · scale · Σ(F - P)² and its gradient 2 · weight · scale · (F - P) per tap."""
        loss, cotangents = torch.zeros(()), {}
        for tap, weight in self._content_weights.items():
            difference = features[tap] - self._content[tap]
            channels, count = difference.shape[1], difference[0, 0].numel()
            scale = weight * self._content_scale(channels, count)
            loss = loss + scale * _squares(difference)
            cotangents[tap] = difference.mul_(2 * scale)  # in place: ours alone
        return loss, cotangents

    def _style_and_gradients(
        self, features: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Moments]]:
        """Style loss and, per tap, its gradient with respect to the moments (as Moments)."""
        if not self._style_weights:
            return torch.zeros(()), {}
        moments = {tap: _leaf(Moments.of(features[tap])) for tap in self._style_weights}
        with torch.enable_grad():
            losses = [
                weight * self._style_loss(moments[tap], self._style[tap])
                for tap, weight in self._style_weights.items()
            ]
            loss = torch.stack(losses).sum()
        leaves = [leaf for m in moments.values() for leaf in (m.total, m.outer)]
        grads = iter(torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True))
        pulls = {tap: Moments(next(grads), next(grads), m.count) for tap, m in moments.items()}
        return loss.detach(), pulls

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


def _leaf(moments: Moments) -> Moments:
    return Moments(moments.total.requires_grad_(), moments.outer.requires_grad_(), moments.count)


def _cotangent(features: Tensor, gradient: Moments) -> Tensor:
    """Gradient with respect to features (1, c, h, w), from that with respect to their moments.

    With S the gradient of Σffᵀ and m that of Σf, a position's cotangent is f·(S + Sᵀ) + m.
    """
    symmetric = (gradient.outer + gradient.outer.T).to(features.dtype)
    constant = gradient.total.to(features.dtype)
    if features.is_contiguous(memory_format=torch.channels_last):
        cotangent = torch.addmm(constant, flat(features).T, symmetric).T
    else:
        cotangent = torch.addmm(constant[:, None], symmetric, flat(features))
    return cotangent.view_as(features[0]).unsqueeze(0)
