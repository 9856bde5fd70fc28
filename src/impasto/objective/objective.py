"""The function that a canvas minimises, in two passes over its windows.

1. features of the canvas -> what style measures of them, such as Σf and Σffᵀ at each of its taps;
2. the style loss and its gradient with respect to that, by autograd on a few C x C matrices;
3. at each tap a cotangent, content's 2·scale·(F - P) plus style's, such as f·(S + Sᵀ) + m, pulled
   back to the canvas.

What is measured of windows adds up, and so do the gradients pulled back to each: whatever the
windows, this is the gradient of the whole. One window is looked at once, for both passes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from impasto.encoder import Cotangent, Encoder, Tape
from impasto.images.spaces import CAFFE, ColourSpace
from impasto.objective.features import Features
from impasto.objective.measure import core_of, measure_statistics, windows_over
from impasto.objective.statistics import Moments, Pull
from impasto.objective.style_losses.gram import StyleLoss
from impasto.objective.style_losses.registry import find_style_loss
from impasto.objective.terms.base import ContentTerm, StyleTarget, StyleTerm, Term
from impasto.objective.terms.variation import VARIATIONS
from impasto.objective.tiles import Tiling, Window

__all__ = ["Evaluation", "Objective", "StyleTarget", "Term"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The objective at a canvas: scalar `loss`, weighted `terms` that add up to it, gradient.

    The gradient is (3, h, w) in the canvas's own colour space; scalars stay on the device.
    """

    loss: Tensor
    terms: Mapping[str, Tensor]
    gradient: Tensor


class _Look(NamedTuple):
    """What one window of a canvas looks like to the network."""

    tape: Tape
    features: dict[str, Tensor]


class Objective:
    """Content + style + total variation of a canvas, against targets measured once.

    Args:
        encoder: the frozen network.
        content: sRGB picture, (3, h, w) in [0, 1], of the canvas's size; None without weight.
        style: sRGB picture of any size, or its statistics, of one or several, each the target
            of a region of the canvas or of all of it; None without weight.
        space: the canvas's colour space.
        content_term, style_term, variation_term: weights, taps and normalisations.
        style_loss: the distance between what is measured; by default that of Grams.
        tiling: how the canvas is cut into windows.
    """

    def __init__(
        self,
        encoder: Encoder,
        content: Tensor | None,
        style: Tensor | Sequence[StyleTarget] | None,
        *,
        space: ColourSpace = CAFFE,
        content_term: Term,
        style_term: Term,
        variation_term: Term,
        style_loss: StyleLoss | None = None,
        tiling: Tiling = Tiling(),  # noqa: B008 (frozen)
    ) -> None:
        self._encoder, self._space, self.tiling = encoder, space, tiling
        self.architecture = encoder.architecture
        self.taps = (*content_term.taps(), *style_term.taps())
        loss = style_loss or find_style_loss("gram", style_term.normalisation)
        if isinstance(style, Tensor):
            tile, taps = tiling.tile, style_term.taps()
            style = [StyleTarget(measure_statistics(encoder, style, taps, tile, loss=loss))]
        self._style = StyleTerm(self.architecture, style or (), style_term, loss)
        self._content = ContentTerm(encoder, content, content_term, tiling, self.taps)
        self._variation = VARIATIONS[variation_term.normalisation]
        self._variation_weight = variation_term.weight

    def __call__(self, canvas: Tensor) -> Evaluation:
        """Loss, terms and gradient at `canvas`, (3, h, w) in the canvas's colour space."""
        gradient = torch.zeros_like(canvas)
        variation = self._add_variation(canvas, gradient)
        parts = windows_over(canvas, self._encoder, self.taps, self.tiling.tile)
        kept: dict[Window, _Look] = {}
        style, pulls = self._style.compared(self._measured(canvas, parts, kept))
        content = torch.zeros((), dtype=torch.float32, device="cpu")  # on no device in particular
        for number, window in reversed([*enumerate(parts)]):  # those kept come first
            target = self._content.target(window)
            look = kept.pop(window, None) or self._look(canvas, window)
            part, slopes = self._content.slopes(window, look.features, target)
            content = content + part
            cotangents = self._cotangents(window, number, look, slopes, pulls)
            look.features.clear()  # who still needs them has them: they go one by one
            window.of(gradient).add_(self._encoder.pullback(look.tape, cotangents))
        zero = variation.new_zeros(())
        terms = {"content": zero + content, "style": zero + style, "variation": variation}
        return Evaluation(content + style + variation, terms, gradient)

    def retiled(self, tiling: Tiling) -> Objective:
        """The same objective, looked at in other windows."""
        other = copy(self)
        other.tiling = tiling
        other._content = self._content.retiled(tiling)
        return other

    def _look(self, canvas: Tensor, window: Window) -> _Look:
        part = window.of(canvas)
        return _Look(*self._encoder.features(part, self.taps, self._space, window.ends))

    def _measured(
        self, canvas: Tensor, parts: tuple[Window, ...], kept: dict[Window, _Look]
    ) -> Mapping[tuple[str, int], Moments | Features]:
        """What style measures of the canvas; the looks at the last windows go to `kept`."""
        found: dict[tuple[str, int], Moments | Features] = {}
        if self._style.weights:
            keep = set(parts[-max(1, self.tiling.tapes) :])
            for window in parts:
                look = self._look(canvas, window)
                self._style.measure(window, look.features, found)
                if window in keep:
                    kept[window] = look
                del look  # before the next
        return found

    def _cotangents(
        self,
        window: Window,
        number: int,
        look: _Look,
        slopes: Mapping[str, Tensor],
        pulls: Mapping[str, Sequence[Pull]],
    ) -> dict[str, Cotangent]:
        """What adds both terms' gradients with respect to a window's features at each tap."""

        def cotangent(tap: str, features: Tensor) -> Cotangent:
            def add(g: Tensor | None) -> Tensor:
                g = torch.zeros_like(features) if g is None else g
                core = window.core(tap, g)  # in place: what comes from above is the pullback's own
                if tap in slopes:
                    core.add_(slopes[tap])
                if tap in pulls:
                    own = core_of(window, tap, features)
                    self._style.add(pulls[tap], core, own, (window, tap, number))
                return g

            return add

        return {tap: cotangent(tap, look.features[tap]) for tap in self.taps}

    def _add_variation(self, canvas: Tensor, gradient: Tensor) -> Tensor:
        """The total variation's term, its gradient added to `gradient`."""
        if self._variation_weight == 0:
            return canvas.new_zeros(())
        return self._variation.add(canvas, self._variation_weight, gradient)
