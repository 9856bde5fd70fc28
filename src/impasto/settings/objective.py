"""Settings of the objective: terms, weights, layers, normalisations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel

from impasto.settings.fields import Layers, StyleLoss, Weight, knob

__all__ = ["ObjectiveSettings"]


class ObjectiveSettings(BaseModel):
    """What is minimised."""

    content_weight: Weight = knob("Objective", "weight of the content term", default=5.0)
    style_weight: Weight = knob("Objective", "weight of the style term", default=100.0)
    tv_weight: Weight = knob(
        "Objective", "weight of the total variation, which smooths", default=0.001
    )
    legibility: Weight = knob(
        "Objective",
        "weight of the legibility term, which keeps lettering and thin lines of the content",
        default=0.0,
    )
    content_layers: Layers = knob(
        "Objective",
        "layers at which content is compared, LAYER[=WEIGHT],…",
        default={"relu4_2": 1.0},
    )
    style_layers: Layers = knob(
        "Objective",
        "layers at which style is compared, LAYER[=WEIGHT],…",
        default={f"relu{block}_1": 1.0 for block in range(1, 6)},
    )
    weighting: Literal["absolute", "relative"] = knob(
        "Objective",
        "relative divides the distance at each layer by that of a picture without features, so "
        "that weights mean the same for every picture, layer and style loss",
        default="absolute",
    )
    content_normalisation: Literal["mean", "half-mean", "half-sum"] = knob(
        "Objective", "normalisation of Σ(F-P)²: mean, ½ mean or ½ sum", default="mean"
    )
    style_loss: StyleLoss = knob(
        "Objective", "distance between two pictures' features at a layer", default="gram"
    )
    style_normalisation: Literal["positions", "elements", "none", "gatys"] = knob(
        "Objective",
        "divisor of Gram matrices: positions, positions x channels, none, or Gatys' 1/(4C²M²)",
        default="elements",
    )
    tv_normalisation: Literal["l1-sum", "l1-mean", "l2-mean", "l2-swapped", "l2-diagonal"] = knob(
        "Objective",
        "total variation: absolute (l1) or squared (l2) differences, as a sum or a mean; swapped "
        "divides each by the other's count, diagonal adds diagonals",
        default="l1-sum",
    )

    @property
    def content_taps(self) -> dict[str, float]:
        """Where content is compared: layers with weight, each with its own times the term's."""
        return _weighed(self.content_layers, self.content_weight)

    @property
    def style_taps(self) -> dict[str, float]:
        """Where style is compared; see `content_taps`."""
        return _weighed(self.style_layers, self.style_weight)


def _weighed(layers: Mapping[str, float], weight: float) -> dict[str, float]:
    return {tap: weight * part for tap, part in layers.items() if weight * part}
